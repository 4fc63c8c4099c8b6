// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/limits.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>

#include "base/hash.hpp"
#include "base/text.hpp"

namespace qvm::launch {
namespace {

constexpr double thousandths = 1000;

/// Beside the guest's processors: QEMU's own threads, the 64 that do the work of disks, and the stub.
constexpr std::uint64_t threads_of_qemu = 256;
/// An iothread has up to 64 of its own for the work of disks.
constexpr std::uint64_t threads_of_iothread = 65;
constexpr std::uint64_t threads_of_helper = 16;

std::optional<std::uint64_t> value_of(const std::optional<config::Setting<std::uint64_t>>& limit) {
    return limit ? std::optional(limit->value) : std::nullopt;
}

std::uint64_t automatic_pids(const config::Vm& vm, const Plan& plan) {
    const auto iothreads = std::ranges::count_if(vm.resources, [](const config::Resource& resource) {
        return resource.id.kind == config::Kind::Object && resource.driver() == "iothread";
    });
    const auto helpers = std::ranges::count_if(plan.steps, [](const Step& step) {
        const auto* host = std::get_if<HostStep>(&step.action);
        return host != nullptr && std::holds_alternative<StartProcess>(host->action);
    });
    return threads_of_qemu + vm.smp.maxcpus + threads_of_iothread * static_cast<std::uint64_t>(iothreads) +
           threads_of_helper * static_cast<std::uint64_t>(helpers);
}

/// The disk that `device` is a partition of, or `device` itself; nothing for a file system without one (in
/// memory, over the network, over several disks).
std::optional<dev_t> whole_disk(dev_t device) {
    const auto known = fmt::format("/sys/dev/block/{}:{}", major(device), minor(device));
    struct stat status {};
    if (::stat(known.c_str(), &status) != 0) return std::nullopt;
    if (::stat((known + "/partition").c_str(), &status) != 0) return device;
    std::ifstream file(known + "/../dev");
    unsigned first = 0, second = 0;
    char colon = 0;
    if (!(file >> first >> colon >> second)) return std::nullopt;
    return makedev(first, second);
}

/// That a file is on, or, for an image that is yet to be made, will be on; nothing where no disk is read or
/// written.
std::optional<dev_t> device_of(const OpenFile& file) {
    struct stat status {};
    if (::stat(file.path.c_str(), &status) == 0) {
        if (S_ISBLK(status.st_mode)) return status.st_rdev;
        return S_ISREG(status.st_mode) ? std::optional(status.st_dev) : std::nullopt;
    }
    if (!file.create) return std::nullopt;
    for (auto directory = file.path.parent_path(); directory.has_relative_path();
         directory = directory.parent_path())
        if (::stat(directory.c_str(), &status) == 0) return status.st_dev;
    return std::nullopt;
}

std::vector<dev_t> disks_of(const Plan& plan) {
    std::vector<dev_t> disks;
    for (const auto& step : plan.steps) {
        const auto* host = std::get_if<HostStep>(&step.action);
        const auto* file = host != nullptr ? std::get_if<OpenFile>(&host->action) : nullptr;
        const auto device = file == nullptr ? std::nullopt : device_of(*file);
        if (!device) continue;
        const auto disk = whole_disk(*device);
        if (disk && std::ranges::count(disks, *disk) == 0) disks.push_back(*disk);
    }
    return disks;
}

jail::CgroupMode mode_of(const config::Vm& vm) {
    return vm.jail.cgroup.value == config::JailCgroup::Require ? jail::CgroupMode::Require
                                                               : jail::CgroupMode::Auto;
}

}  // namespace

bool limits_asked_for(const config::Vm& vm) {
    const auto& limits = vm.limits;
    return limits.memory || limits.cpu || limits.pids || limits.io_read || limits.io_write ||
           mode_of(vm) == jail::CgroupMode::Require;
}

jail::CgroupLimits group_limits(const config::Vm& vm, const Plan& plan) {
    jail::CgroupLimits limits;
    limits.memory = value_of(vm.limits.memory);
    limits.cpu = value_of(vm.limits.cpu);
    limits.pids = value_of(vm.limits.pids).value_or(automatic_pids(vm, plan));
    limits.io_read = value_of(vm.limits.io_read);
    limits.io_write = value_of(vm.limits.io_write);
    if (limits.io_read || limits.io_write) limits.io_devices = disks_of(plan);
    return limits;
}

Json limits_to_json(const jail::CgroupLimits& limits) {
    Json json = Json::object();
    const auto add = [&](const char* key, const std::optional<std::uint64_t>& limit) {
        if (limit) json[key] = *limit;
    };
    add("memory", limits.memory);
    add("cpu", limits.cpu);
    add("pids", limits.pids);
    add("io-read", limits.io_read);
    add("io-write", limits.io_write);
    Json& devices = json["io-devices"] = Json::array();
    for (const dev_t device : limits.io_devices) devices.push_back(device);
    return json;
}

jail::CgroupLimits limits_from_json(const Json& saved) {
    const auto number = [&](const char* key) {
        return saved.contains(key) ? std::optional(saved.at(key).get<std::uint64_t>()) : std::nullopt;
    };
    jail::CgroupLimits limits;
    limits.memory = number("memory");
    limits.cpu = number("cpu");
    limits.pids = number("pids");
    limits.io_read = number("io-read");
    limits.io_write = number("io-write");
    for (const auto& device : saved.at("io-devices")) limits.io_devices.push_back(device.get<dev_t>());
    return limits;
}

std::unique_ptr<jail::Cgroup> make_cgroup(const config::Vm& vm, const Plan& plan, const VmState& state) {
    if (vm.jail.cgroup.value == config::JailCgroup::Off) return nullptr;
    // Two users, or two state directories, may each have a VM of that name.
    const auto name =
        fmt::format("qvm-{}-{:08x}", state.name(), stable_hash(state.directory().string()) >> 32U);
    return std::make_unique<jail::Cgroup>(
        jail::Cgroup::make(jail::own_cgroup_places(), name, group_limits(vm, plan), mode_of(vm)));
}

std::string describe_limits(const jail::CgroupRecord& record) {
    const auto limits = jail::read_limits(record);
    std::string text;
    const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    if (limits.memory) add("memory " + format_size(*limits.memory));
    if (limits.cpu) add(fmt::format("cpu {}", static_cast<double>(*limits.cpu) / thousandths));
    if (limits.pids) add(fmt::format("pids {}", *limits.pids));
    if (limits.io_read) add(fmt::format("io read {}/s", format_size(*limits.io_read)));
    if (limits.io_write) add(fmt::format("io write {}/s", format_size(*limits.io_write)));
    return text.empty() ? "none" : fmt::format("{} (cgroup v{})", text, record.version);
}

Json limits_json(const jail::CgroupRecord& record) {
    const auto limits = jail::read_limits(record);
    Json json = Json::object();
    json["cgroup"] = record.version == 0 ? "none" : fmt::format("v{}", record.version);
    Json& force = json["in-force"] = Json::object();
    if (limits.memory) force["memory"] = *limits.memory;
    if (limits.cpu) force["cpu"] = static_cast<double>(*limits.cpu) / thousandths;
    if (limits.pids) force["pids"] = *limits.pids;
    if (limits.io_read) force["io"]["read"] = *limits.io_read;
    if (limits.io_write) force["io"]["write"] = *limits.io_write;
    json["missing"] = record.missing;
    return json;
}

}  // namespace qvm::launch
