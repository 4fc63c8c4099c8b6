// SPDX-License-Identifier: GPL-3.0-or-later
// Keeps passwords and secrets out of files: what the shell writes down holds asterisks in their place.
#pragma once
#include <string>
#include <string_view>

#include "shell/transcript.hpp"

namespace qvm::shell {

/// What stands in a secret's place; it does not tell how long that was.
inline constexpr std::string_view mask = "********";

/// A command as it may be written down: without the values of members that are called password, secret and
/// the like, the data of secret objects, values of such properties in qom-set, and the same in HMP commands.
std::string mask_sent(std::string_view sent);
/// A reply or an event likewise; `sent` is the command it answers, which may have asked for a secret.
std::string mask_received(std::string_view received, std::string_view sent);

}  // namespace qvm::shell
