// SPDX-License-Identifier: GPL-3.0-or-later
// What helps when an interface cannot be had, in commands.
#pragma once
#include <string>

namespace qvm::launch {

/// /dev/net/tun cannot be opened.
std::string tun_advice(int error);
/// TUNSETIFF failed; `several`: queues.
std::string tap_advice(const std::string& name, int error, bool several);
/// How a tap becomes the caller's.
std::string how_to_make_tap(const std::string& name, bool several);
/// There is no such bridge.
std::string bridge_advice(const std::string& bridge);
/// How users get into a bridge.
std::string helper_advice(const std::string& bridge);

}  // namespace qvm::launch
