// SPDX-License-Identifier: GPL-3.0-or-later
// What an argument names: a table, as the schema knows only strings.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "qapi/schema.hpp"
#include "shell/vocabulary.hpp"

namespace qvm::shell {

struct Named {
    std::vector<NameKind> kinds;
    bool files = false;
};

/// `member` is the last name on the way to the value, `depth` how many names there are. `type` may be null.
Named what_is_named(std::string_view command, std::string_view member, std::size_t depth,
                    const qapi::Type* type);

}  // namespace qvm::shell
