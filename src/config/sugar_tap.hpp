// SPDX-License-Identifier: GPL-3.0-or-later
// [net.X] on an interface of the host: a tap that is there, one that is made and put into a bridge, or a
// macvtap, which is made over another interface. The host resource is X.tap, and X.vhost the kernel's half of
// the nic (vhost-net).
#pragma once
#include <string>
#include <string_view>

#include "config/lowering.hpp"

namespace qvm::config {

/// type = "tap", "bridge" and "macvtap"; `mac`: the nic's address.
void lower_tap(Lowering& lowering, const Item& net, const std::string& mac);

/// Reports what is wrong with the keys of a [host.X] of kind tap.
void check_tap(Lowering& lowering, const Item& host);

/// What the host resource of vhost-net is called.
std::string vhost_id(std::string_view net);

}  // namespace qvm::config
