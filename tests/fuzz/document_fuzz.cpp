// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever bytes a file, what it inherits, a --set or an --unset holds: reading, merging and lowering them
// ends, without a crash, and what has no mistakes lowers to the same VM again after it was written at the raw
// level.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/dump.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"

namespace {

using namespace qvm;
using namespace qvm::config;

std::string compiled(const std::vector<SourceText>& texts, const std::vector<Override>& overrides,
                     Diagnostics& diagnostics) {
    // A file may inherit the others.
    const Library library{{"/templates"}, [&texts](const std::filesystem::path& path) {
                              for (const auto& text : texts)
                                  if (text.path.filename() == path.filename())
                                      return FileContent{text.text, 0};
                              return FileContent{{}, ENOENT};
                          }};
    const Document document = load(texts, overrides, diagnostics, library);
    Vm vm = lower(document, diagnostics);
    find_host_uses(vm, document, diagnostics);
    diagnostics.sort();
    static_cast<void>(diagnostics.to_text(true));
    static_cast<void>(to_toml(document) + origins_text(document));
    return to_toml(vm);
}

}  // namespace

/// The text of a file; what follows a first zero byte is a second one, and then an override.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string rest(data, data + size);
    const auto part = [&rest] {
        const auto end = rest.find('\0');
        std::string text = rest.substr(0, end);
        rest = end == std::string::npos ? std::string() : rest.substr(end + 1);
        return text;
    };
    std::vector<SourceText> texts{{"a.toml", "/vm/a.toml", part()}};
    if (!rest.empty()) texts.push_back({"b.toml", "/vm/b.toml", part()});
    std::vector<Override> overrides;
    while (!rest.empty()) overrides.push_back({part()});

    Diagnostics first;
    const std::string text = compiled(texts, overrides, first);
    if (first.has_errors()) return 0;
    Diagnostics second;
    if (compiled({{"dump.toml", "/vm/dump.toml", text}}, {}, second) != text || second.has_errors())
        std::abort();
    return 0;
}
