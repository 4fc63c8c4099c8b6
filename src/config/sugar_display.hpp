// SPDX-License-Identifier: GPL-3.0-or-later
// display: VNC, on a socket that qvm opens and QEMU gets; SPICE, whose clients qvm hands over; or a window of
// QEMU's own.
#pragma once
#include <optional>

#include "config/lowering.hpp"

namespace qvm::config {

/// The id of the socket that QEMU serves VNC on, and its file in the VM's runtime directory where the file
/// says no place.
inline constexpr const char* display_id = "display";
inline constexpr const char* vnc_socket = "vnc.sock";
inline constexpr const char* spice_socket = "spice.sock";

/// "gtk" or "sdl", if QEMU itself is to open a window by that; else empty.
std::string own_window(const Vm& vm);

/// The display, where the file asks for one that is more than "none".
std::optional<Item> wanted_display(const Lowering& lowering);

/// True if it is one of SPICE's.
bool is_spice(const Lowering& lowering);

/// After the raw level, whose options and commands it must not contradict.
void lower_display(Lowering& lowering);

}  // namespace qvm::config
