// SPDX-License-Identifier: GPL-3.0-or-later
// The descriptors that clients of the attach socket have passed to QEMU: whose they are, so that no client
// takes another's and nothing stays when its client has gone. Pure.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace qvm::launch {

/// What one client may name.
struct PassedFds {
    std::set<std::string> names;          ///< getfd, in the client's own words
    std::set<std::int64_t> sets;          ///< add-fd
    std::set<std::int64_t> foreign_sets;  ///< those of the other clients
};

/// The sets that a client may number itself; below are qvm's own and those QEMU numbers.
inline constexpr std::int64_t first_client_fdset = 100'000;

/// Calls `rename` for each descriptor's name in a command's arguments and puts its answer there. A number
/// where QEMU would take it for one of its own descriptors is given as text, and stays.
void rename_fds(std::string_view command, Json& arguments,
                const std::function<std::string(const std::string&)>& rename);

class AttachFds {
  public:
    /// What has to be taken from QEMU again.
    struct Leftovers {
        std::vector<std::string> names;  ///< for closefd
        std::vector<std::int64_t> sets;  ///< for remove-fd
    };

    PassedFds passed_by(std::uint64_t client) const;
    /// A command is about to run: its arguments as QEMU gets them. Names of this client's have a prefix
    /// there.
    Json to_qemu(std::uint64_t client, std::string_view command, Json arguments);
    /// QEMU has run it. What came for a client that has gone meanwhile is left over at once.
    [[nodiscard]] Leftovers note(std::uint64_t client, std::string_view command, const Json& arguments,
                                 const Json& reply);
    [[nodiscard]] Leftovers gone(std::uint64_t client);

  private:
    struct Owned {
        std::set<std::string> names;
        std::set<std::int64_t> sets;
    };
    static Leftovers left_over(std::uint64_t client, const Owned& owned);

    std::map<std::uint64_t, Owned> owned_;  ///< of the clients that are there and have passed any
};

}  // namespace qvm::launch
