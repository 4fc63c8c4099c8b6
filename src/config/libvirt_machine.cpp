// SPDX-License-Identifier: GPL-3.0-or-later
// What a domain says of the VM as a whole.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/libvirt_domain.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t bytes;
};
/// libvirt: virScaleInteger(); without a unit, memory counts in KiB.
constexpr auto units = std::to_array<Unit>({
    {"b", 1},
    {"bytes", 1},
    {"KB", 1000},
    {"k", 1ULL << 10U},
    {"KiB", 1ULL << 10U},
    {"MB", 1000'000},
    {"M", 1ULL << 20U},
    {"MiB", 1ULL << 20U},
    {"GB", 1000'000'000},
    {"G", 1ULL << 30U},
    {"GiB", 1ULL << 30U},
    {"TB", 1000'000'000'000},
    {"T", 1ULL << 40U},
    {"TiB", 1ULL << 40U},
});

/// Nothing if it is no size.
std::optional<std::uint64_t> bytes_of(const std::string& number, const std::string& unit) {
    const auto found = std::ranges::find(units, unit, &Unit::name);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (number.empty() || error != std::errc() || end != number.data() + number.size() ||
        found == units.end() || value > INT64_MAX / found->bytes)
        return std::nullopt;
    return value * found->bytes;
}

Value text_value(std::string text) {
    return {std::move(text), {}};
}

void put(Table& table, const char* key, Value value) {
    table.set(key, {}, std::move(value));
}

/// QEMU's properties have dashes where libvirt's names have underscores.
std::string property_name(std::string name) {
    std::ranges::replace(name, '_', '-');
    return name;
}

}  // namespace

void LibvirtDomain::basics() {
    const auto type = take(domain_, "type");
    take(domain_, "id");
    put(machine_, "accel", text_value(type == "kvm" ? "kvm" : "tcg"));
    if (auto name = text_of(domain_, "name")) {
        if (is_vm_name(*name))
            draft_.set("name", text_value(*name));
        else
            warn(fmt::format("name {}: the VM takes the name of its file; {}", *name, vm_name_rule));
    }
    if (auto uuid = text_of(domain_, "uuid")) draft_.set("uuid", text_value(*uuid));
    for (const char* words : {"title", "description"})
        if (auto text = text_of(domain_, words)) draft_.remark(fmt::format("{}: {}", words, *text));
    const Node os = see(domain_, "os");
    const Node machine = see(os, "type");
    arch_ = take(machine, "arch").value_or("x86_64");
    x86_ = arch_ == "x86_64" || arch_ == "i686";
    put(machine_, "type", text_value(take(machine, "machine").value_or(x86_ ? "pc" : "virt")));
    draft_.set("machine", Value(machine_, {}));  // its place; more of it comes
    emulator_ = text_of(domain_.child("devices"), "emulator").value_or("");
    const auto program = emulator_.substr(emulator_.rfind('/') + 1);
    const bool usual = program == "qemu-system-x86_64" || program == "kvm" || program == "qemu-kvm";
    if (!emulator_.empty() && !usual)
        draft_.set("qemu", text_value(emulator_));
    else if (!x86_)
        draft_.set("qemu", text_value("qemu-system-" + arch_));
}

void LibvirtDomain::memory() {
    const auto size_in = [&](const char* name) -> std::optional<std::uint64_t> {
        const Node node = see(domain_, name);
        if (!node) return std::nullopt;
        auto unit = take(node, "unit").value_or("KiB");
        const auto text = text_of(domain_, name).value_or("");
        const auto bytes = bytes_of(text, unit);
        if (!bytes) warn(fmt::format("{} {} {}: this is no size", name, text, unit));
        return bytes;
    };
    const auto size = size_in("memory");
    if (size) put(memory_, "size", text_value(format_size(*size)));
    if (const auto current = size_in("currentMemory"); current && size && *current < *size)
        balloon_size_ = *current;
    if (const auto max = size_in("maxMemory")) {
        put(memory_, "max", text_value(format_size(*max)));
        take(domain_.child("maxMemory"), "slots");
    }
    const Node backing = see(domain_, "memoryBacking");
    if (const Node pages = see(backing, "hugepages")) {
        const Node page = see(pages, "page");
        const auto bytes = bytes_of(take(page, "size").value_or(""), take(page, "unit").value_or("KiB"));
        put(memory_, "hugepages", bytes ? text_value(format_size(*bytes)) : Value(true, {}));
    }
    if (take(see(backing, "access"), "mode") == "shared") put(memory_, "share", Value(true, {}));
    if (take(see(backing, "allocation"), "mode") == "immediate") put(memory_, "prealloc", Value(true, {}));
    if (see(backing, "locked")) put(memory_, "lock", Value(true, {}));
    if (see(backing, "nosharepages")) put(machine_, "mem-merge", Value(false, {}));
    if (const Node source = backing.child("source");
        std::string_view(source.attribute("type").value()) == "memfd")
        drop(source);
    draft_.set("memory", memory_.entries().size() == 1 && memory_.find("size") != nullptr
                             ? *memory_.find("size")
                             : Value(memory_, {}));
}

void LibvirtDomain::processors() {
    const Node vcpu = see(domain_, "vcpu");
    std::int64_t most = 1;
    if (const auto text = text_of(domain_, "vcpu"); text && !text->empty())
        std::from_chars(text->data(), text->data() + text->size(), most);
    if (vcpu.attribute("placement") && std::string_view(vcpu.attribute("placement").value()) == "static")
        take(vcpu, "placement");
    const auto count = take_number(vcpu, "current").value_or(most);
    put(cpus_, "count", Value(count, {}));
    const Node topology = see(see(domain_, "cpu"), "topology");
    for (const char* part : {"sockets", "dies", "cores", "threads"})
        if (const auto number = take_number(topology, part)) put(cpus_, part, Value(*number, {}));
    if (std::string_view(topology.attribute("clusters").value()) == "1") take(topology, "clusters");
    if (count < most) put(cpus_, "max", Value(most, {}));

    const Node tune = see(domain_, "cputune");
    std::vector<std::string> pins(static_cast<std::size_t>(std::clamp<std::int64_t>(most, 1, 4096)), "any");
    bool pinned = false;
    // libvirt also knows "0-4,^3".
    const auto is_plain = [](const std::string& set) { return set.find('^') == std::string::npos; };
    if (is_plain(vcpu.attribute("cpuset").value()))
        if (const auto all = take(vcpu, "cpuset")) {
            std::ranges::fill(pins, *all);
            pinned = true;
        }
    for (Node pin : tune.children("vcpupin")) {
        if (!is_plain(pin.attribute("cpuset").value())) continue;
        see(pin);
        const auto which = take_number(pin, "vcpu");
        const auto where = take(pin, "cpuset");
        if (!which || !where || *which < 0 || static_cast<std::size_t>(*which) >= pins.size()) continue;
        pins[static_cast<std::size_t>(*which)] = *where;
        pinned = true;
    }
    if (pinned) {
        Array list;
        for (auto& pin : pins) list.emplace_back(Value::Data(std::move(pin)), Origin{});
        put(cpus_, "pin", Value(std::move(list), {}));
    }
    if (cpus_.entries().size() > 1)
        draft_.set("cpus", Value(cpus_, {}));
    else
        draft_.set("cpus", Value(count, {}));
    const auto iothreads = text_of(domain_, "iothreads").value_or("0");
    for (int i = 1; i <= std::min(std::atoi(iothreads.c_str()), 1024); ++i)
        draft_.add({"iothread", fmt::format("iothread{}", i)});
}

void LibvirtDomain::nodes() {
    const Node numa = see(see(domain_, "cpu"), "numa");
    std::int64_t next = 0;
    for (Node cell : numa.children("cell")) {
        see(cell);
        const auto id = take_number(cell, "id").value_or(next);
        next = id < INT64_MAX ? id + 1 : 0;
        auto& part = draft_.add({"numa", std::to_string(id)});
        if (std::string_view(cell.attribute("cpus").value()).find('^') == std::string_view::npos)
            if (auto cpus = take(cell, "cpus")) part.put("cpus", *cpus);
        const auto bytes = bytes_of(take(cell, "memory").value_or(""), take(cell, "unit").value_or("KiB"));
        if (bytes) part.put("memory", format_size(*bytes));
        if (std::string_view(cell.attribute("memAccess").value()) == "shared") {
            take(cell, "memAccess");
            put(memory_, "share", Value(true, {}));
            draft_.set("memory", Value(memory_, {}));
        }
    }
}

void LibvirtDomain::boot() {
    const Node os = see(domain_, "os");
    firmware(os);
    Table kernel;
    for (const auto& [name, key] :
         {std::pair{"kernel", "image"}, {"initrd", "initrd"}, {"cmdline", "append"}, {"dtb", "dtb"}})
        if (auto text = text_of(os, name)) put(kernel, key, text_value(*text));
    if (!kernel.empty()) draft_.add({"kernel"}).members = kernel;
    int place = 1;
    for (Node boot : os.children("boot")) {
        see(boot);
        if (auto device = take(boot, "dev")) boot_order_.emplace(*device, place++);
    }
    if (const Node menu = see(os, "bootmenu"); take_on(menu, "enable"))
        draft_.at({"option", "boot"}, "").put("menu", true);
}

void LibvirtDomain::firmware(Node os) {
    const bool automatic = take(os, "firmware") == "efi";
    const Node loader = see(os, "loader");
    const auto file = text_of(os, "loader").value_or("");
    const bool flash = take(loader, "type").value_or(automatic ? "pflash" : "rom") == "pflash";
    bool secure = take_on(loader, "secure");
    for (const char* attribute : {"readonly", "stateless", "format"}) take(loader, attribute);
    const Node wanted = see(os, "firmware");
    for (Node feature : wanted.children("feature")) {
        see(feature);
        const bool on = take_on(feature, "enabled");
        if (take(feature, "name") == "secure-boot" && on) secure = true;
    }
    const Node store = see(os, "nvram");
    const auto vars = text_of(os, "nvram").value_or("");
    for (const char* attribute : {"template", "templateFormat", "format"}) take(store, attribute);
    if (!automatic && !flash) {
        if (!file.empty()) put(machine_, "firmware", text_value(file));
        return;
    }
    if (!automatic && file.empty()) return;
    Table uefi;
    put(uefi, "type", text_value("uefi"));
    if (secure) put(uefi, "secure-boot", Value(true, {}));
    if (!vars.empty()) put(uefi, "vars", text_value(vars));
    std::string comment;
    if (!file.empty()) {
        comment = fmt::format(
            "loader {}: qvm finds the firmware through QEMU's descriptors; `qvm plan` shows which", file);
        warnings_.push_back(comment);
    }
    draft_.set("firmware", uefi.entries().size() == 1 ? text_value("uefi") : Value(std::move(uefi), {}),
               comment);
}

void LibvirtDomain::features() {
    const Node features = see(domain_, "features");
    if (x86_ && !see(features, "acpi")) put(machine_, "acpi", text_value("off"));
    for (const char* usual : {"apic", "pae"}) see(features, usual);
    if (take(see(features, "vmport"), "state") == "off") put(machine_, "vmport", text_value("off"));
    if (take(see(features, "smm"), "state") == "on") put(machine_, "smm", text_value("on"));
    if (take(see(features, "ioapic"), "driver") == "qemu")
        put(machine_, "kernel-irqchip", text_value("split"));
    if (auto version = take(see(features, "gic"), "version"))
        put(machine_, "gic-version", text_value(*version));
    if (take(see(features, "pmu"), "state") == "off") put(cpu_, "pmu", Value(false, {}));
    const Node kvm = see(features, "kvm");
    if (take(see(kvm, "hidden"), "state") == "on") put(cpu_, "kvm", Value(false, {}));
    if (take(see(kvm, "hint-dedicated"), "state") == "on") put(cpu_, "kvm-hint-dedicated", Value(true, {}));
    hyperv(see(features, "hyperv"));
}

void LibvirtDomain::hyperv(Node hyperv) {
    take(hyperv, "mode");
    constexpr auto plain =
        std::to_array<std::string_view>({"relaxed", "vapic", "vpindex", "runtime", "synic", "stimer", "reset",
                                         "frequencies", "reenlightenment", "tlbflush", "ipi", "evmcs"});
    for (Node child = hyperv.first_child(); child;) {
        const Node one = child;
        child = child.next_sibling();
        const std::string name = one.name();
        const bool on = std::string_view(one.attribute("state").value()) == "on";
        if (std::ranges::find(plain, name) != plain.end()) {
            if (on) put(cpu_, ("hv-" + name).c_str(), Value(true, {}));
        } else if (name == "spinlocks") {
            if (const auto retries = take_number(one, "retries"); on && retries)
                put(cpu_, "hv-spinlocks", Value(*retries, {}));
        } else if (name == "vendor_id") {
            if (const auto id = take(one, "value"); on && id) put(cpu_, "hv-vendor-id", text_value(*id));
        } else {
            continue;
        }
        see(one);
        take(one, "state");
        for (Node inner : one.children()) see(inner);
        take(one.child("direct"), "state");
    }
}

void LibvirtDomain::cpu() {
    const Node cpu = see(domain_, "cpu");
    const auto mode = take(cpu, "mode").value_or("custom");
    for (const char* attribute : {"match", "check"}) take(cpu, attribute);
    const Node model = see(cpu, "model");
    for (const char* attribute : {"fallback", "vendor_id"}) take(model, attribute);
    std::string name = text_of(cpu, "model").value_or("");
    see(cpu, "vendor");
    if (mode == "host-passthrough" || mode == "host-model") name = "host";
    if (mode == "maximum") name = "max";
    if (mode == "host-model")
        warn(
            "cpu mode='host-model': libvirt takes the named model that is nearest to the host's; here the "
            "guest has "
            "the host's own");
    if (const auto migratable = take(cpu, "migratable"))
        if (*migratable == "off") put(cpu_, "migratable", Value(false, {}));
    for (Node feature : cpu.children("feature")) {
        see(feature);
        const auto policy = take(feature, "policy").value_or("require");
        if (const auto which = take(feature, "name"))
            put(cpu_, property_name(*which).c_str(),
                Value(policy == "require" || policy == "force" || policy == "optional", {}));
    }
    if (const Node cache = cpu.child("cache");
        std::string_view(cache.attribute("mode").value()) == "passthrough") {
        put(cpu_, "host-cache-info", Value(true, {}));
        drop(cache);
    }
    if (name.empty() && x86_) name = arch_ == "i686" ? "qemu32" : "qemu64";  // libvirt leaves it to QEMU
    if (name.empty() && cpu_.empty()) return;
    if (cpu_.empty()) {
        draft_.set("cpu", text_value(name));
        return;
    }
    auto& part = draft_.add({"cpu"});
    if (!name.empty()) part.put("model", name);
    merge(part.members, cpu_);
}

void LibvirtDomain::clock() {
    const Node clock = see(domain_, "clock");
    Table rtc;
    const auto offset = take(clock, "offset").value_or("utc");
    if (offset == "localtime")
        put(rtc, "base", text_value("localtime"));
    else if (offset != "utc")
        warn(fmt::format("clock offset='{}': the guest's clock begins with UTC", offset));
    for (Node child = clock.child("timer"); child;) {
        const Node timer = child;
        child = child.next_sibling("timer");
        const std::string name = timer.attribute("name").value();
        const bool absent = std::string_view(timer.attribute("present").value()) == "no";
        const bool present = std::string_view(timer.attribute("present").value()) == "yes";
        const std::string_view policy = timer.attribute("tickpolicy").value();
        if (name == "rtc" && policy == "catchup")
            put(rtc, "driftfix", text_value("slew"));
        else if (name == "hpet" && (absent || present))
            put(machine_, "hpet", Value(present, {}));
        else if (name == "hypervclock" && present)
            put(cpu_, "hv-time", Value(true, {}));
        else if (name == "kvmclock" && absent)
            put(cpu_, "kvmclock", Value(false, {}));
        else if (!(name == "pit" && policy == "delay"))  // QEMU's own way
            continue;
        drop(timer);
    }
    if (rtc.entries().size() == 1 && rtc.find("base") != nullptr)
        draft_.set("rtc", *rtc.find("base"));
    else if (!rtc.empty())
        draft_.set("rtc", Value(std::move(rtc), {}));
}

void LibvirtDomain::lifecycle() {
    const auto take_action = [&](const char* name,
                                 std::initializer_list<std::pair<std::string_view, const char*>> words,
                                 const char* key) {
        const auto said = text_of(domain_, name);
        if (!said) return;
        for (const auto& [word, meaning] : words)
            if (*said == word) {
                if (*meaning != '\0') put(lifecycle_, key, text_value(meaning));
                return;
            }
        warn(fmt::format("{} {}: lifecycle has nothing like it", name, *said));
    };
    take_action("on_poweroff", {{"destroy", ""}}, "");
    take_action("on_reboot", {{"restart", ""}, {"destroy", "stop"}}, "on-reboot");
    take_action("on_crash", {{"destroy", ""}, {"restart", "restart"}, {"preserve", "pause"}}, "on-crash");
    if (!lifecycle_.empty()) draft_.set("lifecycle", Value(lifecycle_, {}));
    const Node pm = see(domain_, "pm");
    for (const auto& [name, property] :
         {std::pair{"suspend-to-mem", "disable_s3"}, {"suspend-to-disk", "disable_s4"}}) {
        const Node state = see(pm, name);
        const auto enabled = take(state, "enabled");
        const auto type = *machine_.find("type")->string();
        const std::string chipset = type.find("q35") != std::string::npos ? "ICH9-LPC" : "PIIX4_PM";
        if (enabled && x86_)
            draft_.at({"global", chipset}, "").put(property, std::int64_t{*enabled == "no" ? 1 : 0});
    }
}

void LibvirtDomain::command_line() {
    const Node more = see(domain_, "qemu:commandline");
    Array words;
    for (Node arg : more.children("qemu:arg")) {
        see(arg);
        if (auto value = take(arg, "value")) words.emplace_back(Value::Data(std::move(*value)), Origin{});
    }
    if (words.empty()) return;
    const std::string text =
        "qemu:commandline: words that nobody checks; `qvm import --argv` may know what they are";
    draft_.set("argv", Value(std::move(words), {}), text);
    warnings_.push_back(text);
}

}  // namespace qvm::config
