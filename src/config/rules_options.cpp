// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/rules_options.hpp"

#include <algorithm>
#include <array>

namespace qvm::config {
namespace {

struct Pair {
    std::string_view name, value;
};

std::string_view lookup(const auto& table, std::string_view name) {
    const auto row = std::ranges::find(table, name, &Pair::name);
    return row == table.end() ? std::string_view() : row->value;
}

// system/vl.c: qemu_apply_legacy_machine_options()
const std::array legacy{
    qapi::Property{"kernel-irqchip", "OnOffSplit", "on/off/split"},
    qapi::Property{"kvm-shadow-mem", "size", ""},
    qapi::Property{"igd-passthru", "bool", ""},
};

constexpr std::array machine_owners{
    Pair{"kernel", "kernel.image"},
    Pair{"initrd", "kernel.initrd"},
    Pair{"append", "kernel.append"},
    Pair{"dtb", "kernel.dtb"},
    Pair{"smp", "cpus"},
    Pair{"memory", "memory"},
};

constexpr std::array groups{Pair{"boot-opts", "boot"}, Pair{"smp-opts", "smp"}, Pair{"memory", "m"}};

constexpr std::array option_owners{
    Pair{"accel", "machine.accel"},    Pair{"add-fd", "[host.ID]"},     Pair{"audiodev", "[audiodev.ID]"},
    Pair{"blockdev", "[blockdev.ID]"}, Pair{"chardev", "[chardev.ID]"}, Pair{"device", "[device.ID]"},
    Pair{"drive", "[blockdev.ID]"},    Pair{"global", "[global]"},      Pair{"m", "memory"},
    Pair{"machine", "machine"},        Pair{"mon", "qvm itself"},       Pair{"name", "name"},
    Pair{"net", "[netdev.ID]"},        Pair{"netdev", "[netdev.ID]"},   Pair{"nic", "[netdev.ID]"},
    Pair{"object", "[object.ID]"},     Pair{"sandbox", "jail"},         Pair{"smp", "cpus"},
};

}  // namespace

std::span<const qapi::Property> legacy_machine_properties() {
    return legacy;
}

const qapi::Property* legacy_machine_property(std::string_view name) {
    const auto found = std::ranges::find(legacy, name, &qapi::Property::name);
    return found == legacy.end() ? nullptr : &*found;
}

std::string_view owner_of_machine_property(std::string_view name) {
    return lookup(machine_owners, name);
}

std::string option_of_group(std::string_view group) {
    const auto option = lookup(groups, group);
    return std::string(option.empty() ? group : option);
}

qapi::Property property_of(const qapi::OptionParameter& parameter) {
    const auto& type = parameter.type;
    const bool number = type == "number" || type == "size";
    return {parameter.name, number ? "size" : type == "boolean" ? "bool" : "str", {}};
}

const std::vector<qapi::OptionParameter>* option_of_module(std::string_view option) {
    // ui/spice-core.c: qemu_spice_opts
    static const auto spice = [] {
        std::vector<qapi::OptionParameter> list;
        for (const char* number : {"port", "tls-port", "head"}) list.push_back({number, "number"});
        for (const char* flag :
             {"unix", "ipv4", "ipv6", "sasl", "disable-ticketing", "disable-copy-paste",
              "disable-agent-file-xfer", "agent-mouse", "playback-compression", "seamless-migration", "gl"})
            list.push_back({flag, "boolean"});
        for (const char* text :
             {"addr", "password", "password-secret", "x509-dir", "x509-key-file", "x509-key-password",
              "x509-cert-file", "x509-cacert-file", "x509-dh-key-file", "tls-ciphers", "tls-channel",
              "plaintext-channel", "image-compression", "jpeg-wan-compression", "zlib-glz-wan-compression",
              "streaming-video", "video-codecs", "display", "rendernode"})
            list.push_back({text, "string"});
        return list;
    }();
    // qapi/ui.json: DisplayOptions, with what gtk and sdl add
    static const std::vector<qapi::OptionParameter> display{
        {"type", "string"},         {"full-screen", "boolean"}, {"window-close", "boolean"},
        {"show-cursor", "boolean"}, {"gl", "string"},           {"grab-on-hover", "boolean"},
        {"zoom-to-fit", "boolean"}, {"show-tabs", "boolean"},   {"show-menubar", "boolean"},
        {"grab-mod", "string"},
    };
    if (option == "display") return &display;
    return option == "spice" ? &spice : nullptr;
}

std::string_view owner_of_option(std::string_view option) {
    return lookup(option_owners, option);
}

}  // namespace qvm::config
