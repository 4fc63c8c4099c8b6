// SPDX-License-Identifier: GPL-3.0-or-later
// Locks on files, by open file description (fcntl(2), F_OFD_SETLK): a lock lives as long as any copy of the
// descriptor, in whichever process. Unlike flock(2), asking whether one is taken takes nothing.
#pragma once
#include <filesystem>

#include "base/fd.hpp"

namespace qvm::launch {

/// Takes the exclusive lock of `path`, making the file (0600); empty if somebody else has it, or if the file
/// has been replaced or removed meanwhile (try again). Throws SystemError.
Fd try_lock(const std::filesystem::path& path);

/// As try_lock, but waits. For locks that are held for a moment only.
Fd lock_briefly(const std::filesystem::path& path);

/// True if somebody holds the lock of `path`, be it this process. A file that does not exist is not locked.
bool is_locked(const std::filesystem::path& path);

}  // namespace qvm::launch
