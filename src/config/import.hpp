// SPDX-License-Identifier: GPL-3.0-or-later
// Command lines of QEMU as files of the language.
#pragma once
#include <string>
#include <vector>

namespace qvm::config {

struct Import {
    std::string toml;
    /// What the file cannot say, or says on an assumption; each is a comment in it, too.
    std::vector<std::string> warnings;
};

/// `words`: QEMU's name, if it is there, and its options. Nothing is looked up on this host, and no QEMU is
/// asked: `check` knows what a QEMU takes. Throws Error (Invalid) for words that no TOML string can hold, and
/// for an option that lacks its argument.
Import import_command(const std::vector<std::string>& words);

}  // namespace qvm::config
