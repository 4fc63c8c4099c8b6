// SPDX-License-Identifier: GPL-3.0-or-later
// What those who watch the attach socket are not shown of what others say there: passwords and the like.
// Pure.
#pragma once
#include "base/json.hpp"

namespace qvm::launch {

/// Stands for what is not shown.
inline constexpr const char* masked = "***";

/// A client's command, as it was sent, without its secrets: members that hold a password by their name, the
/// text of a secret object, and of the human monitor's commands all but the name of those that do more than
/// ask. Of an apply of qvm's own also the values of --set and the record it makes.
Json without_secrets(Json command);

/// The same of the reply to `command`, which may have asked for one.
Json reply_without_secrets(const Json& command, Json reply);

}  // namespace qvm::launch
