// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/libraries.hpp"

#include <cstring>
#include <elf.h>
#include <unistd.h>

#include <climits>

namespace qvm::jail {

namespace {

namespace fs = std::filesystem;

/// Both the usual places and their older names, which are links on most systems and directories on others.
constexpr const char* library_directories[] = {"/usr/lib", "/usr/lib64", "/lib", "/lib64"};

void add_system_libraries(Spec& spec) {
    for (const fs::path directory : library_directories) {
        std::error_code ignored;
        if (fs::is_symlink(directory, ignored))
            spec.symlinks.push_back({fs::read_symlink(directory, ignored), directory});
        else if (fs::is_directory(directory, ignored))
            spec.binds.push_back({.source = directory, .target = directory, .executable = true});
    }
}

}  // namespace

void add_libraries(Spec& spec, const Program& program) {
    if (program.loader.empty()) return add_system_libraries(spec);
    for (const auto& directory : program.library_path)
        spec.binds.push_back(
            {.source = directory, .target = directory, .executable = true, .optional = true});
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
    Elf64_Ehdr header{};
    if (::pread(program, &header, sizeof header, 0) != sizeof header ||
        std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
        return {};
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment{};
        const auto at = static_cast<off_t>(header.e_phoff + std::uint64_t{i} * header.e_phentsize);
        if (::pread(program, &segment, sizeof segment, at) != sizeof segment) return {};
        if (segment.p_type != PT_INTERP || segment.p_filesz < 2 || segment.p_filesz > PATH_MAX) continue;
        std::string path(segment.p_filesz - 1, '\0');  // ends with a null byte
        if (::pread(program, path.data(), path.size(), static_cast<off_t>(segment.p_offset)) !=
            static_cast<ssize_t>(path.size()))
            return {};
        return path;
    }
    return {};
}

}  // namespace qvm::jail
