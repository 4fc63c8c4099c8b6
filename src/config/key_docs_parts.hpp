// SPDX-License-Identifier: GPL-3.0-or-later
// The parts that key_docs() is made of; only for the files that hold them.
#pragma once
#include <array>

#include "config/key_docs.hpp"

namespace qvm::config::docs {

inline constexpr std::string_view live = "while the VM runs";
inline constexpr std::string_view replug =
    "by taking the device away and adding it again (qvm apply --replug); at the next start if it cannot be "
    "unplugged";
inline constexpr std::string_view next_start = "at the next start";
inline constexpr std::string_view qemus_own = "QEMU's own";

std::span<const KeyDoc> of_files();
std::span<const KeyDoc> of_machine();
std::span<const KeyDoc> of_disks();
std::span<const KeyDoc> of_nets();
std::span<const KeyDoc> of_shares();
std::span<const KeyDoc> of_devices();
std::span<const KeyDoc> of_keeping();  ///< lifecycle, limits, jail, attach, qemu
std::span<const KeyDoc> of_raw();

}  // namespace qvm::config::docs
