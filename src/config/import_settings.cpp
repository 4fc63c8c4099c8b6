// SPDX-License-Identifier: GPL-3.0-or-later
// What is said of the VM as a whole: machine, processors, memory, kernel, what is seen of it.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/import_translator.hpp"
#include "config/shell_words.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

using Strings = std::vector<std::string>;

/// -accel properties that are the machine's in the language.
constexpr std::array<std::string_view, 3> machine_accel_keys{"kernel-irqchip", "kvm-shadow-mem",
                                                             "igd-passthru"};
constexpr std::array<std::string_view, 4> kernel_keys{"kernel", "initrd", "append", "dtb"};

struct Pair {
    std::string_view from, to;
};
/// -usbdevice's words.
constexpr std::array usb_devices{Pair{"mouse", "usb-mouse"},     Pair{"tablet", "usb-tablet"},
                                 Pair{"keyboard", "usb-kbd"},    Pair{"wacom-tablet", "usb-wacom-tablet"},
                                 Pair{"braille", "usb-braille"}, Pair{"ccid", "usb-ccid"}};

std::string_view lookup(const auto& rows, std::string_view word) {
    const auto found = std::ranges::find(rows, word, &Pair::from);
    return found == rows.end() ? std::string_view() : found->to;
}

Array array_of(const Strings& words) {
    Array array;
    for (const auto& word : words) array.emplace_back(Value::Data(word), Origin());
    return array;
}

/// QEMU's CPU code takes '_' for '-' in the names of features.
std::string feature_name(std::string name) {
    std::ranges::replace(name, '_', '-');
    return name;
}

Strings split(std::string_view text, char at) {
    Strings parts;
    while (!text.empty()) {
        const auto end = std::min(text.find(at), text.size());
        if (end > 0) parts.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

}  // namespace

void Translator::machine(const GivenOption& option) {
    OptionPairs pairs = parse_pairs(option.argument, "type");
    if (auto type = pairs.take("type")) machine_type_ = std::move(*type);
    if (const auto accel = pairs.take("accel")) accels_ = split(*accel, ':');
    for (const auto key : kernel_keys)
        if (auto value = pairs.take(key))
            kernel_.set(std::string(key == "kernel" ? "image" : key), {}, Value(*value, {}));
    merge(machine_properties_, nested_table(pairs, ValueFor::Property));
}

void Translator::accel(const GivenOption& option) {
    OptionPairs pairs = parse_pairs(option.argument, "accel");
    if (auto accel = pairs.take("accel"))
        for (auto& name : split(*accel, ':'))
            if (std::ranges::find(accels_, name) == accels_.end()) accels_.push_back(std::move(name));
    for (const auto key : machine_accel_keys)
        if (auto value = pairs.take(key))
            machine_properties_.set(std::string(key), {}, typed_value(key, *value, ValueFor::Property));
    leave_out_rest("-accel", pairs, "the language does not set properties of accelerators");
}

void Translator::enable_kvm(const GivenOption&) {
    accels_ = {"kvm"};
}

void Translator::cpu(const GivenOption& option) {
    const auto parts = split(option.argument, ',');
    if (parts.empty()) return;
    cpu_model_ = parts.front();
    cpu_properties_ = Table();
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const std::string& part = parts[i];
        const auto equals = part.find('=');
        if (part.starts_with('+') || part.starts_with('-'))
            cpu_properties_.set(feature_name(part.substr(1)), {}, Value(part.front() == '+', {}));
        else if (equals == std::string::npos)
            cpu_properties_.set(feature_name(part), {}, Value(true, {}));
        else
            cpu_properties_.set(
                feature_name(part.substr(0, equals)), {},
                typed_value(part.substr(0, equals), part.substr(equals + 1), ValueFor::Property));
    }
}

void Translator::smp(const GivenOption& option) {
    OptionPairs pairs = parse_pairs(option.argument, "cpus");
    std::int64_t count = 0, product = 1;
    bool complete = true;
    for (const Pair key : {Pair{"cpus", "count"},
                           {"sockets", "sockets"},
                           {"dies", "dies"},
                           {"cores", "cores"},
                           {"threads", "threads"},
                           {"maxcpus", "max"}}) {
        const auto text = pairs.take(key.from);
        const Value value = text ? typed_value(key.from, *text, ValueFor::Qapi) : Value();
        if (key.to == "sockets" || key.to == "cores" || key.to == "threads") complete &= text.has_value();
        if (value.integer() == nullptr || *value.integer() <= 0) continue;
        if (key.to == "count") count = *value.integer();
        if (key.to != "count" && key.to != "max") product *= *value.integer();
        cpus_.set(std::string(key.to), {}, value);
    }
    // hw/core/machine-smp.c: a complete topology says how many there may be.
    if (complete && count > 0 && count < product && cpus_.find("max") == nullptr)
        cpus_.set("max", {}, Value(product, {}));
    leave_out_rest("-smp", pairs, "cpus has no such key");
}

void Translator::memory(const GivenOption& option) {
    constexpr std::uint64_t mebibyte = 1U << 20U;
    OptionPairs pairs = parse_pairs(option.argument, "size");
    if (const auto size = pairs.take("size")) {
        if (const auto bytes = option_size(*size, mebibyte))
            memory_ = *bytes;
        else
            leave_out(option.shown(), "this is no size");
    }
    pairs.take("slots");  // qvm has some wherever there is room
    if (const auto most = pairs.take("maxmem")) {
        if (const auto bytes = option_size(*most, mebibyte))
            memory_max_ = *bytes;
        else
            leave_out(option.shown(), "its maxmem is no size");
    }
    leave_out_rest("-m", pairs, "memory has no such key");
}

void Translator::name(const GivenOption& option) {
    OptionPairs pairs = parse_pairs(option.argument, "guest");
    if (const auto guest = pairs.take("guest"); guest && is_vm_name(*guest))
        draft_.set("name", Value(*guest, {}));
    else if (guest)
        leave_out("-name " + *guest, fmt::format("the VM takes the name of its file; {}", vm_name_rule));
    leave_out_rest("-name", pairs, "qvm names its processes");
}

void Translator::uuid(const GivenOption& option) {
    draft_.set("uuid", Value(option.argument, {}));
}

void Translator::kernel(const GivenOption& option) {
    kernel_.set(option.name == "kernel" ? "image" : option.name, {}, Value(option.argument, {}));
}

void Translator::bios(const GivenOption& option) {
    machine_properties_.set("firmware", {}, Value(option.argument, {}));
}

void Translator::data_directory(const GivenOption& option) {
    data_directories_.push_back(option.argument);
}

void Translator::sandbox(const GivenOption& option) {
    OptionPairs pairs = parse_pairs(option.argument, "enable");
    if (pairs.take_flag("enable").value_or(false)) jail_.set("qemu-sandbox", {}, Value(true, {}));
    leave_out_rest("-sandbox", pairs, "the jail's own filter is stricter");
}

void Translator::global(const GivenOption& option) {
    OptionPairs pairs = parse_pairs(option.argument, "");
    auto driver = pairs.take("driver"), property = pairs.take("property"), value = pairs.take("value");
    if (!driver && !pairs.empty()) {
        // driver.property=value
        const auto [key, text] = pairs.rest().front();
        const auto dot = key.rfind('.');
        if (dot != std::string::npos) {
            driver = key.substr(0, dot);
            property = key.substr(dot + 1);
            value = text;
        }
    }
    if (!driver || !property || !value) {
        leave_out(option.shown(), "this is not DRIVER.PROPERTY=VALUE");
        return;
    }
    draft_.at({"global", *driver}, option.shown())
        .put(*property, typed_value(*property, *value, ValueFor::Property));
}

void Translator::no_reboot(const GivenOption&) {
    lifecycle_.set("on-reboot", {}, Value(std::string("stop"), {}));
}

void Translator::action(const GivenOption& option) {
    OptionPairs pairs = parse_pairs(option.argument, "");
    const auto put = [&](const char* key, const char* word) {
        lifecycle_.set(key, {}, Value(std::string(word), {}));
    };
    if (const auto reboot = pairs.take("reboot")) put("on-reboot", *reboot == "shutdown" ? "stop" : "reset");
    if (const auto panic = pairs.take("panic")) put("on-crash", *panic == "pause" ? "pause" : "stop");
    if (const auto watchdog = pairs.take("watchdog")) watchdog_action_ = {*watchdog, option.shown()};
    leave_out_rest("-action", pairs, "lifecycle has no such key");
}

void Translator::watchdog(const GivenOption& option) {
    devices_.push_back({option.argument, "", option.shown(), {}});
}

void Translator::watchdog_action(const GivenOption& option) {
    watchdog_action_ = {option.argument, option.shown()};
}

/// A board's part that `-no-X` takes away.
void Translator::switch_off(const GivenOption& option) {
    machine_properties_.set(std::string(option.row->detail), {}, Value(false, {}));
}

void Translator::usb(const GivenOption&) {
    machine_properties_.set("usb", {}, Value(true, {}));
}

void Translator::usb_device(const GivenOption& option) {
    const auto driver = lookup(usb_devices, option.argument);
    constexpr std::string_view of_host = "host:";
    if (option.argument.starts_with(of_host)) {
        const auto which = option.argument.substr(of_host.size());
        const auto colon = which.find(':');
        Device device{"usb-host", "", option.shown(), {}};
        if (colon != std::string::npos) {
            device.properties.set("vendorid", {}, Value("0x" + which.substr(0, colon), {}));
            device.properties.set("productid", {}, Value("0x" + which.substr(colon + 1), {}));
        }
        devices_.push_back(std::move(device));
        return;
    }
    if (driver.empty()) {
        leave_out(option.shown(), "say it as a [device.X]");
        return;
    }
    machine_properties_.set("usb", {}, Value(true, {}));
    devices_.push_back({std::string(driver), "", option.shown(), {}});
}

void Translator::no_defaults(const GivenOption&) {
    defaults_ = false;
}

void Translator::write_qemu() {
    const bool own_path = binary_.find('/') != std::string::npos;
    const bool other = binary_.starts_with("qemu-system-") && binary_ != "qemu-system-x86_64";
    const bool named = binary_given_ && (own_path || other);
    if (named && data_directories_.empty()) draft_.set("qemu", Value(binary_, {}));
    if (data_directories_.empty()) return;
    Draft::Part& qemu = draft_.add({"qemu"});
    if (named) qemu.put("binary", binary_);
    qemu.put("data", array_of(data_directories_));
}

void Translator::write_machine() {
    Table machine;
    machine.set("type", {}, Value(machine_type_, {}));
    const Strings usual{"kvm", "tcg"};
    std::string comment;
    if (accels_.empty()) {
        accels_ = {"tcg"};
        comment = "QEMU's own default is tcg; without the key qvm takes KVM where it can";
    }
    if (accels_.size() == 1)
        machine.set("accel", {}, Value(accels_.front(), {}));
    else if (accels_ != usual)
        machine.set("accel", {}, Value(array_of(accels_), {}));
    merge(machine, machine_properties_);
    if (machine.entries().size() == 1)
        draft_.set("machine", Value(machine_type_, {}), comment);
    else
        draft_.set("machine", Value(std::move(machine), {}), comment);
}

void Translator::write_cpu() {
    // hw/i386: the processor of the pc machines.
    if (cpu_model_.empty() && machine_defaults().vga)
        cpu_model_ = binary_.ends_with("i386") ? "qemu32" : "qemu64";
    if (cpu_model_.empty()) return;
    if (cpu_properties_.empty()) {
        draft_.set("cpu", Value(cpu_model_, {}));
        return;
    }
    Draft::Part& part = draft_.add({"cpu"});
    part.put("model", cpu_model_);
    merge(part.members, cpu_properties_);
}

/// What fills the room is a device of the command line's own, if it comes at all.
void Translator::write_memory() {
    if (memory_max_ <= memory_) {
        draft_.set("memory", Value(format_size(memory_), {}));
        return;
    }
    Table memory;
    memory.set("size", {}, Value(format_size(memory_), {}));
    memory.set("max", {}, Value(format_size(memory_max_), {}));
    memory.set("via", {}, Value(std::string("none"), {}));
    draft_.set("memory", Value(std::move(memory), {}));
}

void Translator::write_settings() {
    write_qemu();
    write_memory();
    const Value* count = cpus_.find("count");
    if (count != nullptr && cpus_.entries().size() == 1)
        draft_.set("cpus", *count);
    else if (!cpus_.empty())
        draft_.set("cpus", Value(cpus_, {}));
    write_machine();
    write_cpu();
    if (!jail_.empty()) draft_.set("jail", Value(jail_, {}));
    if (!lifecycle_.empty()) draft_.set("lifecycle", Value(lifecycle_, {}));
    if (kernel_.find("image") != nullptr)
        draft_.add({"kernel"}).members = kernel_;
    else if (!kernel_.empty())
        leave_out("-append, -initrd or -dtb", "there is no -kernel to give it to");
    write_display();
    write_screen();
}

}  // namespace qvm::config
