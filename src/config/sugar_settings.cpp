// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_settings.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/stable.hpp"
#include "config/sugar_jail.hpp"
#include "config/sugar_limits.hpp"
#include "config/sugar_memory.hpp"
#include "config/sugar_numa.hpp"
#include "config/sugar_pins.hpp"
#include "config/sugar_smp.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;

/// The nearest name that would do.
std::string proposal(std::string_view name) {
    std::string fit;
    for (const char c : name) {
        if (c >= 'A' && c <= 'Z')
            fit += static_cast<char>(c - 'A' + 'a');
        else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            fit += c;
        else if (!fit.empty() && fit.back() != '-')
            fit += '-';
    }
    if (fit.empty() || fit[0] < 'a' || fit[0] > 'z') fit = "vm-" + fit;
    fit = fit.substr(0, longest_vm_name);
    while (fit.ends_with('-')) fit.pop_back();
    return fit;
}

void lower_name(Lowering& lowering, const Document& document) {
    Vm& vm = lowering.vm();
    std::string rule(vm_name_rule);
    if (const Value* name = lowering.root().find("name")) {
        if (name->string() == nullptr) return;
        vm.name = {*name->string(), name->origin};
        if (!is_vm_name(vm.name.value))
            lowering.report(DiagnosticKind::BadValue, name->origin,
                            fmt::format("'{}' cannot be the name of a VM", vm.name.value), {std::move(rule)},
                            fmt::format("perhaps \"{}\"", proposal(vm.name.value)));
        return;
    }
    if (document.files.empty()) {
        lowering.report(DiagnosticKind::Missing, {}, "the VM has no name", {"say name = \"..\""});
        return;
    }
    vm.name.value = document.name();
    if (is_vm_name(vm.name.value)) return;
    const Origin file{std::make_shared<const std::string>(document.names.front().first), 0, 0, 0, nullptr};
    lowering.report(
        DiagnosticKind::BadValue, file,
        fmt::format("'{}', from the file's path, cannot be the name of a VM", vm.name.value),
        {fmt::format("say name = \"{}\" at the top of the file", proposal(vm.name.value)), std::move(rule)});
}

/// All members of an open table that are QEMU's: without the language's own keys.
Table qemus_own(const Item& item, std::initializer_list<std::string_view> ours) {
    Table rest = *item.table;
    for (const auto key : ours) rest.erase(key);
    return rest;
}

void lower_machine(Lowering& lowering) {
    const auto item = lowering.single("machine");
    if (!item) return;
    Machine& machine = lowering.vm().machine;
    if (const auto type = item->text("type")) machine.type = {*type, item->origin_of("type")};
    if (const Value* accel = item->value("accel")) {
        machine.accel = {{}, accel->origin};
        if (const auto* one = accel->string()) machine.accel.value.push_back(*one);
        if (const auto* list = accel->array())
            for (const auto& name : *list) machine.accel.value.push_back(*name.string());
        if (machine.accel.value.empty())
            lowering.report(DiagnosticKind::BadValue, accel->origin, "machine.accel names no accelerator",
                            {"for example accel = [\"kvm\", \"tcg\"]"});
    }
    machine.properties = qemus_own(*item, {"type", "accel"});
}

void lower_cpu(Lowering& lowering) {
    const auto item = lowering.single("cpu");
    if (!item) return;
    Cpu& cpu = lowering.vm().cpu;
    if (const auto model = item->text("model")) cpu.model = {*model, item->origin_of("model")};
    cpu.properties = qemus_own(*item, {"model"});
    std::vector<std::string> dotted;
    for (const auto& entry : cpu.properties.entries()) {
        const Table* inner = entry.value.table();
        if (inner == nullptr) continue;
        dotted.push_back(entry.key);
        const std::string key = inner->empty() ? entry.key : entry.key + '.' + inner->entries().front().key;
        lowering.report(
            DiagnosticKind::BadType, entry.key_origin,
            fmt::format("cpu.{} is a table, but no CPU property is", entry.key),
            {fmt::format("TOML takes a dot in a key for a table: write \"{}\" = true, with the quotes",
                         key)});
    }
    for (const auto& key : dotted) cpu.properties.erase(key);
}

Setting<fs::path> path_setting(const Lowering& lowering, const Value& value) {
    return {lowering.absolute(value), value.origin};
}

void lower_kernel(Lowering& lowering) {
    const auto item = lowering.single("kernel");
    if (!item) return;
    if (!item->says("image")) {
        lowering.report(DiagnosticKind::Missing, item->origin, "kernel has no image",
                        {"say image = \"PATH\", the kernel to boot"});
        return;
    }
    Kernel kernel;
    if (const Value* image = item->value("image")) kernel.image = path_setting(lowering, *image);
    if (const Value* initrd = item->value("initrd")) kernel.initrd = path_setting(lowering, *initrd);
    if (const Value* dtb = item->value("dtb")) kernel.dtb = path_setting(lowering, *dtb);
    if (const auto append = item->text("append")) kernel.append = {*append, item->origin_of("append")};
    lowering.vm().kernel = std::move(kernel);
}

void lower_firmware(Lowering& lowering) {
    const auto item = lowering.single("firmware");
    if (!item) return;
    Firmware firmware;
    firmware.origin = item->origin;
    item->choose("type", firmware.type);
    if (const auto secure = item->flag("secure-boot"))
        firmware.secure_boot = {*secure, item->origin_of("secure-boot")};
    if (const Value* vars = item->value("vars")) firmware.vars = path_setting(lowering, *vars);
    const bool uefi = firmware.type.value == FirmwareType::Uefi;
    if (!item->says("type"))
        lowering.report(DiagnosticKind::Missing, item->origin, "firmware has no type",
                        {"say type = \"uefi\""});
    else if (item->text("type") && !uefi)
        for (const auto* key : {"secure-boot", "vars"})
            if (item->says(key))
                lowering.report(DiagnosticKind::Conflict, item->origin_of(key),
                                fmt::format("firmware.{} goes with type = \"uefi\" only", key),
                                {"say type = \"uefi\", or leave it out"});
    for (const auto& property : lowering.vm().machine.properties.entries())
        if (uefi && (property.key == "pflash0" || property.key == "pflash1" || property.key == "firmware"))
            lowering.report(
                DiagnosticKind::Conflict, property.key_origin,
                fmt::format("firmware = \"uefi\" sets machine.pflash0 and pflash1 itself, beside {}",
                            property.key),
                {"leave one of the two out"});
    lowering.vm().firmware = std::move(firmware);
}

/// A program is a name, or a path from the file that says it.
std::string program_of(const Lowering& lowering, const Value& program) {
    const std::string& name = *program.string();
    const bool is_path = name.find('/') != std::string::npos || name.starts_with('~');
    return is_path ? lowering.absolute(program).string() : name;
}

void lower_hook(Lowering& lowering, const Table& hooks, HookEvent event) {
    const Value* said = hooks.find(word_of(event));
    if (said == nullptr || said->array() == nullptr) return;
    Hook hook{event, {}, said->origin};
    for (const auto& word : *said->array()) {
        if (word.string() == nullptr) return;
        hook.argv.push_back(hook.argv.empty() ? program_of(lowering, word) : *word.string());
    }
    if (!hook.argv.empty() && !hook.argv[0].empty()) {
        lowering.vm().lifecycle.hooks.push_back(std::move(hook));
        return;
    }
    lowering.report(
        DiagnosticKind::BadValue, said->origin,
        fmt::format("lifecycle.hooks.{} names no program", word_of(event)),
        {"it is a list of a program and its arguments, for example [\"./notify\", \"web\"]; no shell "
         "looks at it"});
}

void lower_lifecycle(Lowering& lowering) {
    const auto item = lowering.single("lifecycle");
    if (!item) return;
    Lifecycle& lifecycle = lowering.vm().lifecycle;
    if (const auto timeout = item->number("stop-timeout"))
        lifecycle.stop_timeout = {std::chrono::milliseconds(*timeout), item->origin_of("stop-timeout")};
    item->choose("on-reboot", lifecycle.on_reboot);
    item->choose("on-crash", lifecycle.on_crash);
    item->choose("on-supervisor-death", lifecycle.on_supervisor_death);
    item->choose("on-helper-death", lifecycle.on_helper_death);
    if (const Table* hooks = item->inner("hooks"))
        for (const auto event : {HookEvent::Started, HookEvent::Stopped, HookEvent::Crashed})
            lower_hook(lowering, *hooks, event);
}

std::vector<fs::path> path_list(const Lowering& lowering, const Value* value) {
    std::vector<fs::path> paths;
    if (value != nullptr && value->is_string()) paths.push_back(lowering.absolute(*value));
    if (value != nullptr && value->array() != nullptr)
        for (const auto& path : *value->array()) paths.push_back(lowering.absolute(path));
    return paths;
}

void lower_qemu(Lowering& lowering) {
    const auto item = lowering.single("qemu");
    if (!item) return;
    QemuBinary& qemu = lowering.vm().qemu;
    if (const Value* binary = item->value("binary"))
        qemu.binary = {program_of(lowering, *binary), binary->origin};
    if (const Value* loader = item->value("loader")) qemu.loader = lowering.absolute(*loader);
    if (const Value* modules = item->value("module-dir")) qemu.module_dir = lowering.absolute(*modules);
    qemu.library_path = path_list(lowering, item->value("library-path"));
    qemu.data = path_list(lowering, item->value("data"));
}

void lower_hotplug(Lowering& lowering) {
    Vm& vm = lowering.vm();
    if (!lowering.defaults()) vm.spare_pcie_ports.value = 0;
    const auto hotplug = lowering.single("hotplug");
    if (!hotplug) return;
    if (const auto ports = hotplug->number("pcie-ports"))
        vm.spare_pcie_ports = {static_cast<unsigned>(*ports), hotplug->origin_of("pcie-ports")};
    if (const auto usb = hotplug->flag("usb")) vm.usb_hotplug = {*usb, hotplug->origin_of("usb")};
}

/// Without '.', '..' and a slash at its end.
std::filesystem::path plain_path(const std::filesystem::path& path) {
    const auto normal = path.lexically_normal();
    return normal.has_filename() ? normal : normal.parent_path();
}

void lower_jail(Lowering& lowering) {
    Vm& vm = lowering.vm();
    const auto jail = lowering.single("jail");
    if (!jail) return;
    jail->choose("mode", vm.jail_mode);
    jail->choose("landlock", vm.jail.landlock);
    jail->choose("on-violation", vm.jail.on_violation);
    if (const Value* binds = jail->value("binds-ro"); binds != nullptr && binds->array() != nullptr)
        for (const auto& path : *binds->array())
            vm.jail.binds_ro.push_back({plain_path(lowering.absolute(path)), path.origin});
    jail->choose("cgroup", vm.jail.cgroup);
    lower_jail_more(lowering, *jail);
}

/// Text in the one form that QEMU takes: 8-4-4-4-12 hexadecimal digits.
bool is_uuid(std::string_view text) {
    constexpr std::size_t length = 36;
    if (text.size() != length) return false;
    for (std::size_t i = 0; i < length; ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        const char c = text[i];
        const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (dash ? c != '-' : !hex) return false;
    }
    return true;
}

void lower_uuid(Lowering& lowering) {
    Vm& vm = lowering.vm();
    const Value* said = lowering.root().find("uuid");
    if (said != nullptr && said->string() != nullptr) {
        vm.uuid = {*said->string(), said->origin};
        if (!is_uuid(*said->string()))
            lowering.report(
                DiagnosticKind::BadValue, said->origin, fmt::format("'{}' is not a UUID", *said->string()),
                {fmt::format("for example uuid = \"{}\"; without it, one is made of the VM's name",
                             stable_uuid(vm.name.value))});
        return;
    }
    const bool wanted =
        said != nullptr && said->boolean() != nullptr ? *said->boolean() : lowering.defaults();
    if (wanted) vm.uuid = {stable_uuid(vm.name.value), said != nullptr ? said->origin : Origin{}};
}

void lower_attach(Lowering& lowering) {
    if (const auto attach = lowering.single("attach")) attach->choose("allow", lowering.vm().attach_allow);
}

}  // namespace

void lower_settings(Lowering& lowering, const Document& document) {
    lower_name(lowering, document);
    lower_uuid(lowering);
    lower_machine(lowering);
    lower_cpu(lowering);
    lower_smp(lowering);
    lower_pins(lowering);
    lower_memory(lowering);
    lower_numa(lowering);
    lower_kernel(lowering);
    lower_firmware(lowering);
    lower_lifecycle(lowering);
    lower_qemu(lowering);
    lower_hotplug(lowering);
    lower_jail(lowering);
    lower_limits(lowering);
    lower_attach(lowering);
}

}  // namespace qvm::config
