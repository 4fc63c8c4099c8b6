// SPDX-License-Identifier: GPL-3.0-or-later
// Where a VM's screen can be looked at.
#pragma once
#include <optional>
#include <string>

#include "launch/state.hpp"

namespace qvm::launch {

struct DisplayPlace {
    std::string path;     ///< of a Unix socket, or empty
    std::string address;  ///< "127.0.0.1:5901", or empty
    bool password = false;
    bool spice = false;  ///< else VNC

    /// "/run/.../vnc.sock", "127.0.0.1:5901"
    const std::string& to_string() const { return path.empty() ? address : path; }
};

/// Of what runs; nothing if it has no display.
std::optional<DisplayPlace> display_place(const VmState& vm, const Compiled& compiled);

}  // namespace qvm::launch
