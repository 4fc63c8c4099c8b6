// SPDX-License-Identifier: GPL-3.0-or-later
// What a client of the attach socket may have QEMU do (attach.allow). A guard against accidents and other
// clients, above the jail and not instead of it. Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "config/resource.hpp"
#include "launch/attach_fds.hpp"

namespace qvm::launch {

/// Why a client's command is refused, as a sentence for it that names the member and the way out; nothing
/// when it may run. `arguments` in the client's words.
std::optional<std::string> refusal(std::string_view command, const Json& arguments, config::AttachAllow allow,
                                   const PassedFds& passed);

}  // namespace qvm::launch
