// SPDX-License-Identifier: GPL-3.0-or-later
// The uids that root's jails have on the host: one for each VM, nobody else's.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qvm::launch {

/// Whom a jail that root makes runs as, on the host.
struct HostIds {
    std::uint32_t uid = 0, gid = 0;
};

/// Uids from a range that is nobody's: above all that useradd(8) gives to users for their user namespaces
/// (SUB_UID_MAX in login.defs(5), 600100000) and above systemd's containers ("Users, Groups, UIDs and GIDs on
/// systemd Systems"). A user who had the uid in a namespace of his own could signal and trace QEMU.
class JailUids {
  public:
    static constexpr std::uint32_t first = 0x70000000;
    static constexpr std::uint32_t count = 0x0f000000;
    /// The first and the last.
    using Range = std::pair<std::uint32_t, std::uint32_t>;
    static constexpr Range usual{first, first + count - 1};

    /// Reads what subuid(5) and subgid(5) give away, in case an administrator went that far.
    JailUids();
    /// The same within a range that an administrator has chosen, where it may well have gone that far: there
    /// the users of passwd(5) are left out, too.
    explicit JailUids(Range range);
    /// For tests: `subordinate` has the form of those files.
    explicit JailUids(const std::vector<std::string>& subordinate, Range range = usual);

    /// In use by another jail.
    void take(std::uint32_t uid);
    /// The same for the same `key` (a path) as long as nobody has it, so that two state directories that know
    /// nothing of each other hardly ever choose alike. Throws Error when all of a chosen range is taken.
    std::uint32_t choose(std::string_view key) const;

  private:
    void add(const std::string& text);

    Range range_ = usual;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> taken_;  ///< first and last
};

}  // namespace qvm::launch
