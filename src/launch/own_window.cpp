// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/own_window.hpp"

#include <algorithm>
#include <cstdlib>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "config/sugar_display.hpp"
#include "jail/profile.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
    return value == nullptr ? std::string() : value;
}

/// What gtk, its themes and fonts are made of; each is read only.
constexpr const char* data_of_windows[] = {
    "/etc/fonts",        "/etc/gtk-3.0",      "/usr/share/fonts",      "/usr/share/fontconfig",
    "/usr/share/icons",  "/usr/share/themes", "/usr/share/gtk-3.0",    "/usr/share/pixmaps",
    "/usr/share/mime",   "/usr/share/X11",    "/usr/share/glib-2.0",   "/usr/local/share/fonts",
    "/usr/share/locale", "/usr/lib/locale",   "/var/cache/fontconfig",
};

/// So that nothing looks for services of the session: accessibility, settings, volumes.
constexpr const char* without_services[] = {"NO_AT_BRIDGE=1", "GTK_A11Y=none", "GSETTINGS_BACKEND=memory",
                                            "GIO_USE_VFS=local", "GVFS_DISABLE_FUSE=1"};

bool is_there(const fs::path& path) {
    std::error_code none;
    return !path.empty() && fs::exists(path, none);
}

/// Where one part of QEMU's modules is, and `name` is not.
bool lacks_module(const config::Vm& vm, const fs::path& binary, const std::string& name) {
    const jail::Program program{.binary = binary,
                                .loader = vm.qemu.loader,
                                .library_path = vm.qemu.library_path,
                                .data = vm.qemu.data,
                                .modules = vm.qemu.module_dir};
    const auto modules = jail::modules_of(program);
    return !modules.empty() &&
           std::ranges::none_of(modules, [&](const auto& module) { return module.filename() == name; });
}

/// As root QEMU has a uid that is not the session's.
bool is_kept_from_qemu(const fs::path& authority) {
    struct stat status {};
    return ::geteuid() == 0 && !authority.empty() && ::stat(authority.c_str(), &status) == 0 &&
           (status.st_mode & S_IROTH) == 0;
}

}  // namespace

Session Session::from_environment() {
    Session session{variable("DISPLAY"), variable("XAUTHORITY"), {}, variable("XDG_RUNTIME_DIR")};
    if (session.authority.empty()) session.authority = variable("HOME") + "/.Xauthority";
    if (!is_there(session.authority)) session.authority.clear();
    const fs::path wayland = variable("WAYLAND_DISPLAY");
    if (wayland.is_absolute())
        session.wayland = wayland;
    else if (!wayland.empty() && !session.runtime_dir.empty())
        session.wayland = session.runtime_dir / wayland;
    return session;
}

void check_own_window(const config::Vm& vm, const fs::path& binary, const Session& session,
                      Diagnostics& diagnostics) {
    const auto window = config::own_window(vm);
    if (window.empty()) return;
    const auto option = std::ranges::find(vm.options, "display", &config::NamedTable::name);
    const auto report = [&](DiagnosticKind kind, std::string message, std::vector<std::string> notes) {
        diagnostics.add(
            {kind, option->properties.find("type")->origin, std::move(message), {}, std::move(notes)});
    };
    if (session.display.empty() && session.wayland.empty())
        report(DiagnosticKind::BadValue,
               fmt::format("display: a window of {} needs a graphical session, and DISPLAY and "
                           "WAYLAND_DISPLAY are not set",
                           window),
               {"start the VM from a terminal in your session",
                "display = \"vnc\" needs none; `qvm view` opens a window to it wherever there is one"});
    if (vm.jail_mode.value == config::JailMode::Reduced && vm.jail.net.value != config::JailNet::Host &&
        session.wayland.empty() && session.display.find(':') > 0 && !session.display.starts_with("unix:") &&
        !session.display.starts_with('/') && !session.display.empty())
        report(DiagnosticKind::BadValue,
               fmt::format("display: DISPLAY is '{}', to which QEMU would connect over the network, and the "
                           "jail has none",
                           session.display),
               {"ssh -X sets that: jail.net = \"host\" lets QEMU connect",
                "display = \"vnc\" needs no such thing; `qvm view` opens a window to it"});
    if (vm.jail_mode.value == config::JailMode::Reduced && !vm.jail.user &&
        is_kept_from_qemu(session.authority))
        report(
            DiagnosticKind::BadValue,
            fmt::format("display: root's QEMU has a uid of its own, which may not read '{}'",
                        session.authority.string()),
            {"jail.user = \"NAME\" runs it as the user whose session it is", "or start the VM as that user"});
    if (lacks_module(vm, binary, "ui-" + window + ".so"))
        report(DiagnosticKind::NotInThisQemu,
               fmt::format("display: this QEMU has no module ui-{}.so", window),
               {"on Debian and Ubuntu it is in the package qemu-system-gui",
                "display = \"window\" opens a window without it"});
}

void let_window_in(jail::Spec& spec, const std::string& window, const Session& session) {
    if (window.empty()) return;
    const auto give = [&](const char* name, const std::string& value) {
        if (!value.empty()) spec.env.push_back(fmt::format("{}={}", name, value));
    };
    give("DISPLAY", session.display);
    give("XAUTHORITY", session.authority.string());
    give("WAYLAND_DISPLAY", session.wayland.string());
    give("XDG_RUNTIME_DIR", session.runtime_dir.string());
    for (const auto* word : without_services) spec.env.emplace_back(word);
    if (spec.mode == jail::Mode::Off) return;
    spec.window = true;
    for (const auto* path : data_of_windows)
        spec.binds.push_back({.source = path, .target = path, .optional = true});
    for (const auto& path : {session.authority, session.wayland})
        if (is_there(path)) spec.binds.push_back({.source = path, .target = path, .optional = true});
}

}  // namespace qvm::launch
