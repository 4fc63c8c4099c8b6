// SPDX-License-Identifier: GPL-3.0-or-later
// All that lowering decides, as JSON to compare: everything of a Vm but origins and who made what.
#pragma once
#include "base/json.hpp"
#include "config/resource.hpp"

namespace qvm::config {

inline Json uses_json(const std::vector<HostUse>& uses) {
    Json list = Json::array();
    for (const auto& use : uses) {
        Json one = Json::object();
        one["member"] = use.member;
        one["entrance"] = static_cast<int>(use.entrance);
        one["access"] = static_cast<int>(use.access);
        one["path"] = use.path.string();
        one["host"] = use.host;
        list.push_back(std::move(one));
    }
    return list;
}

inline Json named_json(const std::vector<NamedTable>& tables) {
    Json list = Json::array();
    for (const auto& table : tables)
        list.push_back(
            Json::array({Json(table.name), to_json(table.properties), uses_json(table.host_uses)}));
    return list;
}

inline Json limits_json(const Limits& limits) {
    Json json = Json::array();
    for (const auto& limit : {limits.memory, limits.cpu, limits.pids, limits.io_read, limits.io_write})
        json.push_back(limit ? Json(limit->value) : Json());
    return json;
}

inline Json settings_json(const Vm& vm) {
    Json json = Json::object();
    json["name"] = vm.name.value;
    json["machine"] = vm.machine.type.value;
    json["accel"] = vm.machine.accel.value;
    json["machine properties"] = to_json(vm.machine.properties);
    json["machine uses"] = uses_json(vm.machine.host_uses);
    json["cpu"] = vm.cpu.model.value;
    json["cpu properties"] = to_json(vm.cpu.properties);
    json["smp"] = {vm.smp.cpus, vm.smp.sockets, vm.smp.dies, vm.smp.cores, vm.smp.threads, vm.smp.maxcpus};
    json["memory"] = vm.memory.value;
    if (vm.memory_max) json["memory max"] = vm.memory_max->value;
    if (vm.uuid) json["uuid"] = vm.uuid->value;
    json["ports"] = vm.spare_pcie_ports.value;
    for (const auto& link : vm.links_down) json["links-down"].push_back(link.value);
    json["stop-timeout"] = vm.lifecycle.stop_timeout.value.count();
    json["on-reboot"] = static_cast<int>(vm.lifecycle.on_reboot.value);
    json["on-crash"] = static_cast<int>(vm.lifecycle.on_crash.value);
    json["on-helper-death"] = static_cast<int>(vm.lifecycle.on_helper_death.value);
    json["on-supervisor-death"] = static_cast<int>(vm.lifecycle.on_supervisor_death.value);
    for (const auto& hook : vm.lifecycle.hooks) json["hooks"][std::string(word_of(hook.event))] = hook.argv;
    json["jail"] = static_cast<int>(vm.jail_mode.value);
    json["cgroup"] = static_cast<int>(vm.jail.cgroup.value);
    json["jail root"] = static_cast<int>(vm.jail.root.value);
    json["jail net"] = static_cast<int>(vm.jail.net.value);
    if (vm.jail.user) json["jail user"] = vm.jail.user->value;
    if (vm.jail.uid_range) json["uids"] = {vm.jail.uid_range->value.first, vm.jail.uid_range->value.last};
    json["io-uring"] = vm.jail.io_uring.value;
    json["sandbox"] = vm.jail.qemu_sandbox.value;
    json["limits"] = limits_json(vm.limits);
    json["attach"] = word_of(vm.attach_allow.value);
    json["console"] = vm.console;
    return json;
}

inline Json kernel_json(const Kernel& kernel) {
    Json json = Json::object();
    json["image"] = kernel.image.value.string();
    json["initrd"] = kernel.initrd ? kernel.initrd->value.string() : "";
    json["dtb"] = kernel.dtb ? kernel.dtb->value.string() : "";
    json["append"] = kernel.append.value;
    return json;
}

inline Json qemu_json(const QemuBinary& qemu) {
    Json json = Json::object();
    json["binary"] = qemu.binary.value;
    json["loader"] = qemu.loader.string();
    json["module-dir"] = qemu.module_dir.string();
    for (const auto& path : qemu.library_path) json["library-path"].push_back(path.string());
    for (const auto& path : qemu.data) json["data"].push_back(path.string());
    return json;
}

inline Json vm_json(const Vm& vm) {
    Json json = settings_json(vm);
    if (vm.kernel) json["kernel"] = kernel_json(*vm.kernel);
    json["qemu"] = qemu_json(vm.qemu);
    json["globals"] = named_json(vm.globals);
    json["options"] = named_json(vm.options);
    for (const auto& resource : vm.resources)
        json["resources"].push_back(Json::array(
            {Json(resource.id.to_string()), to_json(resource.properties), uses_json(resource.host_uses)}));
    return json;
}

}  // namespace qvm::config
