// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/own_window.hpp"

#include <algorithm>
#include <fstream>

#include "config/lower.hpp"
#include "jail/path_rules.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

/// What is said of a VM with a QEMU that has these modules.
std::string says(const std::string& file, const Session& session, const std::vector<std::string>& modules) {
    const test::TemporaryDirectory directory;
    for (const auto& name : modules) std::ofstream(directory.path() / name) << "x";
    Diagnostics diagnostics;
    const auto document = config::load({{"vm.toml", "/vm/vm.toml", file}}, {}, diagnostics);
    auto vm = config::lower(document, diagnostics);
    REQUIRE_FALSE(diagnostics.has_errors());
    vm.qemu.module_dir = directory.path();
    check_own_window(vm, "/usr/bin/qemu-system-x86_64", session, diagnostics);
    return diagnostics.to_text(false);
}

const std::string gtk = "jail.mode = 'reduced'\ndisplay = 'gtk'";
const std::vector<std::string> all{"ui-gtk.so", "ui-sdl.so"};

bool has(const std::vector<std::string>& words, const std::string& word) {
    return std::ranges::find(words, word) != words.end();
}

}  // namespace

TEST_CASE("a window of QEMU's own needs a session and a module") {
    const Session session{":0", {}, {}, {}};
    CHECK(says(gtk, session, all).empty());
    CHECK(says("display = 'vnc'", {}, {}).empty());
    CHECK_THAT(says(gtk, {}, all), ContainsSubstring("DISPLAY and WAYLAND_DISPLAY are not set"));
    CHECK_THAT(says(gtk, {}, all), ContainsSubstring("vm.toml:2:11"));
    CHECK(says(gtk, {{}, {}, "/run/user/1/wayland-0", "/run/user/1"}, all).empty());
    const auto lacking = says(gtk, session, {"ui-sdl.so"});
    CHECK_THAT(lacking, ContainsSubstring("no module ui-gtk.so"));
    CHECK_THAT(lacking, ContainsSubstring("qemu-system-gui"));
    // One that is made of one piece.
    CHECK(says(gtk, session, {}).empty());
}

TEST_CASE("a window takes its session into the jail, and no other VM does") {
    const Session session{":7", "/etc/hostname", {}, "/run/user/1"};
    jail::Spec none;
    let_window_in(none, "", session);
    CHECK(none.env.empty());
    CHECK(none.binds.empty());
    jail::Spec spec;
    spec.mode = jail::Mode::Reduced;
    let_window_in(spec, "gtk", session);
    CHECK(has(spec.env, "DISPLAY=:7"));
    CHECK(has(spec.env, "XAUTHORITY=/etc/hostname"));
    CHECK(has(spec.env, "XDG_RUNTIME_DIR=/run/user/1"));
    CHECK(std::ranges::none_of(spec.env, [](const auto& word) { return word.starts_with("WAYLAND"); }));
    CHECK(std::ranges::any_of(spec.binds, [](const auto& bind) { return bind.source == "/etc/hostname"; }));
    CHECK(std::ranges::none_of(spec.binds, [](const auto& bind) { return bind.writable; }));
    CHECK_FALSE(jail::landlock_scope(spec).abstract_sockets);
    spec.window = false;
    CHECK(jail::landlock_scope(spec).abstract_sockets);
    jail::Spec off;
    off.mode = jail::Mode::Off;
    let_window_in(off, "sdl", session);
    CHECK(has(off.env, "DISPLAY=:7"));
    CHECK(off.binds.empty());
}
