// SPDX-License-Identifier: GPL-3.0-or-later
// Files as a whole: what they hold, and what is put in their place.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

namespace qvm {

/// What was read of a file, and why it was not read to its end. A file of proc(5) may be opened and then fail
/// to be read, as that of a process that has just ended does (ESRCH).
struct FileContent {
    std::string bytes;
    int error = 0;  ///< of open(2) or read(2), 0 if this is all of it

    explicit operator bool() const { return error == 0; }
};

/// "~" and "~/x" in the home directory that HOME names; anything else as it is.
std::filesystem::path expand_home(const std::string& path);

/// Never throws but std::bad_alloc.
FileContent read_file(const std::filesystem::path& path);

enum class Survives {
    Us,         ///< the death of any process
    PowerLoss,  ///< also that of the machine: costs a round trip to the disk
};

/// Replaces `path` (mode 0600) by `bytes` so that a reader sees the old or the new whole. Throws SystemError.
void write_atomically(const std::filesystem::path& path, std::string_view bytes,
                      Survives survives = Survives::PowerLoss);

}  // namespace qvm
