// SPDX-License-Identifier: GPL-3.0-or-later
// Which users of the host those of a guest are: uid-map and gid-map of a share.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/lowering.hpp"

namespace qvm::config {

/// So many ids of the guest, from one on, are as many of the host.
struct IdRange {
    std::uint32_t guest = 0, host = 0, count = 0;
};

/// "GUEST:HOST:COUNT"; or why it is none.
std::variant<IdRange, std::string> parse_id_range(std::string_view text);

/// Whom of the host the guest's `guest` is; nothing where nobody.
std::optional<std::uint32_t> host_id(const std::vector<IdRange>& map, std::uint32_t guest);

/// Of a list that was checked.
std::vector<IdRange> id_ranges(const Value* list);

/// Reports ranges that are none, that meet, or that are said of users without a word on groups.
void check_id_maps(Lowering& lowering, const Item& item);

}  // namespace qvm::config
