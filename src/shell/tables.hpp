// SPDX-License-Identifier: GPL-3.0-or-later
// Replies of common queries as tables and trees, for people. The reply itself is always one key away.
#pragma once
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json_fwd.hpp"
#include "shell/frame.hpp"

namespace qvm::shell {

/// `reply` is the value of "return". Nothing when there is no table for this command, or when the reply does
/// not look as any known QEMU writes it. Never throws; no line is wider than `columns`.
std::optional<std::vector<Line>> augment(std::string_view command, const Json& reply, std::size_t columns);

}  // namespace qvm::shell
