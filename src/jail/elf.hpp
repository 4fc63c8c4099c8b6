// SPDX-License-Identifier: GPL-3.0-or-later
// What an ELF file says of what it needs to be run, read without running anything.
#pragma once
#include <optional>
#include <string>
#include <vector>

namespace qvm::jail {

struct ElfFacts {
    unsigned machine = 0;                     ///< EM_X86_64, ..
    std::string interpreter;                  ///< empty: static, or a library
    std::vector<std::string> needed;          ///< DT_NEEDED, in order
    std::vector<std::string> rpath, runpath;  ///< directories, as written ("$ORIGIN/..")
};

/// Of an open file (borrowed) of our own word size; nothing if it is no such file or its tables make no
/// sense.
std::optional<ElfFacts> read_elf(int file);

}  // namespace qvm::jail
