// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/libraries.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <utility>

#include <fmt/format.h>

#include "base/fd.hpp"
#include "jail/closure.hpp"
#include "jail/elf.hpp"
#include "jail/spawn.hpp"

namespace qvm::jail {

namespace {

namespace fs = std::filesystem;

/// Both the usual places and their older names, which are links on most systems and directories on others.
constexpr const char* system_directories[] = {"/usr/lib", "/usr/lib64", "/lib", "/lib64"};

/// The C library loads it by name when a thread is cancelled, and ends the process without it.
constexpr const char* unwinder = "libgcc_s.so.1";

void add_links(Spec& spec) {
    std::error_code ignored;
    for (const fs::path directory : system_directories)
        if (fs::is_symlink(directory, ignored))
            spec.symlinks.push_back({fs::read_symlink(directory, ignored), directory});
}

void add_system_libraries(Spec& spec) {
    add_links(spec);
    std::error_code ignored;
    for (const fs::path directory : system_directories)
        if (!fs::is_symlink(directory, ignored) && fs::is_directory(directory, ignored))
            spec.binds.push_back({.source = directory, .target = directory, .executable = true});
}

/// The same place by a path without those of `system_directories` that are links: "/usr/lib/a" for "/lib/a".
fs::path without_links(const fs::path& path) {
    std::error_code ignored;
    for (const fs::path directory : system_directories) {
        const auto [rest, inner] = std::ranges::mismatch(path, directory);
        if (inner != directory.end() || !fs::is_symlink(directory, ignored)) continue;
        auto real = fs::canonical(directory, ignored);
        for (auto part = rest; part != path.end(); ++part) real /= *part;
        return real;
    }
    return path;
}

void add_new(std::vector<fs::path>& paths, const fs::path& path) {
    if (std::ranges::find(paths, path) == paths.end()) paths.push_back(path);
}

ElfFacts facts_of_program(const Program& program) {
    const Fd file(::open(program.binary.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) throw_errno(fmt::format("open '{}'", program.binary.string()));
    auto facts = read_elf(file.get());
    if (!facts)
        throw SetupError("check", fmt::format("'{}' is no ELF file", program.binary.string()), ENOEXEC,
                         "which libraries it needs cannot be told: jail.root = \"dirs\"");
    return std::move(*facts);
}

void bind_library(Spec& spec, const fs::path& path) {
    spec.binds.push_back({.source = path, .target = without_links(path), .executable = true});
}

}  // namespace

void add_libraries(Spec& spec, const Program& program) {
    if (program.loader.empty()) return add_system_libraries(spec);
    for (const auto& directory : program.library_path)
        spec.binds.push_back(
            {.source = directory, .target = directory, .executable = true, .optional = true});
}

std::vector<fs::path> library_directories(const Program& program) {
    if (!program.loader.empty()) return program.library_path;
    std::error_code ignored;
    std::vector<fs::path> directories;
    // What the C library was built for is beside its ld.so: "/usr/lib/x86_64-linux-gnu" on Debian.
    const auto own = fs::canonical(facts_of_program(program).interpreter, ignored).parent_path();
    if (!own.empty()) add_new(directories, own);
    if (own.string().starts_with("/lib")) add_new(directories, "/usr" + own.string());
    for (const fs::path directory : system_directories) add_new(directories, without_links(directory));
    return directories;
}

void add_library_files(Spec& spec, const Program& program, const std::vector<fs::path>& plugins) {
    const auto facts = facts_of_program(program);
    Closure closure(program.library_path,
                    program.loader.empty() ? library_directories(program) : std::vector<fs::path>());
    closure.add(program.binary);
    if (!closure.missing().empty()) {
        const auto& [library, needed_by] = closure.missing().front();
        throw SetupError(
            "check",
            fmt::format("'{}' needs {}, which is in no directory of libraries", needed_by.string(), library),
            ENOENT, "jail.root = \"dirs\" shows the directories as they are");
    }
    closure.add_library(unwinder, facts.machine);
    for (const auto& plugin : plugins) closure.add(plugin);
    if (program.loader.empty()) {
        add_links(spec);
        if (!facts.interpreter.empty()) bind_library(spec, facts.interpreter);
    }
    for (const auto& library : closure.libraries()) bind_library(spec, library);
    for (const auto& plugin : plugins) bind_library(spec, plugin);
}

void set_executable(Spec& spec, const Program& program) {
    if (program.loader.empty()) {
        spec.executable = program.binary;
        spec.argv = {program.binary};
        // Where argv[0] says it lies, it looks for its data: "DIRECTORY/../share".
        spec.directories.push_back(program.binary.parent_path());
        return;
    }
    std::string path;
    for (const auto& directory : program.library_path) path += (path.empty() ? "" : ":") + directory.string();
    spec.executable = program.loader;
    spec.argv = {program.loader, "--argv0", program.binary, "--library-path", path, program.binary};
    spec.binds.push_back({.source = program.binary, .target = program.binary, .executable = true});
}

std::string elf_interpreter(int program) {
    const auto facts = read_elf(program);
    return facts ? facts->interpreter : std::string();
}

}  // namespace qvm::jail
