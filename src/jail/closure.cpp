// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/closure.hpp"

#include <fcntl.h>
#include <optional>

#include "base/fd.hpp"
#include "jail/elf.hpp"

namespace qvm::jail {

namespace {

namespace fs = std::filesystem;
using Paths = std::vector<fs::path>;

std::optional<ElfFacts> facts_of(const fs::path& path) {
    // Not a FIFO, which would make us wait.
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    return file ? read_elf(file.get()) : std::nullopt;
}

/// With "$ORIGIN" for the directory of the file that says it. $LIB and $PLATFORM are left, and match nothing.
Paths directories(const std::vector<std::string>& written, const fs::path& file) {
    Paths paths;
    for (auto text : written) {
        const auto origin = file.parent_path().string();
        for (const std::string_view token : {"${ORIGIN}", "$ORIGIN"})
            for (auto at = text.find(token); at != std::string::npos;
                 at = text.find(token, at + origin.size()))
                text.replace(at, token.size(), origin);
        const auto path = fs::path(text).lexically_normal();
        if (path.is_absolute()) paths.push_back(path.has_filename() ? path : path.parent_path());
    }
    return paths;
}

}  // namespace

/// ld.so passes over files for other machines.
fs::path Closure::find(const std::string& name, unsigned machine, const Paths& before,
                       const Paths& after) const {
    if (name.empty() || name.find('/') != std::string::npos) return {};
    for (const auto* list : {&before, &given_, &after, &usual_})
        for (const auto& directory : *list) {
            auto path = directory / name;
            const auto facts = facts_of(path);
            if (facts && facts->machine == machine) return path;
        }
    return {};
}

void Closure::add(const fs::path& file) {
    if (!seen_.insert(file).second) return;
    const auto facts = facts_of(file);
    if (!facts) return;
    // A file that has both follows only the newer.
    const auto before = facts->runpath.empty() ? directories(facts->rpath, file) : Paths();
    const auto after = directories(facts->runpath, file);
    for (const auto& name : facts->needed) {
        const auto library = find(name, facts->machine, before, after);
        if (library.empty()) {
            missing_.push_back({name, file});
            continue;
        }
        libraries_.insert(library);
        add(library);
    }
}

bool Closure::add_library(const std::string& name, unsigned machine) {
    const auto library = find(name, machine, {}, {});
    if (library.empty()) return false;
    libraries_.insert(library);
    add(library);
    return true;
}

}  // namespace qvm::jail
