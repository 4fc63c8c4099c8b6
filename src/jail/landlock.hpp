// SPDX-License-Identifier: GPL-3.0-or-later
// Landlock (landlock(7)): what a process may still do with paths, on top of what is there to be named.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace qvm::jail {

/// Rights as landlock(7) has them, in our words; a kernel knows those up to its ABI.
struct PathRights {
    static constexpr std::uint64_t execute = 1U << 0U;
    static constexpr std::uint64_t write_file = 1U << 1U;
    static constexpr std::uint64_t read_file = 1U << 2U;
    static constexpr std::uint64_t read_dir = 1U << 3U;
    static constexpr std::uint64_t remove_dir = 1U << 4U;
    static constexpr std::uint64_t remove_file = 1U << 5U;
    static constexpr std::uint64_t make_dir = 1U << 7U;
    static constexpr std::uint64_t make_file = 1U << 8U;
    static constexpr std::uint64_t make_socket = 1U << 9U;
    static constexpr std::uint64_t make_fifo = 1U << 10U;
    static constexpr std::uint64_t make_symlink = 1U << 12U;
    static constexpr std::uint64_t refer = 1U << 13U;         ///< ABI 2
    static constexpr std::uint64_t truncate = 1U << 14U;      ///< ABI 3
    static constexpr std::uint64_t ioctl_device = 1U << 15U;  ///< ABI 5

    static constexpr std::uint64_t read = read_file | read_dir;
    static constexpr std::uint64_t change =
        write_file | remove_dir | remove_file | make_dir | make_file | make_socket | refer | truncate;
    /// What can be given for something that is no directory.
    static constexpr std::uint64_t of_files = execute | write_file | read_file | truncate | ioctl_device;
};

/// `path` and, if it is a directory, everything below it; left out when it does not exist.
struct PathRule {
    std::string path;
    std::uint64_t rights = 0;
};

/// What else is handled, that is, forbidden altogether.
struct LandlockScope {
    bool tcp = false;               ///< bind and connect (ABI 4)
    bool abstract_sockets = false;  ///< those of processes outside (ABI 6)
    bool signals = false;           ///< to processes outside (ABI 6)
};

/// The kernel's ABI, 0 where it has no Landlock or it is switched off.
int landlock_abi() noexcept;

/// From now on this thread and all it starts can use paths only as `rules` say, and nothing that `scope`
/// forbids. `executable`: a descriptor that may be executed, or -1. Needs no_new_privs. Only makes system
/// calls. Returns 0 or an errno value (ENOSYS, EOPNOTSUPP without Landlock); `index` is then that of the
/// rule.
int restrict_paths(const std::vector<PathRule>& rules, int executable, LandlockScope scope,
                   int& index) noexcept;

}  // namespace qvm::jail
