// SPDX-License-Identifier: GPL-3.0-or-later
// Character devices: what a terminal would show is qvm's console, the rest is written at the raw level.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/import_translator.hpp"

namespace qvm::config {
namespace {

/// A backend of -chardev in QAPI's words; `path` is the member that its path is.
struct BackendRow {
    std::string_view name, type, path;
};
constexpr std::array backends{
    BackendRow{"null", "null", ""},        BackendRow{"file", "file", "out"},
    BackendRow{"pipe", "pipe", "device"},  BackendRow{"serial", "serial", "device"},
    BackendRow{"tty", "serial", "device"}, BackendRow{"parallel", "parallel", "device"},
    BackendRow{"ringbuf", "ringbuf", ""},  BackendRow{"memory", "ringbuf", ""},
    BackendRow{"msmouse", "msmouse", ""},  BackendRow{"wctablet", "wctablet", ""},
    BackendRow{"braille", "braille", ""},  BackendRow{"testdev", "testdev", ""},
    BackendRow{"socket", "socket", ""},
};

/// What is on the terminal that QEMU was started from, which qvm's QEMU has none of.
constexpr std::array<std::string_view, 4> terminals{"stdio", "vc", "pty", "con"};

/// The members of an address, which is a table of its own in QAPI.
constexpr std::array<std::string_view, 7> inet_keys{"host", "port",       "to",   "ipv4",
                                                    "ipv6", "keep-alive", "mptcp"};

bool is_terminal(std::string_view type) {
    return std::ranges::find(terminals, type) != terminals.end();
}

/// "tcp:localhost:4444,server=on": what -serial takes, as the pairs of a -chardev.
std::optional<std::pair<std::string, OptionPairs>> parse_spec(const std::string& spec) {
    const auto colon = spec.find(':');
    const std::string kind = spec.substr(0, colon);
    const std::string rest = colon == std::string::npos ? std::string() : spec.substr(colon + 1);
    if (kind == "tcp" || kind == "telnet" || kind == "unix") {
        OptionPairs pairs = parse_pairs(rest, "address");
        const std::string address = pairs.take("address").value_or("");
        if (kind == "unix") {
            pairs.add("path", address);
        } else {
            const auto last = address.rfind(':');
            if (last == std::string::npos) return std::nullopt;
            pairs.add("host", address.substr(0, last));
            pairs.add("port", address.substr(last + 1));
        }
        if (kind == "telnet") pairs.add("telnet", "on");
        return std::pair(std::string("socket"), std::move(pairs));
    }
    OptionPairs pairs;
    if (kind == "file" || kind == "pipe") {
        pairs.add("path", rest);
    } else if (spec.starts_with("/dev/")) {
        pairs.add("path", spec);
        return std::pair(std::string("serial"), std::move(pairs));
    } else if (kind != "null" && kind != "pty" && kind != "vc") {
        return std::nullopt;
    }
    return std::pair(kind, std::move(pairs));
}

}  // namespace

void Translator::chardev(const GivenOption& option) {
    Chardev chardev;
    chardev.pairs = parse_pairs(option.argument, "backend");
    chardev.type = chardev.pairs.take("backend").value_or("");
    chardev.id = chardev.pairs.take("id").value_or("");
    chardev.shown = option.shown();
    chardevs_.push_back(std::move(chardev));
}

void Translator::serial(const GivenOption& option) {
    serials_.push_back(option.argument);
    serial_given_ = true;
}

void Translator::parallel(const GivenOption& option) {
    if (option.argument != "none") leave_out(option.shown(), "say it as a [chardev.X] and a [device.X]");
}

void Translator::debug_console(const GivenOption& option) {
    const auto parsed = parse_spec(option.argument);
    if (!parsed) {
        leave_out(option.shown(), "QEMU has no terminal in the jail");
        return;
    }
    chardevs_.push_back({parsed->first, "debugcon", option.shown(), parsed->second});
    Device device{"isa-debugcon", "debugcon", "", {}};
    device.properties.set("iobase", {}, Value(std::int64_t{0xe9}, {}));
    device.properties.set("chardev", {}, Value(std::string("debugcon"), {}));
    devices_.push_back(std::move(device));
}

void Translator::monitor(const GivenOption& option) {
    if (option.argument == "none") return;
    if (option.name == "mon") {
        if (const auto id = parse_pairs(option.argument, "chardev").take("chardev"))
            idle_chardevs_.insert(*id);
    } else if (option.argument.starts_with("chardev:")) {
        idle_chardevs_.insert(option.argument.substr(std::string_view("chardev:").size()));
    }
    leave_out(option);
}

Translator::Chardev* Translator::chardev_named(std::string_view id) {
    const auto found = std::ranges::find(chardevs_, id, &Chardev::id);
    return found == chardevs_.end() ? nullptr : &*found;
}

bool Translator::is_console(const std::string& spec) {
    const std::string plain = spec.starts_with("mon:") ? spec.substr(4) : spec;
    if (plain.starts_with("chardev:")) {
        const Chardev* chardev = chardev_named(std::string_view(plain).substr(8));
        return chardev != nullptr && is_terminal(chardev->type);
    }
    return is_terminal(plain.substr(0, plain.find_first_of(":,")));
}

void Translator::write_serials() {
    const bool by_device =
        std::ranges::any_of(devices_, [](const Device& d) { return d.driver == "isa-serial"; });
    if (serials_.empty() && (by_device || !defaults_)) draft_.set("console", Value(std::string("none"), {}));
    if (serials_.empty() && no_graphics_ && !by_device && defaults_) serials_.emplace_back("mon:stdio");
    for (std::size_t i = 0; i < serials_.size(); ++i) write_serial(i, serials_[i]);
    write_console_devices();
}

void Translator::write_serial(std::size_t index, const std::string& spec) {
    const std::string shown = serial_given_ ? "-serial " + spec : "-nographic";
    if (index == 0)
        draft_.set("console", Value(std::string(is_console(spec) ? "serial" : "none"), {}), shown);
    std::string id;
    if (spec.starts_with("chardev:")) id = spec.substr(8);
    if (index == 0 && is_console(spec)) {
        if (Chardev* chardev = chardev_named(id)) chardev->taken = true;
        return;
    }
    if (spec == "none") return;
    if (id.empty()) {
        const auto parsed = parse_spec(is_console(spec) ? "pty" : spec);
        if (!parsed) {
            leave_out(shown, "say it as a [chardev.X] and a [device.X]");
            return;
        }
        id = raw_id("", fmt::format("serial{}", index));
        chardevs_.push_back({parsed->first, id, shown, parsed->second});
    }
    const std::string device_id = fmt::format("serial{}", index);
    Device device{"isa-serial", id == device_id ? id : raw_id("", device_id), "", {}};
    device.properties.set("index", {}, Value(static_cast<std::int64_t>(index), {}));
    device.properties.set("chardev", {}, Value(id, {}));
    devices_.push_back(std::move(device));
}

/// A serial port or a virtio console that shows on QEMU's terminal.
void Translator::write_console_devices() {
    for (auto& device : devices_) {
        if (device.driver != "isa-serial" && device.driver != "virtconsole") continue;
        const Value* name = device.properties.find("chardev");
        Chardev* chardev =
            name == nullptr || name->string() == nullptr ? nullptr : chardev_named(*name->string());
        if (chardev == nullptr || chardev->taken || !is_terminal(chardev->type)) continue;
        chardev->taken = true;
        draft_.set("console", Value(std::string(device.driver == "virtconsole" ? "virtio" : "serial"), {}),
                   device.shown);
        if (device.driver == "virtconsole") drop_serial_controller();
        device.driver.clear();  // the table makes it
        return;
    }
}

/// The one that the console alone is on: the table makes that, too.
void Translator::drop_serial_controller() {
    const auto is_port = [](const Device& device) {
        return device.driver == "virtserialport" || device.driver == "virtconsole";
    };
    if (std::ranges::count_if(devices_, is_port) != 1) return;
    for (auto& device : devices_)
        if (device.driver.starts_with("virtio-serial") && device.properties.empty()) {
            device.driver.clear();
            return;
        }
}

Table Translator::socket_data(Draft::Part& part, Chardev& chardev) {
    OptionPairs& pairs = chardev.pairs;
    Table data, address;
    const bool server = pairs.take_flag("server").value_or(false);
    Table where;
    if (const auto path = pairs.take("path")) {
        const std::string id = chardev.id + ".socket";
        draft_.add({"host", id})
            .put("kind", "socket")
            .put("path", *path)
            .put("mode", server ? "listen" : "connect");
        where.set("str", {}, Value('@' + id, {}));
        address.set("type", {}, Value(std::string("fd"), {}));
    } else {
        address.set("type", {}, Value(std::string("inet"), {}));
        const std::string host = pairs.take("host").value_or("");
        // No name is known in the jail.
        where.set("host", {}, Value(host == "localhost" ? "127.0.0.1" : host, {}));
        for (const auto key : inet_keys)
            if (auto value = pairs.take(key))
                where.set(std::string(key), {}, typed_value(key, *value, ValueFor::Qapi));
        uses_host_network(chardev.shown);
    }
    address.set("data", {}, Value(std::move(where), {}));
    data.set("addr", {}, Value(std::move(address), {}));
    data.set("server", {}, Value(server, {}));
    if (server && pairs.take_flag("wait").value_or(true))
        warn(part, fmt::format("{}: QEMU does not wait for a client before it starts", chardev.id));
    if (server) data.set("wait", {}, Value(false, {}));
    return data;
}

Table Translator::chardev_data(Draft::Part& part, Chardev& chardev) {
    OptionPairs& pairs = chardev.pairs;
    const auto row = std::ranges::find(backends, chardev.type, &BackendRow::name);
    if (row->type == "socket") {
        Table data = socket_data(part, chardev);
        merge(data, nested_table(pairs, ValueFor::Qapi));
        return data;
    }
    Table data;
    if (!row->path.empty()) data.set(std::string(row->path), {}, Value(pairs.take("path").value_or(""), {}));
    if (const auto input = pairs.take("input-path")) data.set("in", {}, Value(*input, {}));
    merge(data, nested_table(pairs, ValueFor::Qapi));
    return data;
}

/// False if it has no translation, which has been said.
bool Translator::write_chardev(Chardev& chardev) {
    const bool mux = chardev.pairs.take_flag("mux").value_or(false);
    const bool terminal = is_terminal(chardev.type);
    const auto row = std::ranges::find(backends, terminal ? "null" : chardev.type, &BackendRow::name);
    if (row == backends.end()) {
        leave_out(chardev.shown, "say it as a [chardev.X]");
        lost_.insert(chardev.id);
        return false;
    }
    Draft::Part& part = draft_.add({"chardev", chardev.id + (mux ? ".base" : "")}, chardev.shown);
    Table backend;
    backend.set("type", {}, Value(std::string(row->type), {}));
    if (terminal) warn(part, fmt::format("{}: QEMU has no terminal in the jail", chardev.id));
    backend.set("data", {}, Value(terminal ? Table() : chardev_data(part, chardev), {}));
    part.put("backend", std::move(backend));
    if (!mux) return true;
    Table over, inner;
    inner.set("chardev", {}, Value(chardev.id + ".base", {}));
    over.set("type", {}, Value(std::string("mux"), {}));
    over.set("data", {}, Value(std::move(inner), {}));
    draft_.add({"chardev", chardev.id}).put("backend", std::move(over));
    return true;
}

void Translator::write_chardevs() {
    for (auto& chardev : chardevs_) {
        if (chardev.taken) continue;
        const auto uses = [&](const Device& device) {
            const Value* name = device.properties.find("chardev");
            return name != nullptr && name->string() != nullptr && *name->string() == chardev.id;
        };
        if (idle_chardevs_.contains(chardev.id) && std::ranges::none_of(devices_, uses))
            leave_out(chardev.shown, "only what is left out uses it");
        else
            write_chardev(chardev);
    }
}

}  // namespace qvm::config
