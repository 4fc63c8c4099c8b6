// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/compile.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "config/host_uses.hpp"
#include "launch/argv.hpp"
#include "launch/client_door.hpp"
#include "launch/command_line.hpp"
#include "launch/host_action.hpp"
#include "launch/memory_parts.hpp"
#include "launch/new_image.hpp"
#include "launch/placement.hpp"
#include "launch/socket_place.hpp"

namespace qvm::launch {
namespace {

using config::Entrance;
using config::HostUse;
using config::Kind;
using config::Resource;
using config::ResourceId;

/// 0 to 2 are the standard ones, and single digits are left to whoever debugs.
constexpr int first_inherited_number = 10;

constexpr auto monitor_name = "monitor";
/// A dot, because no sugar makes it, and users' own names rarely begin so.
constexpr auto monitor_chardev = "qvm.monitor";

/// Option groups whose option is called otherwise (query-command-line-options, QEMU 7.2 to 11.1).
const std::map<std::string, std::string, std::less<>> option_names{
    {"boot-opts", "boot"},
    {"memory", "m"},
    {"smp-opts", "smp"},
    {"acpi", "acpitable"},
};

std::string text_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// The member of `arguments` that a use stands in.
Json& at(Json& arguments, const std::vector<std::string>& member) {
    Json* here = &arguments;
    for (const auto& name : member) here = here->is_array() ? &here->at(std::stoul(name)) : &here->at(name);
    return *here;
}

/// Does the block node that names its file in `member` open it with O_DIRECT? Inline children inherit that
/// (bdrv_inherited_options); from 10.0 on QEMU takes only a descriptor that was opened alike.
bool bypasses_cache(const Json& blockdev, const std::vector<std::string>& member) {
    const Json* node = &blockdev;
    bool direct = false;
    for (const auto& name : member) {
        if (node->is_object() && node->contains("cache")) direct = node->at("cache").value("direct", direct);
        node = node->is_array() ? &node->at(std::stoul(name)) : &node->at(name);
    }
    return direct;
}

class Compiler {
  public:
    Compiler(const config::Vm& vm, const qapi::Capabilities& qemu, const std::string& accel)
        : vm_(vm), qemu_(qemu), accel_(accel), command_line_(vm, qemu) {}

    Plan run() {
        basics();
        monitor();
        kernel();
        tables();
        for (const auto& resource : vm_.resources) {
            if (resource.id.kind == Kind::Host) continue;
            if (command_line_.has(resource.id))
                resource_on_command_line(resource);
            else
                resource_by_qmp(resource);
        }
        for (const auto& resource : vm_.resources) grow(resource);
        for (const auto& resource : vm_.resources)
            if (is_door(resource))
                host_step({{}, Entrance::Getfd, config::Access::ReadWrite, {}, resource.id.id, {}},
                          resource.id, resource.id.to_string());
        begin();
        // Behind all that qvm says, so that it can be overruled.
        for (const auto& word : vm_.argv) argv({word.value}, word.origin);
        return finished();
    }

    std::vector<Step> additions(const std::set<ResourceId>& which, const FdsetsInUse& fdsets) {
        running_ = true;
        next_fdset_ = fdsets.next;
        fdsets_ = fdsets.named;
        for (const auto& resource : vm_.resources)
            if (resource.id.kind != Kind::Host && which.contains(resource.id)) resource_by_qmp(resource);
        for (const auto& resource : vm_.resources)
            if (which.contains(resource.id)) grow(resource);
        return finished().steps;
    }

  private:
    Plan finished() {
        Plan plan{vm_.name.value, accel_, std::move(host_)};
        for (auto* part : {&jail_, &argv_, &qmp_}) std::ranges::move(*part, std::back_inserter(plan.steps));
        return plan;
    }

    void basics();
    void monitor();
    void kernel();
    void tables();
    void begin();
    void start_commands(config::CommandAt at);

    void argv(std::vector<std::string> words, const Origin& origin = {}, const ResourceId& resource = {}) {
        argv_.push_back({ArgvStep{std::move(words)}, resource, origin});
    }
    void qmp(std::string command, Json arguments, const Resource* resource = nullptr, std::string fd = {}) {
        qmp_.push_back({QmpStep{std::move(command), std::move(arguments), std::move(fd)},
                        resource == nullptr ? ResourceId{} : resource->id,
                        resource == nullptr ? Origin{} : resource->origin});
    }

    void resource_on_command_line(const Resource& resource);
    void resource_by_qmp(const Resource& resource);
    void grow(const Resource& resource);
    /// The arguments with their id, and with the descriptors of this host in place of what the user named.
    Json complete_arguments(const Resource& resource, Placement placement);
    void bring_in(const Resource& resource, const HostUse& use, Placement placement, Json& member);
    std::string host_step(const Resource& resource, const HostUse& use);
    std::string place_socket(const Resource& resource, const HostUse& use);
    /// Of a [host.X], for what `owner` says.
    std::string host_step(const HostUse& use, const ResourceId& id, const std::string& owner);
    /// The properties of the machine or of an option; files they name are copied into the jail.
    Json with_copies(const Json& properties, const std::vector<HostUse>& uses, const std::string& of);
    int inherit(const std::string& host, const ResourceId& resource, const Origin& origin);
    void copy_in(const std::string& option, const std::string& name,
                 const config::Setting<std::filesystem::path>& path);
    bool contained() const { return vm_.jail_mode.value != config::JailMode::Off; }
    /// Where QEMU finds the copy of `host`.
    std::string copy(const std::string& host, const std::string& inside, const ResourceId& resource,
                     const Origin& origin);

    const config::Vm& vm_;
    const qapi::Capabilities& qemu_;
    std::string accel_;
    CommandLine command_line_;
    std::vector<Step> host_, jail_, argv_, qmp_;
    std::set<std::string> opened_;       ///< host steps that exist
    std::map<std::string, int> fdsets_;  ///< by host step
    int next_fdset_ = 1;
    int next_place_ = 1;
    int next_number_ = first_inherited_number;
    bool running_ = false;  ///< it is about a QEMU that runs
    std::string secret_;    ///< the host step of the secret of the object at hand
    bool boot_order_by_qmp_ = false;
};

void Compiler::basics() {
    argv({"-nodefaults", "-no-user-config", "-S"});
    if (vm_.jail.qemu_sandbox.value)
        argv({"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"},
             vm_.jail.qemu_sandbox.origin);
    argv({"-display", "none"});
    argv({"-name", "guest=" + with_doubled_commas(vm_.name.value)}, vm_.name.origin);
    if (vm_.uuid) argv({"-uuid", vm_.uuid->value}, vm_.uuid->origin);
    argv({"-machine",
          with_doubled_commas(vm_.machine.type.value) +
              key_values(with_copies(vm_.machine.checked_properties, vm_.machine.host_uses, "machine"))},
         vm_.machine.type.origin);
    argv({"-accel", accel_}, vm_.machine.accel.origin);
    // The host's CPU can only be had through the host's CPU.
    const bool host_cpu_emulated = vm_.cpu.model.value == "host" && accel_ != "kvm";
    const auto model = host_cpu_emulated ? "max" : with_doubled_commas(vm_.cpu.model.value);
    argv({"-cpu", model + key_values(vm_.cpu.checked_properties)}, vm_.cpu.model.origin);
    auto memory = fmt::format("{}B", vm_.memory.value);
    // A slot is what a DIMM takes that somebody plugs; virtio-mem takes none.
    if (const auto room = room_for_memory(vm_); room > vm_.memory.value)
        memory = fmt::format("size={},slots={},maxmem={}B", memory, dimm_slots, room);
    argv({"-m", std::move(memory)}, vm_.memory.origin);
    const auto& smp = vm_.smp;
    argv({"-smp", fmt::format("cpus={},maxcpus={},sockets={},dies={},cores={},threads={}", smp.cpus,
                              smp.maxcpus, smp.sockets, smp.dies, smp.cores, smp.threads)},
         smp.origin);
    for (const auto& directory : vm_.qemu.data) argv({"-L", directory.string()});
}

/// A listening socket: whoever supervises the VM, now or later, comes in by it.
void Compiler::monitor() {
    host_.push_back({HostStep{monitor_name, ListenSocket{{}, monitor_socket}}, {}, {}});
    const int number = inherit(monitor_name, {}, {});
    argv({"-chardev", fmt::format("socket,id={},fd={},server=on,wait=off", monitor_chardev, number)});
    // -mon warns of its deprecation from 11 on, when the object appeared.
    if (qemu_.version.major < 11) {
        argv({"-mon", fmt::format("chardev={},mode=control", monitor_chardev)});
        return;
    }
    Json object = Json::object();
    object["qom-type"] = "monitor-qmp";
    object["id"] = "qvm.qmp";
    object["chardev"] = monitor_chardev;
    argv({"-object", text_of(object)});
}

void Compiler::copy_in(const std::string& option, const std::string& name,
                       const config::Setting<std::filesystem::path>& path) {
    if (!contained()) {
        argv({option, path.value.string()}, path.origin);
        return;
    }
    const auto host_name = "kernel." + name;
    host_.push_back(
        {HostStep{host_name, OpenFile{path.value, config::Access::ReadOnly, false}}, {}, path.origin});
    argv({option, copy(host_name, name, {}, path.origin)}, path.origin);
}

void Compiler::kernel() {
    if (!vm_.kernel) return;
    copy_in("-kernel", "image", vm_.kernel->image);
    if (vm_.kernel->initrd) copy_in("-initrd", "initrd", *vm_.kernel->initrd);
    if (vm_.kernel->dtb) copy_in("-dtb", "dtb", *vm_.kernel->dtb);
    const auto& append = vm_.kernel->append;
    if (!append.value.empty()) argv({"-append", append.value}, append.origin);
}

/// [option."X"] and [global."X"].
void Compiler::tables() {
    for (const auto& option : vm_.options) {
        const auto renamed = option_names.find(option.name);
        const auto& name = renamed == option_names.end() ? option.name : renamed->second;
        const auto arguments = with_copies(option.arguments, option.host_uses, "option." + option.name);
        const auto values = option.name == "numa" ? repeated_key_values(arguments) : key_values(arguments);
        if (!values.empty()) argv({'-' + name, values.substr(1)}, option.origin);
    }
    for (const auto& global : vm_.globals)
        for (const auto& property : global.arguments.items()) {
            const auto value = key_values(Json::object({{"value", property.value()}}));
            argv({"-global", fmt::format("driver={},property={}{}", with_doubled_commas(global.name),
                                         with_doubled_commas(property.key()), value)},
                 global.origin);
        }
}

Json Compiler::with_copies(const Json& properties, const std::vector<HostUse>& uses, const std::string& of) {
    Json inside = properties;
    for (const auto& use : uses) {
        if (use.entrance != Entrance::Copy || !contained()) continue;
        std::string name = of;
        for (const auto& part : use.member) name += '.' + part;
        host_.push_back({HostStep{name, OpenFile{use.path, use.access, false}}, {}, use.origin});
        at(inside, use.member) = copy(name, name, {}, use.origin);
    }
    return inside;
}

int Compiler::inherit(const std::string& host, const ResourceId& resource, const Origin& origin) {
    jail_.push_back({InheritStep{host, next_number_}, resource, origin});
    return next_number_++;
}

std::string Compiler::copy(const std::string& host, const std::string& inside, const ResourceId& resource,
                           const Origin& origin) {
    CopyStep step{host, "/vm/" + inside};
    if (vm_.jail_mode.value == config::JailMode::Reduced) {
        step.number = next_number_++;
        step.jail_path = fmt::format("/proc/self/fd/{}", step.number);
    }
    auto path = step.jail_path;
    jail_.push_back({std::move(step), resource, origin});
    return path;
}

std::string Compiler::host_step(const Resource& resource, const HostUse& use) {
    if (use.host.empty()) {
        std::string name = resource.id.to_string();
        for (const auto& part : use.member) name += '.' + part;
        const bool direct =
            resource.id.kind == Kind::Blockdev && bypasses_cache(resource.arguments, use.member);
        OpenFile open{use.path, use.access, direct};
        if (resource.copy_of && use.member == std::vector<std::string>{"file", "filename"})
            open.copy_of = resource.copy_of->value;
        if (resource.create && use.member == std::vector<std::string>{"file", "filename"})
            open.create = new_image(vm_, resource);
        host_.push_back({HostStep{name, std::move(open)}, resource.id, use.origin});
        return name;
    }
    return host_step(use, resource.id, resource.id.to_string());
}

std::string Compiler::host_step(const HostUse& use, const ResourceId& of, const std::string& owner) {
    const ResourceId id{Kind::Host, use.host};
    const Resource* host = vm_.find(id);
    if (host == nullptr)
        throw Error(ExitCode::Usage, fmt::format("{} is compiled without {}", owner, id.to_string()));
    if (use.entrance == Entrance::Text) {
        // One for each object: what has been sent is closed.
        auto name = owner + '.' + use.member.back();
        host_.push_back({HostStep{name, secret_of(*host)}, of, use.origin});
        return name;
    }
    if (!opened_.insert(use.host).second) return id.to_string();
    host_.push_back({HostStep{id.to_string(), host_action(*host, use.access)}, id, host->origin});
    return id.to_string();
}

/// What QEMU calls the socket.
std::string Compiler::place_socket(const Resource& resource, const HostUse& use) {
    const auto name = resource.id.to_string() + ".socket";
    host_.push_back({HostStep{name, PlaceSocket{use.path}}, resource.id, use.origin});
    std::filesystem::path directory = directory_for(use.path);
    if (contained()) {
        std::filesystem::path inside = fmt::format("{}/{}", places_in_jail, next_place_++);
        jail_.push_back({BindStep{std::exchange(directory, inside), inside}, resource.id, use.origin});
    }
    return directory / socket_in_place;
}

void Compiler::bring_in(const Resource& resource, const HostUse& use, Placement placement, Json& member) {
    if (use.entrance == Entrance::Bind) {
        if (contained()) jail_.push_back({BindStep{use.path}, resource.id, use.origin});
        return;
    }
    if (use.entrance == Entrance::Listen) {
        member = place_socket(resource, use);
        return;
    }
    if (use.entrance == Entrance::Keep || (use.entrance == Entrance::Copy && !contained())) return;
    const auto name = host_step(resource, use);
    const bool early = placement == Placement::Argv;
    switch (use.entrance) {
        case Entrance::Keep:
        case Entrance::Bind:
        case Entrance::Listen:
            break;
        case Entrance::Copy:
            member = copy(name, name, resource.id, use.origin);
            break;
        case Entrance::Text:
            secret_ = name;
            break;
        case Entrance::Getfd: {
            const Resource* host = vm_.find({Kind::Host, use.host});
            std::vector<std::string> numbers;
            for (unsigned i = 0; i < (host == nullptr ? 1 : config::descriptors_of(*host)); ++i) {
                auto one = descriptor_name(name, i);
                if (!early) qmp("getfd", Json::object({{"fdname", one}}), &resource, one);
                numbers.push_back(early ? std::to_string(inherit(one, resource.id, use.origin)) : one);
            }
            member = fmt::format("{}", fmt::join(numbers, ":"));
            break;
        }
        case Entrance::Fdset: {
            const auto [set, is_new] = fdsets_.try_emplace(name, next_fdset_);
            if (is_new) ++next_fdset_;
            member = fmt::format("/dev/fdset/{}", set->second);
            if (!is_new) break;
            if (early) {
                const int number = inherit(name, resource.id, use.origin);
                argv({"-add-fd",
                      fmt::format("fd={},set={},opaque={}", number, set->second, with_doubled_commas(name))},
                     use.origin, resource.id);
            } else {
                qmp("add-fd", Json::object({{"fdset-id", set->second}, {"opaque", name}}), &resource, name);
            }
            break;
        }
    }
}

Json Compiler::complete_arguments(const Resource& resource, Placement placement) {
    Json typed = resource.arguments;
    for (const auto& use : resource.host_uses) bring_in(resource, use, placement, at(typed, use.member));
    Json complete = Json::object();
    const char* id = resource.id.kind == Kind::Blockdev ? "node-name" : "id";
    // What it is comes first, who it is second: so do error messages that repeat the whole.
    for (const char* type : {"driver", "qom-type", "type"})
        if (typed.contains(type)) complete[type] = typed[type];
    complete[id] = resource.id.id;
    for (const auto& member : typed.items()) complete[member.key()] = member.value();
    return complete;
}

void Compiler::resource_on_command_line(const Resource& resource) {
    Json arguments = complete_arguments(resource, Placement::Argv);
    const auto add = [&](const char* option, std::string value) {
        argv({option, std::move(value)}, resource.origin, resource.id);
    };
    switch (resource.id.kind) {
        case Kind::Object:
            add("-object", text_of(arguments));
            break;
        case Kind::Blockdev:
            add("-blockdev", text_of(arguments));
            break;
        case Kind::Netdev:
            add("-netdev", text_of(arguments));
            break;
        case Kind::Audiodev:
            add("-audiodev", text_of(arguments));
            break;
        case Kind::Device:
            add("-device", text_of(arguments));
            break;
        case Kind::Chardev:
            add("-chardev", chardev_argument(resource.id.id, arguments.at("backend")));
            break;
        case Kind::Host:
            break;
    }
}

/// QEMU connects a stream netdev in a thread of its own, which does not know the names of getfd; the older
/// kind speaks the same on the wire, and takes them.
Json as_socket(Json netdev) {
    if (netdev.value("type", "") != "stream" || !netdev.contains("addr")) return netdev;
    const Json& address = netdev.at("addr");
    if (address.value("type", "") != "fd") return netdev;
    return Json::object({{"type", "socket"}, {"id", netdev.at("id")}, {"fd", address.at("str")}});
}

void Compiler::resource_by_qmp(const Resource& resource) {
    Json arguments = complete_arguments(resource, Placement::Qmp);
    switch (resource.id.kind) {
        case Kind::Object:
            qmp("object-add", std::move(arguments), &resource, std::exchange(secret_, {}));
            break;
        case Kind::Blockdev:
            qmp("blockdev-add", std::move(arguments), &resource);
            break;
        case Kind::Netdev:
            qmp("netdev_add", running_ ? as_socket(std::move(arguments)) : std::move(arguments), &resource);
            break;
        case Kind::Chardev:
            qmp("chardev-add", std::move(arguments), &resource);
            break;
        case Kind::Device:
            if (arguments.contains("bootindex")) boot_order_by_qmp_ = true;
            qmp("device_add", std::move(arguments), &resource);
            break;
        case Kind::Audiodev:
        case Kind::Host:
            break;
    }
}

void Compiler::grow(const Resource& resource) {
    if (resource.grow_to)
        qmp_.push_back(
            {GrowStep{resource.id.id, resource.grow_to->value}, resource.id, resource.grow_to->origin});
}

void Compiler::begin() {
    if (boot_order_by_qmp_) {
        // The firmware learns of a bootindex that came by device_add only through a reset.
        qmp("system_reset", nullptr);
        qmp_.push_back({WaitStep{"RESET"}, {}, {}});
    }
    // After the reset, which would otherwise end QEMU; and never as -action, for the same reason.
    Json actions = Json::object();
    if (vm_.lifecycle.on_reboot.value != config::OnReboot::Reset) actions["reboot"] = "shutdown";
    // To restart, too: the supervisor resets it then.
    if (vm_.lifecycle.on_crash.value != config::OnCrash::Stop) actions["panic"] = "pause";
    if (!actions.empty()) qmp("set-action", std::move(actions));
    for (const auto& link : vm_.links_down) {
        qmp("set_link", Json::object({{"name", link.value}, {"up", false}}));
        qmp_.back().resource = {Kind::Device, link.value};
        qmp_.back().origin = link.origin;
    }
    start_commands(config::CommandAt::PreStart);
    qmp("cont", nullptr);
    qmp_.push_back({WaitStep{"RESUME"}, {}, {}});
    start_commands(config::CommandAt::PostStart);
}

void Compiler::start_commands(config::CommandAt at_moment) {
    for (std::size_t i = 0; i < vm_.commands.size(); ++i) {
        const auto& command = vm_.commands[i];
        if (command.at.value != at_moment) continue;
        Json arguments = command.checked_arguments;
        std::string secret;
        for (const auto& use : command.host_uses) {
            const auto name = host_step(use, {}, fmt::format("qmp.{}", i));
            if (use.entrance == Entrance::Text) secret = name;
            if (use.entrance != Entrance::Getfd) continue;
            qmp("getfd", Json::object({{"fdname", name}}), nullptr, name);
            qmp_.back().origin = command.origin;
            at(arguments, use.member) = name;
        }
        if (arguments.empty()) arguments = nullptr;
        qmp(command.execute.value, std::move(arguments), nullptr, secret);
        qmp_.back().origin = command.origin;
    }
}

}  // namespace

Plan compile(const config::Vm& vm, const qapi::Capabilities& qemu, const std::string& accel) {
    return Compiler(vm, qemu, accel).run();
}

std::vector<Step> compile_additions(const config::Vm& vm, const qapi::Capabilities& qemu,
                                    const std::set<ResourceId>& which, const FdsetsInUse& fdsets) {
    return Compiler(vm, qemu, {}).additions(which, fdsets);
}

}  // namespace qvm::launch
