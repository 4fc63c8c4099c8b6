// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/check_jail.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "config/sugar_display.hpp"

namespace qvm::config {
namespace {

/// With it QEMU's own network reaches nothing beyond QEMU anyway.
bool is_restricted(const Table& netdev) {
    const Value* value = netdev.find("restrict");
    return value != nullptr && value->boolean() != nullptr && *value->boolean();
}

void check_slirp(const Resource& netdev, JailMode mode, Diagnostics& diagnostics) {
    const Table* table = netdev.properties.table();
    const Value* type = table == nullptr ? nullptr : table->find("type");
    if (type == nullptr || type->string() == nullptr || *type->string() != "user" || is_restricted(*table))
        return;
    diagnostics.add(
        {DiagnosticKind::Conflict,
         type->origin,
         fmt::format("netdev.{}: QEMU's own user network needs the host's, {}", netdev.id.id,
                     mode == JailMode::Reduced ? "and the jail's filter refuses the sockets for it"
                                               : "and the jail has none"),
         {},
         {fmt::format("[net.{}] with type = \"user\" does the same by passt, in a jail of its own",
                      netdev.id.id),
          "jail.net = \"host\" gives QEMU the host's network; restrict = true does without"}});
}

/// Of a node, and of those written inside it.
void check_aio(const Value& value, const Resource& blockdev, Diagnostics& diagnostics) {
    if (const Array* array = value.array())
        for (const Value& item : *array) check_aio(item, blockdev, diagnostics);
    const Table* table = value.table();
    if (table == nullptr) return;
    for (const auto& entry : table->entries()) {
        check_aio(entry.value, blockdev, diagnostics);
        if (entry.key != "aio" || entry.value.string() == nullptr || *entry.value.string() != "io_uring")
            continue;
        diagnostics.add({DiagnosticKind::Conflict,
                         entry.value.origin,
                         fmt::format("{}: the jail's filter refuses io_uring", blockdev.made_by),
                         {},
                         {"jail.io-uring = true allows it; qvm-jail(7) says what that gives up",
                          "aio = \"native\" (with cache = \"none\") and aio = \"threads\" do without"}});
    }
}

/// Their servers and devices are the host's.
void check_audio(const Resource& audiodev, JailMode mode, Diagnostics& diagnostics) {
    constexpr auto of_host = std::to_array<std::string_view>(
        {"alsa", "coreaudio", "dsound", "jack", "oss", "pa", "pipewire", "sdl", "sndio"});
    const auto driver = audiodev.driver();
    if (std::ranges::find(of_host, driver) == of_host.end()) return;
    diagnostics.add({DiagnosticKind::PathInJail,
                     audiodev.properties.table()->find("driver")->origin,
                     fmt::format("{}: \"{}\" plays on this host, {}", audiodev.id.to_string(), driver,
                                 mode == JailMode::Reduced ? "and the jail keeps that from QEMU"
                                                           : "which is not there in the jail"),
                     {},
                     {"audio = true has a display carry the sound to whoever looks at it",
                      "jail.mode = \"off\" runs QEMU where the host's sound is, without the jail's "
                      "protection"}});
}

/// It would wait for its device for ever.
void check_usb_host(const Resource& device, Diagnostics& diagnostics) {
    if (device.properties.table()->find("hostdevice") != nullptr) return;
    diagnostics.add({DiagnosticKind::PathInJail,
                     device.origin,
                     fmt::format("{} is to look for its USB device itself, and in the jail there is none",
                                 device.id.to_string()),
                     {},
                     {"[host-device.X] with usb = \"046d:c52b\" finds it outside"}});
}

/// It would need the session of who sits before it.
void check_own_window(const Vm& vm, Diagnostics& diagnostics) {
    const auto window = own_window(vm);
    if (window.empty() || vm.jail_mode.value != JailMode::Strict) return;
    const auto option = std::ranges::find(vm.options, "display", &NamedTable::name);
    diagnostics.add(
        {DiagnosticKind::PathInJail,
         option->properties.find("type")->origin,
         fmt::format("display: QEMU cannot open a window by {} in the strict jail, where there is "
                     "nothing of your session",
                     window),
         {},
         {"display = \"window\" opens one outside of it, by VNC",
          "jail.mode = \"reduced\" lets QEMU into your session; qvm-jail(7) says what that gives "
          "up"}});
}

}  // namespace

void check_jail(const Vm& vm, const qapi::Capabilities& qemu, Diagnostics& diagnostics) {
    const auto& sandbox = vm.jail.qemu_sandbox;
    if (sandbox.value && !qemu.options.empty() && !qemu.options.contains("sandbox"))
        diagnostics.add({DiagnosticKind::NotInThisQemu,
                         sandbox.origin,
                         "this QEMU was built without -sandbox, which jail.qemu-sandbox needs",
                         {},
                         {qemu.to_string()}});
    check_own_window(vm, diagnostics);
    if (vm.jail_mode.value == JailMode::Off) return;
    for (const Resource& resource : vm.resources) {
        if (resource.id.kind == Kind::Netdev && vm.jail.net.value == JailNet::None)
            check_slirp(resource, vm.jail_mode.value, diagnostics);
        if (resource.id.kind == Kind::Blockdev && !vm.jail.io_uring.value)
            check_aio(resource.properties, resource, diagnostics);
        if (resource.id.kind == Kind::Audiodev) check_audio(resource, vm.jail_mode.value, diagnostics);
        if (resource.id.kind == Kind::Device && resource.driver() == "usb-host")
            check_usb_host(resource, diagnostics);
    }
}

}  // namespace qvm::config
