// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/document.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/composition.hpp"
#include "config/interpolation.hpp"
#include "config/overrides.hpp"
#include "config/shared_memory.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;

std::string reading_advice(const std::string& path) {
    std::error_code ignored;
    for (const auto& near : {fs::path(path) / "vm.toml", fs::path(path + ".toml")})
        if (fs::is_regular_file(near, ignored)) return fmt::format("did you mean '{}'?", near.string());
    return "name a TOML file that says what the VM is";
}

}  // namespace

fs::path Document::directory_of(const Origin& origin) const {
    const auto found = std::ranges::find(names, origin.file_name(), &std::pair<std::string, fs::path>::first);
    return found == names.end() ? fs::path("/") : found->second.parent_path();
}

std::string Document::name() const {
    const Value* said = root.table()->find("name");
    if (said != nullptr) return said->is_string() ? *said->string() : std::string();
    if (files.empty()) return {};
    // A file called vm.toml is named by its directory, any other by itself.
    const auto& file = files.front();
    return file.filename() == "vm.toml" ? file.parent_path().filename().string() : file.stem().string();
}

Document load(const std::vector<SourceText>& texts, const std::vector<Override>& overrides,
              Diagnostics& diagnostics, const Library& library) {
    Document document;
    document.state = library.state;
    document.root.data = Table();
    Composer composer(document, library, diagnostics);
    for (const auto& text : texts) {
        document.files.push_back(text.path);
        auto table = composer.compose(text);
        if (document.root.table()->empty())
            document.root.data = std::move(table);
        else
            merge(*document.root.table(), table);
    }
    apply_overrides(document, overrides, diagnostics);
    interpolate(document, diagnostics);
    share_memory_where_needed(*document.root.table());
    return document;
}

UnreadableFile::UnreadableFile(std::string path, int error)
    : SystemError(fmt::format("read '{}'", path), error, reading_advice(path), ExitCode::Invalid),
      path_(std::move(path)) {}

std::vector<SourceText> read_files(const std::vector<std::string>& paths) {
    std::vector<SourceText> texts;
    for (const auto& path : paths) {
        auto content = read_file(path);
        if (!content) throw UnreadableFile(path, content.error);
        texts.push_back({path, fs::absolute(path).lexically_normal(), std::move(content.bytes)});
    }
    return texts;
}

}  // namespace qvm::config
