// SPDX-License-Identifier: GPL-3.0-or-later
// [net.X]: a nic X on a netdev X; user networking by passt, a process of the host (X.passt); the rest is in
// sugar_tap.hpp.
#pragma once
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/lowering.hpp"

namespace qvm::config {

void lower_nets(Lowering& lowering);

/// "52:54:00:12:34:56"
bool is_mac(std::string_view text);

/// One port forward, as passt wants it.
struct Forward {
    bool udp = false;
    std::string address = "127.0.0.1";  ///< of this host
    unsigned first = 0, last = 0;       ///< its ports
    std::string spec;                   ///< "127.0.0.1/2222:22"
};

/// Reads "[udp:][ADDR:]PORT[-PORT] -> PORT"; the address is 127.0.0.1 unless said. The alternative says what
/// is wrong.
std::variant<Forward, std::string> parse_forward(std::string_view text);

}  // namespace qvm::config
