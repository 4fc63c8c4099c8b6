// SPDX-License-Identifier: GPL-3.0-or-later
// What root opens for the jail before the uid changes, because afterwards a directory with mode 0700 is in
// the way.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "base/fd.hpp"
#include "jail/layout.hpp"
#include "jail/stage.hpp"

namespace qvm::jail {

/// Makes a detached, private mount of every attachment's source, and a /dev whose files belong to `host_uid`
/// in place of those bound from the host, where device files can be made. The attachments borrow the
/// descriptors in `trees`. Only for root. Returns what failed, if anything.
std::optional<Failure> open_sources(Layout& layout, const std::vector<std::string>& devices,
                                    std::uint32_t host_uid, std::vector<Fd>& trees);

}  // namespace qvm::jail
