// SPDX-License-Identifier: GPL-3.0-or-later
// A window that QEMU itself opens, by gtk or sdl: what it takes of the session of who starts it.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "config/resource.hpp"
#include "jail/spec.hpp"

namespace qvm::launch {

/// The session that a window is opened in; what is not there is empty.
struct Session {
    std::string display;                ///< $DISPLAY: an X server
    std::filesystem::path authority;    ///< $XAUTHORITY, or ~/.Xauthority if that is there
    std::filesystem::path wayland;      ///< the socket that $WAYLAND_DISPLAY names
    std::filesystem::path runtime_dir;  ///< $XDG_RUNTIME_DIR
    static Session from_environment();
};

/// Whether there is a session, QEMU may use it, and QEMU (`binary`) has the module for such a window.
void check_own_window(const config::Vm& vm, const std::filesystem::path& binary, const Session& session,
                      Diagnostics& diagnostics);

/// What QEMU needs in its environment, and of the host's files, to open it. Of a strict jail: nothing, since
/// it has no such window.
void let_window_in(jail::Spec& spec, const std::string& window, const Session& session);

}  // namespace qvm::launch
