// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/dump.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/cpu_list.hpp"
#include "config/sugar_pins.hpp"
#include "config/toml_text.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;

std::string header(std::string_view table, std::string_view id) {
    return fmt::format("\n[{}.{}]\n", table, toml_key(id));
}

std::string line(std::string_view key, const std::string& text) {
    return fmt::format("{} = {}\n", key, toml_string(text));
}

std::string strings(const std::vector<std::string>& list) {
    std::string text;
    for (const auto& item : list) text += (text.empty() ? "" : ", ") + toml_string(item);
    return '[' + text + ']';
}

std::string strings(const std::vector<fs::path>& list) {
    return strings(std::vector<std::string>(list.begin(), list.end()));
}

std::string creation_text(const Resource& node) {
    std::string text = node.ephemeral ? "ephemeral = true\n" : "";
    if (!node.create) return text;
    return text +
           (node.create->value == 0 ? "create = true\n" : line("create", format_size(node.create->value)));
}

std::string machine_text(const Machine& machine) {
    std::string text = "\n[machine]\n" + line("type", machine.type.value);
    text += fmt::format("accel = {}\n", strings(machine.accel.value));
    return text + toml_lines(machine.properties);
}

std::string kernel_text(const Kernel& kernel) {
    std::string text = "\n[kernel]\n" + line("image", kernel.image.value);
    if (kernel.initrd) text += line("initrd", kernel.initrd->value);
    if (kernel.dtb) text += line("dtb", kernel.dtb->value);
    if (!kernel.append.value.empty()) text += line("append", kernel.append.value);
    return text;
}

std::string lifecycle_text(const Lifecycle& lifecycle) {
    const auto text =
        fmt::format("\n[lifecycle]\nstop-timeout = \"{}\"\non-reboot = \"{}\"\non-crash = \"{}\"\n",
                    format_duration(lifecycle.stop_timeout.value), word_of(lifecycle.on_reboot.value),
                    word_of(lifecycle.on_crash.value));
    // Records of VMs that run know nothing of newer keys: what is usual is not said.
    const auto death = lifecycle.on_supervisor_death.value;
    std::string more;
    if (death != OnSupervisorDeath::Keep) more = line("on-supervisor-death", std::string(word_of(death)));
    const auto helper = lifecycle.on_helper_death.value;
    if (helper != OnHelperDeath::Report) more += line("on-helper-death", std::string(word_of(helper)));
    for (const auto& hook : lifecycle.hooks)
        more += fmt::format("hooks.{} = {}\n", word_of(hook.event), strings(hook.argv));
    return text + more;
}

/// What a jail is made of, and what it lets QEMU have.
std::string jail_more_text(const JailOptions& jail) {
    std::string text;
    if (jail.root.value == JailRoot::Files) text += ", root = \"files\"";
    if (jail.net.value == JailNet::Host) text += ", net = \"host\"";
    if (jail.user) text += fmt::format(", user = {}", toml_string(jail.user->value));
    if (jail.uid_range)
        text +=
            fmt::format(", uid-range = \"{}-{}\"", jail.uid_range->value.first, jail.uid_range->value.last);
    if (jail.io_uring.value) text += ", io-uring = true";
    if (jail.qemu_sandbox.value) text += ", qemu-sandbox = true";
    return text;
}

std::string jail_text(const Vm& vm) {
    std::string text = fmt::format("mode = \"{}\"", word_of(vm.jail_mode.value));
    if (vm.jail.landlock.value != JailLandlock::Auto)
        text += fmt::format(", landlock = \"{}\"", word_of(vm.jail.landlock.value));
    if (vm.jail.on_violation.value != JailViolation::Errno)
        text += fmt::format(", on-violation = \"{}\"", word_of(vm.jail.on_violation.value));
    if (!vm.jail.binds_ro.empty()) {
        std::vector<std::string> paths;
        for (const auto& bind : vm.jail.binds_ro) paths.push_back(bind.value.string());
        text += fmt::format(", binds-ro = {}", strings(paths));
    }
    if (vm.jail.cgroup.value != JailCgroup::Auto)
        text += fmt::format(", cgroup = \"{}\"", word_of(vm.jail.cgroup.value));
    text += jail_more_text(vm.jail);
    return fmt::format("jail = {{ {} }}\n", text);
}

std::string qemu_text(const QemuBinary& qemu) {
    std::string text;
    if (!qemu.binary.value.empty()) text += line("binary", qemu.binary.value);
    if (!qemu.loader.empty()) text += line("loader", qemu.loader);
    if (!qemu.library_path.empty()) text += fmt::format("library-path = {}\n", strings(qemu.library_path));
    if (!qemu.module_dir.empty()) text += line("module-dir", qemu.module_dir);
    if (!qemu.data.empty()) text += fmt::format("data = {}\n", strings(qemu.data));
    return text.empty() ? text : "\n[qemu]\n" + text;
}

std::string limits_text(const Limits& limits) {
    constexpr double thousandths = 1000;
    std::string text;
    const auto size = [](std::string_view key, const Setting<std::uint64_t>& limit) {
        return fmt::format("{} = \"{}\"\n", key, format_size(limit.value));
    };
    if (limits.memory) text += size("memory", *limits.memory);
    if (limits.cpu) text += fmt::format("cpu = {}\n", static_cast<double>(limits.cpu->value) / thousandths);
    if (limits.pids) text += fmt::format("pids = {}\n", limits.pids->value);
    if (limits.io_read) text += size("io.read", *limits.io_read);
    if (limits.io_write) text += size("io.write", *limits.io_write);
    return text.empty() ? text : "\n[limits]\n" + text;
}

std::string option_text(const NamedTable& option, const Vm& vm) {
    const bool several = std::ranges::count(vm.options, option.name, &NamedTable::name) > 1;
    const std::string path = "[option." + toml_key(option.name) + ']';
    return '\n' + (several ? '[' + path + ']' : path) + '\n' + toml_lines(option.properties);
}

std::string command_text(const StartCommand& command) {
    std::string text = "\n[[qmp]]\n";
    if (command.at.value != CommandAt::PreStart) text += line("at", std::string(word_of(command.at.value)));
    text += line("execute", command.execute.value);
    if (!command.arguments.empty())
        text += fmt::format("arguments = {}\n", toml_value({command.arguments, command.origin}));
    return text;
}

/// The devices that fill the room are resources like any other.
std::string memory_text(const Vm& vm) {
    const auto size = format_size(vm.memory.value);
    if (!vm.memory_max) return line("memory", size);
    return fmt::format("memory = {{ size = \"{}\", max = \"{}\", via = \"{}\" }}\n", size,
                       format_size(vm.memory_max->value), vm.memory_in_dimms ? "dimm" : "none");
}

std::string cpus_text(const Smp& smp) {
    std::vector<std::string> pins;
    for (const auto& pin : smp.pins)
        pins.push_back(pin.cpus.empty() ? std::string(anywhere) : cpu_list(pin.cpus));
    return fmt::format(
        "cpus = {{ count = {}, sockets = {}, dies = {}, cores = {}, threads = {}, max = {}{} }}\n", smp.cpus,
        smp.sockets, smp.dies, smp.cores, smp.threads, smp.maxcpus,
        pins.empty() ? std::string() : fmt::format(", pin = {}", strings(pins)));
}

std::string settings_text(const Vm& vm) {
    std::string text = "defaults = false\n" + line("name", vm.name.value);
    text += memory_text(vm);
    text += cpus_text(vm.smp);
    if (vm.uuid) text += line("uuid", vm.uuid->value);
    if (!vm.links_down.empty()) {
        std::vector<std::string> ids;
        for (const auto& link : vm.links_down) ids.push_back(link.value);
        text += fmt::format("link-down = {}\n", strings(ids));
    }
    if (!vm.argv.empty()) {
        std::vector<std::string> words;
        for (const auto& word : vm.argv) words.push_back(word.value);
        text += fmt::format("argv = {}\n", strings(words));
    }
    text += fmt::format("hotplug = {{ pcie-ports = {}{} }}\n", vm.spare_pcie_ports.value,
                        vm.usb_hotplug.value ? ", usb = true" : "");
    text += jail_text(vm);
    if (vm.attach_allow.value != AttachAllow::Operate)
        text += fmt::format("attach = {{ allow = \"{}\" }}\n", word_of(vm.attach_allow.value));
    text += machine_text(vm.machine);
    text += "\n[cpu]\n" + line("model", vm.cpu.model.value) + toml_lines(vm.cpu.properties);
    if (vm.kernel) text += kernel_text(*vm.kernel);
    return text + lifecycle_text(vm.lifecycle) + limits_text(vm.limits) + qemu_text(vm.qemu);
}

/// Tables that hold only tables need no header of their own. Each header follows an empty line.
std::string document_tables(const std::string& path, const Table& table) {
    std::string lines;
    std::string below;
    for (const auto& entry : table.entries()) {
        const std::string inner_path = path.empty() ? toml_key(entry.key) : path + '.' + toml_key(entry.key);
        const Table* inner = entry.value.table();
        if (inner != nullptr)
            below += document_tables(inner_path, *inner);
        else
            lines += fmt::format("{} = {}\n", toml_key(entry.key), toml_value(entry.value));
    }
    const bool needs_header = !path.empty() && (!lines.empty() || below.empty());
    return (needs_header ? fmt::format("\n[{}]\n", path) : std::string()) + lines + below;
}

void origin_lines(const std::string& path, const Value& value, std::string& out) {
    const Table* table = value.table();
    if (table == nullptr || table->empty()) {
        out += fmt::format("{:<40} # {}\n", fmt::format("{} = {}", path, escape_controls(toml_value(value))),
                           value.origin.to_string());
        return;
    }
    for (const auto& entry : table->entries())
        origin_lines(path.empty() ? toml_key(entry.key) : path + '.' + toml_key(entry.key), entry.value, out);
}

}  // namespace

std::string settings_to_toml(const Vm& vm) {
    std::string text = settings_text(vm);
    for (const auto& global : vm.globals)
        text += header("global", global.name) + toml_lines(global.properties);
    for (const auto& option : vm.options) text += option_text(option, vm);
    for (const auto& command : vm.commands) text += command_text(command);
    return text;
}

std::string to_toml(const Resource& resource) {
    const Table* table = resource.properties.table();
    return header(table_name(resource.id.kind), resource.id.id) +
           (table == nullptr ? std::string() : toml_lines(*table)) +
           (resource.grow_to ? line("grow-to", format_size(resource.grow_to->value)) : std::string()) +
           creation_text(resource) +
           (resource.copy_of ? line("copy-of", resource.copy_of->value.string()) : std::string());
}

std::string to_toml(const Vm& vm) {
    std::string text = settings_to_toml(vm);
    for (const auto& resource : vm.resources) text += to_toml(resource);
    return text;
}

std::string to_toml(const Document& document) {
    const Table* root = document.root.table();
    const std::string text = root == nullptr ? std::string() : document_tables({}, *root);
    return text.starts_with('\n') ? text.substr(1) : text;
}

std::string origins_text(const Document& document) {
    std::string text;
    origin_lines({}, document.root, text);
    return text;
}

}  // namespace qvm::config
