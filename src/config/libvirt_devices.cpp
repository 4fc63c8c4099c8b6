// SPDX-License-Identifier: GPL-3.0-or-later
// The devices of a domain, but for its disks and nics.
#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/libvirt_domain.hpp"

namespace qvm::config {
namespace {

struct Reason {
    std::string_view element, reason;
};
constexpr auto reasons = std::to_array<Reason>({
    {"filesystem", "a [share.X] can say it, which virtiofsd serves: path and tag"},
    {"redirdev",
     "a [chardev.X] of type spicevmc with data.type = \"usbredir\" and a [device.X] with driver = "
     "\"usb-redir\" can say it"},
    {"smartcard", "say it as a [device.X] with its chardev"},
    {"parallel", "say it as a [device.X] with its chardev"},
    {"shmem", "say it as a [device.X]"},
    {"hub", "say it as a [device.X]"},
    {"nvram", "say it as a [device.X]"},
});

/// Buses and ports that qvm makes where a device needs them.
constexpr auto made_where_needed =
    std::to_array<std::string_view>({"pci", "usb", "sata", "ide", "fdc", "virtio-serial", "ccid"});

bool is_one_of(std::string_view word, auto&& list) {
    return std::ranges::find(list, word) != std::ranges::end(list);
}

}  // namespace

void LibvirtDomain::devices() {
    const Node devices = see(domain_, "devices");
    has_spice_ = bool(devices.find_child_by_attribute("graphics", "type", "spice"));
    for (Node child = devices.first_child(); child;) {
        const Node node = child;
        child = child.next_sibling();
        if (node.type() == pugi::node_element) device(node);
    }
    if (!has_serial_) draft_.set("console", Value(std::string("none"), {}));
    if (!has_rng_) draft_.set("rng", Value(false, {}));
    if (balloon_size_)
        warn(fmt::format("currentMemory {}: without a balloon the guest keeps all its memory",
                         format_size(*balloon_size_)));
    if (has_display_ && !has_video_) draft_.set("video", Value(false, {}));
    if (has_display_ && input_.empty())
        draft_.set("input", Value(false, {}));
    else if (!input_.empty())
        draft_.set("input", Value(input_, {}));
}

void LibvirtDomain::device(Node node) {
    struct Row {
        std::string_view name;
        void (LibvirtDomain::*translate)(Node);
    };
    constexpr auto rows = std::to_array<Row>({
        {"disk", &LibvirtDomain::disk},
        {"interface", &LibvirtDomain::interface},
        {"serial", &LibvirtDomain::serial},
        {"console", &LibvirtDomain::serial},
        {"channel", &LibvirtDomain::channel},
        {"input", &LibvirtDomain::input},
        {"graphics", &LibvirtDomain::graphics},
        {"video", &LibvirtDomain::video},
        {"memballoon", &LibvirtDomain::balloon},
        {"rng", &LibvirtDomain::rng},
        {"tpm", &LibvirtDomain::tpm},
        {"watchdog", &LibvirtDomain::watchdog},
        {"sound", &LibvirtDomain::sound},
        {"audio", &LibvirtDomain::audio},
        {"vsock", &LibvirtDomain::vsock},
        {"panic", &LibvirtDomain::panic},
        {"controller", &LibvirtDomain::controller},
        {"hostdev", &LibvirtDomain::hostdev},
    });
    const std::string_view name = node.name();
    const auto row = std::ranges::find(rows, name, &Row::name);
    if (row != rows.end()) {
        see(node);
        (this->*row->translate)(node);
        return;
    }
    const auto reason = std::ranges::find(reasons, name, &Reason::element);
    if (reason != reasons.end()) leave_out(node, reason->reason);
}

/// The first serial port, or else a virtio console, is what `qvm console` shows.
void LibvirtDomain::serial(Node serial) {
    const std::string_view type = serial.attribute("type").value();
    const Node target = see(serial, "target");
    const auto target_type = take(target, "type").value_or("serial");
    take(target, "port");
    take(see(target, "model"), "name");
    if (std::string_view(serial.name()) == "console" && target_type == "serial") {
        drop(serial);  // the other name of the first serial port
        if (!has_serial_) has_serial_ = true;
        return;
    }
    if (has_serial_ || type != "pty") {
        leave_out(serial, has_serial_
                              ? "the language has one console; others are a [chardev.X] and a [device.X]"
                              : "a [chardev.X] and a [device.X] can say it");
        return;
    }
    has_serial_ = true;
    if (target_type == "virtio") draft_.set("console", Value(std::string("virtio"), {}));
    drop(serial);
}

void LibvirtDomain::channel(Node channel) {
    const Node target = channel.child("target");
    const std::string_view name = target.attribute("name").value();
    if (name == "org.qemu.guest_agent.0") {
        draft_.set("agent", Value(true, {}));
        drop(channel);
        return;
    }
    if (name == "com.redhat.spice.0" && has_spice_) {
        drop(channel);  // it comes with the display
        return;
    }
    leave_out(channel, std::string_view(channel.attribute("type").value()) == "spicevmc"
                           ? "there is no SPICE for its agent to talk to"
                           : "a [chardev.X] and a [device.X] with driver = \"virtserialport\" can say it");
}

void LibvirtDomain::input(Node input) {
    const std::string type = input.attribute("type").value();
    const std::string bus = input.attribute("bus").value();
    constexpr auto kinds = std::to_array<std::string_view>({"tablet", "keyboard", "mouse"});
    if (!is_one_of(type, kinds)) {
        leave_out(input, "say it as a [device.X]");
        return;
    }
    if (bus.empty() || bus == "ps2") {  // the board has these
        drop(input);
        return;
    }
    if (input_.empty())
        for (const auto kind : kinds) input_.set(std::string(kind), {}, Value(false, {}));
    input_.set(type, {}, Value(true, {}));
    if (bus == "virtio") input_.set("bus", {}, Value(std::string("virtio"), {}));
    drop(input);
}

void LibvirtDomain::graphics(Node graphics) {
    if (has_display_) {
        leave_out(graphics, "there is one display already");
        return;
    }
    has_display_ = true;
    const auto type = take(graphics, "type").value_or("");
    const Node listen = see(graphics, "listen");
    const auto kind = take(listen, "type").value_or("address");
    const auto first = take(graphics, "listen");
    const auto address = take(listen, "address").value_or(first.value_or("127.0.0.1"));
    const auto path = take(listen, "socket");
    const auto port = take_number(graphics, "port");
    for (const char* attribute : {"autoport", "sharePolicy"}) take(graphics, attribute);
    std::vector<std::string> comments;
    const bool is_served = type == "vnc" || type == "spice";
    const bool window = type == "sdl" || type == "gtk";
    if (window || type == "egl-headless")
        comments.push_back(
            fmt::format("graphics type='{}': QEMU opens no window in the jail; a viewer of VNC does", type));
    const bool local = address == "127.0.0.1" || address == "::1" || address == "localhost";
    if (!window && !path && !local && kind == "address")
        comments.push_back(fmt::format(
            "graphics listen='{}': for others than this host display.password has to be said; until "
            "then it is served to this host alone",
            address));
    if (take(graphics, "passwd"))
        comments.emplace_back(
            "graphics passwd: it is not copied; display.password names a [secret.X] that has it");
    if (window) {
        draft_.set("display", Value(std::string("window"), {}));
    } else if (path || (is_served && port && *port > 0 && kind == "address")) {
        Table display;
        if (type == "spice") display.set("type", {}, Value(type, {}));
        display.set("listen", {}, Value(path ? *path : fmt::format("127.0.0.1:{}", *port), {}));
        draft_.set("display", Value(std::move(display), {}));
    } else {
        draft_.set("display", Value(std::string(type == "spice" ? "spice" : "vnc"), {}));
    }
    for (const auto& comment : comments) warn(comment);
    if (type != "spice") return;
    for (const char* carried : {"image", "jpeg", "zlib", "playback", "mouse", "streaming"})
        if (const Node node = graphics.child(carried)) drop(node);
    for (const char* way : {"clipboard", "filetransfer"})
        if (const Node node = graphics.child(way)) leave_out(node, "qvm's display allows it");
}

void LibvirtDomain::video(Node video) {
    Node model = see(video, "model");
    const std::string type = model.attribute("type").value();
    if (type == "none" && !has_video_) {
        has_video_ = true;
        if (has_display_) draft_.set("video", Value(false, {}));
        drop(video);
        return;
    }
    constexpr auto known = std::to_array<std::string_view>({"virtio", "vga", "qxl", "cirrus", "bochs"});
    if (has_video_ || !is_one_of(type, known)) {
        leave_out(video, has_video_ ? "there is one graphics card already" : "say it as a [device.X]");
        return;
    }
    has_video_ = true;
    Table card;
    card.set("model", {}, Value(type, {}));
    const auto heads = take_number(model, "heads");
    if (heads && *heads > 1) card.set("heads", {}, Value(*heads, {}));
    for (const char* usual : {"type", "primary"}) take(model, usual);
    draft_.set("video", card.entries().size() == 1 ? Value(type, {}) : Value(std::move(card), {}));
}

void LibvirtDomain::balloon(Node balloon) {
    const auto model = take(balloon, "model").value_or("virtio");
    if (model == "none") return;
    Table members;
    if (const auto size = std::exchange(balloon_size_, {}))
        members.set("size", {}, Value(format_size(*size), {}));
    if (take_on(balloon, "autodeflate")) members.set("deflate-on-oom", {}, Value(true, {}));
    if (take_on(balloon, "freePageReporting")) members.set("free-page-reporting", {}, Value(true, {}));
    if (const Node stats = balloon.child("stats")) drop(stats);  // of the one who asks
    draft_.set("balloon", members.empty() ? Value(true, {}) : Value(std::move(members), {}));
}

void LibvirtDomain::rng(Node rng) {
    const Node backend = see(rng, "backend");
    if (has_rng_ || std::string_view(rng.attribute("model").value()) != "virtio" ||
        std::string_view(backend.attribute("model").value()) == "egd") {
        leave_out(rng, "an [object.X] and a [device.X] can say it");
        return;
    }
    has_rng_ = true;
    take(rng, "model");
    const auto model = take(backend, "model");
    const auto source = text_of(rng, "backend").value_or("");
    if (model == "random" && source != "/dev/urandom" && source != "/dev/random" && !source.empty())
        warn(fmt::format("rng backend {}: it is fed by QEMU itself", source));
}

void LibvirtDomain::tpm(Node tpm) {
    const Node backend = see(tpm, "backend");
    if (take(backend, "type") != "emulator") {
        leave_out(tpm, "only a TPM that swtpm emulates has a key: tpm");
        return;
    }
    Table members;
    const auto model = take(tpm, "model").value_or("");
    if (take(backend, "version") == "1.2") members.set("version", {}, Value(std::string("1.2"), {}));
    take(backend, "persistent_state");
    if (model == "tpm-tis") members.set("model", {}, Value(std::string("tis"), {}));
    const std::string text =
        "tpm: what libvirt's has kept stays where it is; tpm.state names a copy of its directory (tpm2 below "
        "/var/lib/libvirt/swtpm/UUID)";
    draft_.set("tpm", members.empty() ? Value(true, {}) : Value(std::move(members), {}), text);
    warnings_.push_back(text);
}

void LibvirtDomain::watchdog(Node watchdog) {
    const std::string model = watchdog.attribute("model").value();
    const std::string action = watchdog.attribute("action").value();
    constexpr auto actions =
        std::to_array<std::string_view>({"reset", "shutdown", "poweroff", "pause", "none", "inject-nmi"});
    if ((model != "i6300esb" && model != "ib700") || (!action.empty() && !is_one_of(action, actions))) {
        leave_out(watchdog, "say it as a [device.X]");
        return;
    }
    Table members;
    members.set("model", {}, Value(model, {}));
    if (!action.empty()) members.set("action", {}, Value(action, {}));
    draft_.set("watchdog", Value(std::move(members), {}));
    drop(watchdog);
}

void LibvirtDomain::sound(Node sound) {
    struct Card {
        std::string_view libvirt, model;
    };
    constexpr auto cards = std::to_array<Card>({{"ich9", "hda"},
                                                {"ich6", "hda"},
                                                {"ich7", "hda"},
                                                {"virtio", "virtio"},
                                                {"usb", "usb"},
                                                {"ac97", "ac97"}});
    const auto* card =
        std::ranges::find(cards, std::string_view(sound.attribute("model").value()), &Card::libvirt);
    if (has_sound_ || card == cards.end()) {
        leave_out(sound, has_sound_ ? "there is one sound card already"
                                    : "an [audiodev.X] and a [device.X] can say it");
        return;
    }
    has_sound_ = true;
    draft_.set("audio", card->model == "hda" ? Value(true, {}) : Value(std::string(card->model), {}));
    drop(sound);
}

/// The display carries it.
void LibvirtDomain::audio(Node audio) {
    const std::string type = audio.attribute("type").value();
    drop(audio);
    if (type != "none" && type != "spice" && type != "dbus")
        warn(fmt::format("audio type='{}': the host's sound does not get into the jail; a display carries it",
                         type));
}

void LibvirtDomain::vsock(Node vsock) {
    take(vsock, "model");
    const Node cid = see(vsock, "cid");
    const bool own = take_on(cid, "auto");
    const auto address = take_number(cid, "address");
    if (own || !address) {
        draft_.set("vsock", Value(true, {}));
        return;
    }
    Table members;
    members.set("cid", {}, Value(*address, {}));
    draft_.set("vsock", Value(std::move(members), {}));
}

void LibvirtDomain::panic(Node panic) {
    const auto model = take(panic, "model").value_or("isa");
    if (model == "isa" || model == "pvpanic")
        draft_.add({"device", "pvpanic"}).put("driver", model == "isa" ? "pvpanic" : "pvpanic-pci");
    else if (model != "hyperv")
        leave_out(panic, "say it as a [device.X]");
}

void LibvirtDomain::controller(Node controller) {
    const std::string_view type = controller.attribute("type").value();
    const std::string_view model = controller.attribute("model").value();
    const bool usual_scsi = type == "scsi" && (model.empty() || model == "virtio-scsi" || model == "auto");
    if (usual_scsi || is_one_of(type, made_where_needed)) {
        drop(controller);
        return;
    }
    leave_out(controller, "the disks on it are on a virtio-scsi controller that qvm makes");
}

}  // namespace qvm::config
