// SPDX-License-Identifier: GPL-3.0-or-later
// Screens: graphics cards, VNC, windows.
#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <optional>

#include <fmt/format.h>

#include "base/tcp_address.hpp"
#include "config/import_translator.hpp"

namespace qvm::config {
namespace {

struct Card {
    std::string_view word, driver;
};
/// -vga's words, as devices. QEMU system/vl.c: vga_interfaces.
constexpr std::array cards{Card{"std", "VGA"}, Card{"cirrus", "cirrus-vga"}, Card{"vmware", "vmware-svga"},
                           Card{"qxl", "qxl-vga"}, Card{"virtio", "virtio-vga"}};

/// ":1", "127.0.0.1:1", "unix:PATH": what a display listens on; nothing for what is more than that.
std::optional<std::string> vnc_place(const OptionPairs& pairs) {
    constexpr unsigned first_port = 5900;
    constexpr std::string_view unix_socket = "unix:";
    const auto* display = pairs.find("vnc");
    if (display == nullptr || pairs.rest().size() != 1) return std::nullopt;
    if (display->starts_with(unix_socket)) {
        const auto path = display->substr(unix_socket.size());
        return path.find('/') == std::string::npos ? "./" + path : path;
    }
    const auto colon = display->rfind(':');
    unsigned number = 0;
    const auto digits =
        colon == std::string::npos ? std::string_view() : std::string_view(*display).substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    auto host = display->substr(0, colon);
    if (host == "localhost") host = "127.0.0.1";
    return fmt::format("{}:{}", host, first_port + number);
}

constexpr std::string_view for_this_host =
    ": it would let in whoever reaches this host; here it listens for this host alone (ssh -L), and "
    "display.password lets others in";

struct SpicePlace {
    std::string listen;
    bool for_all = false;
};

/// Nothing where it listens on nothing.
std::optional<SpicePlace> spice_place(OptionPairs& pairs) {
    const bool on_unix = pairs.take_flag("unix").value_or(false);
    auto address = pairs.take("addr").value_or("");
    const auto port = pairs.take("port").value_or("0");
    if (on_unix && !address.empty())
        return SpicePlace{address.find('/') == std::string::npos ? "./" + address : address};
    if (port == "0") return std::nullopt;
    if (address == "localhost") address = "127.0.0.1";
    const bool six = address.find(':') != std::string::npos;
    auto place = six ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
    const auto parsed = parse_tcp_address(place);
    if (parsed && parsed->is_loopback()) return SpicePlace{std::move(place)};
    return SpicePlace{"127.0.0.1:" + port, true};
}

}  // namespace

void Translator::vga(const GivenOption& option) {
    vga_ = option.argument;
}

void Translator::display(const GivenOption& option) {
    constexpr std::string_view own_vnc = "vnc=";
    if (option.argument.starts_with(own_vnc))
        vnc({option.row, "vnc", option.argument.substr(own_vnc.size())});
    else if (option.argument.starts_with("gtk") || option.argument.starts_with("sdl"))
        window(option);
    else if (option.argument != "none")
        leave_out(option.shown(), "QEMU opens no window in the jail");
}

void Translator::window(const GivenOption& option) {
    const auto text = fmt::format("{}: QEMU opens no window in the jail; a viewer of VNC does, outside of it",
                                  option.shown());
    draft_.set("display", Value(std::string("window"), {}), text);
    warnings_.push_back(text);
    screen_ = true;
}

void Translator::nographic(const GivenOption&) {
    no_graphics_ = true;
    machine_properties_.set("graphics", {}, Value(false, {}));  // firmware speaks on the serial port
}

void Translator::vnc(const GivenOption& option) {
    OptionPairs pairs = parse_pairs(option.argument, "vnc");
    if (const auto* display = pairs.find("vnc"); display != nullptr && *display == "none") return;
    if (const auto* audiodev = pairs.find("audiodev")) vnc_audiodev_ = *audiodev;
    if (spice_) {
        leave_out(option.shown(), "there is one display already");
        return;
    }
    auto place = vnc_place(pairs);
    std::string comment = option.shown();
    const bool for_all = place && place->starts_with(':');
    if (for_all) {
        *place = "127.0.0.1" + *place;
        comment += for_this_host;
    }
    const auto address = place ? parse_tcp_address(*place) : std::nullopt;
    if (place && (place->find('/') != std::string::npos || (address && address->is_loopback()))) {
        if (for_all) warnings_.push_back(comment);
        Table display;
        display.set("listen", {}, Value(*place, {}));
        draft_.set("display", Value(std::move(display), {}), std::move(comment));
        screen_ = true;
        return;
    }
    merge(draft_.at({"option", "vnc"}, option.shown()).members, nested_table(pairs, ValueFor::Qapi));
    uses_host_network(option.shown());
}

void Translator::spice(const GivenOption& option) {
    if (screen_) {
        leave_out(option.shown(), "there is one display already");
        return;
    }
    OptionPairs pairs = parse_pairs(option.argument, "");
    Table display;
    display.set("type", {}, Value(std::string("spice"), {}));
    const bool secret = pairs.find("password") != nullptr || pairs.find("password-secret") != nullptr;
    std::string comment = secret ? "-spice" : option.shown();
    if (secret) comment += ": its password is not copied; display.password names a [secret.X] that has it";
    const auto place = spice_place(pairs);
    if (place) display.set("listen", {}, Value(place->listen, {}));
    if (place && place->for_all)
        comment += secret ? "; until then it is served to this host alone" : for_this_host;
    if (secret || (place && place->for_all)) warnings_.push_back(comment);
    for (const char* said : {"password", "password-secret", "disable-ticketing"}) pairs.take(said);
    leave_out_rest("-spice", pairs, "say it in [option.spice], in place of display");
    const bool plain = display.entries().size() == 1;
    draft_.set("display", plain ? Value(std::string("spice"), {}) : Value(std::move(display), {}),
               std::move(comment));
    screen_ = spice_ = true;
}

/// The port of spice-vdagent comes with the display.
void Translator::write_vdagent() {
    if (!spice_) return;
    for (auto& device : devices_) {
        const auto text = [&](const char* key) {
            const Value* value = device.properties.find(key);
            return value == nullptr || value->string() == nullptr ? std::string() : *value->string();
        };
        if (device.driver != "virtserialport" || text("name") != "com.redhat.spice.0") continue;
        if (auto* chardev = chardev_named(text("chardev"))) chardev->taken = true;
        device.driver.clear();
    }
}

/// A display brings what a person looks at and types on, unless that is said.
void Translator::write_screen() {
    if (!screen_) return;
    const auto is_any = [&](std::initializer_list<std::string_view> parts) {
        return std::ranges::any_of(devices_, [&](const Device& device) {
            return std::ranges::any_of(
                parts, [&](auto part) { return device.driver.find(part) != std::string::npos; });
        });
    };
    if (!is_any({"tablet", "kbd", "keyboard", "mouse"})) draft_.set("input", Value(false, {}));
    if (!is_any({"vga", "VGA", "gpu", "qxl", "display", "vfio", "ramfb"}))
        draft_.set("video", Value(false, {}));
}

void Translator::write_display() {
    if (vga_.empty() && defaults_ && !no_graphics_ && machine_defaults().vga) vga_ = "std";
    if (vga_.empty() || vga_ == "none") return;
    const auto card = std::ranges::find(cards, vga_, &Card::word);
    if (card == cards.end()) {
        leave_out("-vga " + vga_, "say it as a [device.X]");
        return;
    }
    devices_.insert(devices_.begin(), {std::string(card->driver), "", "-vga " + vga_, {}});
}

}  // namespace qvm::config
