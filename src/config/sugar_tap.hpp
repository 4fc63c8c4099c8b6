// SPDX-License-Identifier: GPL-3.0-or-later
// [net.X] on an interface of the host: a tap that is there, or one that is made and put into a bridge. The
// host resource is X.tap, and X.vhost the kernel's half of the nic (vhost-net).
#pragma once
#include <string_view>

#include "config/lowering.hpp"

namespace qvm::config {

/// type = "tap" and type = "bridge".
void lower_tap(Lowering& lowering, const Item& net);

/// Reports what is wrong with the keys of a [host.X] of kind tap.
void check_tap(Lowering& lowering, const Item& host);

/// What the host resource of vhost-net is called.
std::string vhost_id(std::string_view net);

}  // namespace qvm::config
