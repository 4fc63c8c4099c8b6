// SPDX-License-Identifier: GPL-3.0-or-later
// Where a program's libraries are.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "jail/profile.hpp"
#include "jail/spec.hpp"

namespace qvm::jail {

/// Gives the jail what dynamic programs need: the system's library directories, laid out as on the host, or
/// those of the program's own loader. Whole directories: many single mounts cost more than they hide.
void add_libraries(Spec& spec, const Program& program);

/// The same, but only the files that the program and `plugins`, which it may load, are linked to, each
/// mounted by itself at the place where ld.so(8) looks for it. A plugin that lacks one is as it is on the
/// host: it cannot be loaded. Throws SetupError if the program lacks one.
void add_library_files(Spec& spec, const Program& program, const std::vector<std::filesystem::path>& plugins);

/// Where ld.so looks for the program's libraries in a jail.
std::vector<std::filesystem::path> library_directories(const Program& program);

/// The path of the ELF interpreter (ld.so(8)) that `program` (borrowed) asks for; empty if it is static or no
/// ELF.
std::string elf_interpreter(int program);

/// Sets what is executed and the front of argv; the caller appends the program's arguments.
void set_executable(Spec& spec, const Program& program);

}  // namespace qvm::jail
