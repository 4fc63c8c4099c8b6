// SPDX-License-Identifier: GPL-3.0-or-later
// Which devices QEMU takes by device_add: what it does not tell before it is tried.
#pragma once
#include <string_view>

#include "qapi/capabilities.hpp"

namespace qvm::launch {

/// True if a device of this type is only taken on the command line, whatever bus it sits on.
bool is_never_plugged(std::string_view type, const qapi::Capabilities& qemu);

}  // namespace qvm::launch
