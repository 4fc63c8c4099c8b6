// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_display.hpp"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "base/tcp_address.hpp"
#include "base/text.hpp"
#include "config/sugar_audio.hpp"

namespace qvm::config {
namespace {

constexpr const char* vdagent_id = "vdagent";

bool is_path(std::string_view listen) {
    return listen.find('/') != std::string_view::npos || listen.starts_with('~');
}

std::vector<std::string> secrets_of(const Lowering& lowering) {
    std::vector<std::string> secrets;
    for (const auto& secret : lowering.named("secret")) secrets.push_back(secret.id);
    return secrets;
}

void check_password(Lowering& lowering, const Item& display) {
    const auto password = display.text("password");
    if (!password) return;
    const auto secrets = secrets_of(lowering);
    if (std::ranges::find(secrets, *password) == secrets.end())
        lowering.report(DiagnosticKind::BadRef, display.origin_of("password"),
                        fmt::format("display.password: there is no [secret.{}]", *password),
                        {"it is the name of a secret: secret.vnc.file = \"PATH\", and password = \"vnc\""},
                        did_you_mean(*password, secrets));
}

void check_address(Lowering& lowering, const Item& display, const std::string& listen) {
    const auto address = parse_tcp_address(listen);
    if (!address) {
        lowering.report(DiagnosticKind::BadValue, display.origin_of("listen"),
                        fmt::format("display.listen: '{}' is no address with a port, and no path", listen),
                        {"for example \"127.0.0.1:5901\", or \"./vnc.sock\" for a Unix socket; what other "
                         "programs call :1 is port 5901"});
        return;
    }
    if (!address->is_loopback() && !display.says("password"))
        lowering.report(
            DiagnosticKind::Missing, display.origin_of("listen"),
            fmt::format("whoever reaches {} would see and type without a password", address->to_string()),
            {"say password = \"SECRET\", the name of a [secret.SECRET]",
             "or listen on 127.0.0.1, and let people in through ssh -L"});
}

void lower_socket(Lowering& lowering, const Item& display, bool spice) {
    Members host(display.origin);
    host.put("kind", std::string("socket")).put("mode", std::string("listen"));
    if (spice) host.put("protocol", std::string("spice"), display.origin_of("type"));
    const auto listen = display.text("listen");
    const Origin origin = display.origin_of("listen");
    if (!listen) {
        host.put("runtime", std::string(spice ? spice_socket : vnc_socket));
    } else if (is_path(*listen)) {
        host.put("path", lowering.absolute(*display.value("listen")).string(), origin);
    } else {
        check_address(lowering, display, *listen);
        host.put("address", *listen, origin);
    }
    lowering.add(Kind::Host, display_id, std::move(host), display);
}

StartCommand command(const Item& display, std::string execute, Table arguments) {
    return {{},
            {std::move(execute), display.origin},
            std::move(arguments),
            {},
            {},
            display.where,
            display.origin};
}

/// Reports [option.NAME], if it is there.
bool is_taken(Lowering& lowering, std::string_view name) {
    const auto& options = lowering.vm().options;
    const auto raw = std::ranges::find(options, name, &NamedTable::name);
    if (raw == options.end()) return false;
    lowering.report(DiagnosticKind::Conflict, raw->origin,
                    fmt::format("[option.{}] is there, and so is display, which makes one", name),
                    {"leave one of them out"});
    return true;
}

void add_password(Lowering& lowering, const Item& display, const char* protocol) {
    const auto password = display.text("password");
    const auto secrets = secrets_of(lowering);
    // One that is missing has been told.
    if (!password || std::ranges::find(secrets, *password) == secrets.end()) return;
    Members arguments(display.origin_of("password"));
    arguments.put("protocol", std::string(protocol)).put("password", '@' + *password + ".secret");
    lowering.vm().commands.push_back(command(display, "set_password", std::move(arguments.table())));
}

void lower_vnc(Lowering& lowering, const Item& display) {
    if (is_taken(lowering, "vnc")) return;
    // It listens on nothing of its own: the socket comes when there is somebody to pass it.
    Members server(display.origin);
    server.put("vnc", std::string("none"));
    if (display.says("password")) server.put("password", true, display.origin_of("password"));
    if (const auto audio = lowering.single("audio"))
        server.put("audiodev", std::string(audio_id), audio->origin);
    lowering.vm().options.push_back({"vnc", std::move(server.table()), {}, display.origin, {}});
    add_password(lowering, display, "vnc");
    Members address(display.origin);
    address.put("type", std::string("fd")).put("str", '@' + std::string(display_id));
    Array addresses;
    addresses.emplace_back(Value::Data(std::move(address.table())), display.origin);
    Members arguments(display.origin);
    arguments.put("type", std::string("vnc")).put("addresses", std::move(addresses));
    lowering.vm().commands.push_back(command(display, "display-update", std::move(arguments.table())));
}

/// The port that spice-vdagent looks for: the clipboard, and a screen as large as its window.
void lower_vdagent(Lowering& lowering, const Item& display) {
    Members data(display.origin);
    data.put("type", std::string("vdagent"));
    Members backend(display.origin);
    backend.put("type", std::string("spicevmc")).put("data", std::move(data.table()));
    Members chardev(display.origin);
    chardev.put("backend", std::move(backend.table()));
    lowering.add(Kind::Chardev, vdagent_id, std::move(chardev), display);
    Members device(display.origin);
    device.put("driver", std::string("virtserialport")).put("chardev", std::string(vdagent_id));
    device.put("name", std::string("com.redhat.spice.0"));
    lowering.add(Kind::Device, vdagent_id, std::move(device), display);
}

/// It has no socket at all: qvm accepts, and hands over.
void lower_spice(Lowering& lowering, const Item& display) {
    if (is_taken(lowering, "spice")) return;
    Members server(display.origin);
    server.put("disable-ticketing", !display.says("password"), display.origin_of("password"));
    lowering.vm().options.push_back({"spice", std::move(server.table()), {}, display.origin, {}});
    add_password(lowering, display, "spice");
    if (lowering.defaults()) lower_vdagent(lowering, display);
}

/// What QEMU's own windows can be told (QAPI: DisplayOptions).
constexpr std::array window_keys{"full-screen", "show-cursor", "zoom-to-fit"};

void refuse(Lowering& lowering, const Item& display, std::span<const char* const> keys, std::string_view why,
            const std::string& note) {
    for (const auto* key : keys)
        if (display.says(key))
            lowering.report(DiagnosticKind::Conflict, display.origin_of(key),
                            fmt::format("display.{} goes with {}", key, why), {note});
}

/// A window that QEMU itself opens.
void lower_own_window(Lowering& lowering, const Item& display, const std::string& type) {
    constexpr std::array server_keys{"listen", "password"};
    refuse(lowering, display, server_keys, "type = \"vnc\" and type = \"spice\"",
           "QEMU's own window is for who sits before it alone");
    if (type == "sdl" && display.says("zoom-to-fit"))
        lowering.report(DiagnosticKind::Conflict, display.origin_of("zoom-to-fit"),
                        "display.zoom-to-fit goes with type = \"gtk\"", {"a window of sdl always does so"});
    if (is_taken(lowering, "display")) return;
    Members window(display.origin);
    window.put("type", type, display.origin_of("type"));
    for (const auto* key : window_keys) window.copy(key, *display.table, key);
    lowering.vm().options.push_back({"display", std::move(window.table()), {}, display.origin, {}});
}

}  // namespace

std::string own_window(const Vm& vm) {
    const auto option = std::ranges::find(vm.options, "display", &NamedTable::name);
    const Value* type = option == vm.options.end() ? nullptr : option->properties.find("type");
    if (type == nullptr || type->string() == nullptr) return {};
    return *type->string() == "gtk" || *type->string() == "sdl" ? *type->string() : std::string();
}

std::optional<Item> wanted_display(const Lowering& lowering) {
    auto display = lowering.single("display");
    if (!display || display->text("type").value_or("vnc") == "none") return std::nullopt;
    return display;
}

bool is_spice(const Lowering& lowering) {
    const auto display = wanted_display(lowering);
    return display && display->text("type") == "spice";
}

void lower_display(Lowering& lowering) {
    const auto display = wanted_display(lowering);
    if (!display) return;
    const auto type = display->text("type").value_or("vnc");
    if (type == "gtk" || type == "sdl") {
        lower_own_window(lowering, *display, type);
        return;
    }
    refuse(lowering, *display, window_keys, "type = \"gtk\" and type = \"sdl\"",
           "the viewer's own menu has it");
    lowering.vm().opens_window = type == "window";
    if (lowering.vm().opens_window)
        for (const auto* key : {"listen", "password"})
            if (display->says(key))
                lowering.report(DiagnosticKind::Conflict, display->origin_of(key),
                                fmt::format("display.{} goes with type = \"vnc\": a window has a socket of "
                                            "its own, which only you can open",
                                            key),
                                {"`qvm view` opens a window to a VM with type = \"vnc\", too"});
    check_password(lowering, *display);
    const bool spice = is_spice(lowering);
    lower_socket(lowering, *display, spice);
    if (spice)
        lower_spice(lowering, *display);
    else
        lower_vnc(lowering, *display);
}

}  // namespace qvm::config
