// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/libraries.hpp"

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

}  // namespace qvm::jail
