// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/display_place.hpp"

#include "config/rules_buses.hpp"
#include "launch/client_door.hpp"

namespace qvm::launch {
namespace {

/// The socket that a display-update gives VNC: "@X".
std::string socket_of(const config::StartCommand& command) {
    const auto arguments = config::to_json(config::Value(command.arguments, command.origin));
    const auto name = arguments.value("/addresses/0/str"_json_pointer, Json());
    if (command.execute.value != "display-update" || !name.is_string()) return {};
    const auto& text = name.get_ref<const std::string&>();
    return text.starts_with('@') ? text.substr(1) : std::string();
}

}  // namespace

std::optional<DisplayPlace> display_place(const VmState& vm, const Compiled& compiled) {
    const config::Vm running = lower_compiled(compiled);
    std::optional<DisplayPlace> place;
    bool password = false;
    const auto take = [&](const config::Resource& host, bool spice) {
        const auto text = [&](const char* key) {
            const std::string* said = config::text_at(host, key);
            return said == nullptr ? std::string() : *said;
        };
        place = DisplayPlace{text("path"), text("address"), false, spice};
        if (const auto file = text("runtime"); !file.empty()) place->path = vm.socket(file).string();
    };
    for (const auto& command : running.commands) {
        if (command.execute.value == "set_password") password = true;
        const auto* host = running.find({config::Kind::Host, socket_of(command)});
        if (host != nullptr) take(*host, false);
    }
    for (const auto& resource : running.resources)
        if (!place && is_door(resource)) take(resource, *config::text_at(resource, "protocol") == "spice");
    if (place) place->password = password;
    return place;
}

}  // namespace qvm::launch
