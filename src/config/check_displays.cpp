// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/check_displays.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "config/check_references.hpp"

namespace qvm::config {
namespace {

const NamedTable* option_of(const Vm& vm, std::string_view name) {
    const auto found = std::ranges::find(vm.options, name, &NamedTable::name);
    return found == vm.options.end() ? nullptr : &*found;
}

const Value* text_member(const Resource& resource, std::string_view key) {
    const Table* table = resource.properties.table();
    const Value* value = table == nullptr ? nullptr : table->find(key);
    return value == nullptr || value->string() == nullptr ? nullptr : value;
}

/// It would lead nobody anywhere.
void check_door(const Vm& vm, const Resource& host, Diagnostics& diagnostics) {
    const Value* protocol = text_member(host, "protocol");
    if (protocol == nullptr || option_of(vm, *protocol->string()) != nullptr) return;
    diagnostics.add({DiagnosticKind::Conflict,
                     protocol->origin,
                     fmt::format("clients of {} come by {}, and the VM has no such server",
                                 *protocol->string(), host.id.to_string()),
                     {},
                     {fmt::format("display = \"{}\" makes all of it; at the raw level it is [option.{}]",
                                  *protocol->string(), *protocol->string())}});
}

void check_sound(const Vm& vm, const Resource& audiodev, Diagnostics& diagnostics) {
    if (audiodev.driver() != "spice" || option_of(vm, "spice") != nullptr) return;
    const Value* driver = text_member(audiodev, "driver");
    diagnostics.add(
        {DiagnosticKind::Conflict,
         driver->origin,
         fmt::format("{} plays by SPICE, and the VM has no such display", audiodev.id.to_string()),
         {},
         {"display = \"spice\" is one; VNC carries sound, too, from an audiodev \"none\""}});
}

}  // namespace

void check_displays(const Vm& vm, Diagnostics& diagnostics) {
    for (const Resource& resource : vm.resources) {
        if (resource.id.kind == Kind::Host) check_door(vm, resource, diagnostics);
        if (resource.id.kind == Kind::Audiodev) check_sound(vm, resource, diagnostics);
    }
    if (const NamedTable* vnc = option_of(vm, "vnc"))
        check_option_reference(vm, *vnc, "audiodev", Kind::Audiodev, diagnostics);
}

}  // namespace qvm::config
