// SPDX-License-Identifier: GPL-3.0-or-later
// What a [host.X] of the file asks of this host. Pure.
#pragma once
#include "config/resource.hpp"
#include "launch/plan.hpp"

namespace qvm::launch {

/// Of any kind but secret. `access`: how a file is opened that does not say it.
decltype(HostStep::action) host_action(const config::Resource& host, config::Access access);

/// Of one with kind = "secret".
ReadSecret secret_of(const config::Resource& host);

}  // namespace qvm::launch
