// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_devices.hpp"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/balloon.hpp"
#include "config/stable.hpp"
#include "config/sugar_display.hpp"

namespace qvm::config {
namespace {

constexpr const char* agent_id = "agent";
constexpr const char* vsock_id = "vsock0";

void lower_balloon_size(Lowering& lowering, const Item& balloon) {
    const auto size = balloon.number("size");
    if (!size) return;
    Vm& vm = lowering.vm();
    const Origin origin = balloon.origin_of("size");
    const auto most = vm.memory_in_dimms ? vm.memory_max->value : vm.memory.value;
    if (static_cast<std::uint64_t>(*size) > most)
        lowering.report(
            DiagnosticKind::Conflict, origin,
            fmt::format("balloon.size is {}, but the VM has no more than {} that a balloon takes from",
                        format_size(static_cast<std::uint64_t>(*size)), format_size(most)),
            {"it is what the guest is to keep of its memory"});
    Table arguments;
    arguments.set("value", origin, Value(*size, origin));
    vm.commands.push_back(
        {{}, {balloon_command, origin}, std::move(arguments), {}, {}, balloon.where, origin});
}

void lower_balloon(Lowering& lowering) {
    const auto balloon = lowering.single("balloon");
    if (!balloon) return;
    lower_balloon_size(lowering, *balloon);
    Members device(balloon->origin);
    device.put("driver", lowering.virtio("balloon"));
    device.copy("deflate-on-oom", *balloon->table, "deflate-on-oom");
    device.copy("free-page-reporting", *balloon->table, "free-page-reporting");
    lowering.add(Kind::Device, "balloon0", std::move(device), *balloon);
}

/// The port that qemu-ga looks for, with a socket in the VM's runtime directory on its other end.
void lower_agent(Lowering& lowering) {
    const auto agent = lowering.single(agent_id);
    if (!agent) return;
    lowering.add_listener(agent_id, agent_socket, *agent);
    Members device(agent->origin);
    device.put("driver", std::string("virtserialport")).put("chardev", std::string(agent_id));
    device.put("name", std::string("org.qemu.guest_agent.0"));
    lowering.add(Kind::Device, agent_id, std::move(device), *agent);
}

void lower_vsock(Lowering& lowering) {
    const auto vsock = lowering.single("vsock");
    if (!vsock) return;
    Members host(vsock->origin);
    host.put("kind", std::string("file")).put("path", std::string("/dev/vhost-vsock"));
    lowering.add(Kind::Host, vsock_id, std::move(host), *vsock);
    Members device(vsock->origin);
    device.put("driver", std::string(lowering.is_microvm() ? "vhost-vsock-device" : "vhost-vsock-pci"));
    device.put("guest-cid", vsock->number("cid").value_or(stable_cid(lowering.vm().name.value)),
               vsock->origin_of("cid"));
    device.put("vhostfd", '@' + std::string(vsock_id));
    lowering.add(Kind::Device, vsock_id, std::move(device), *vsock);
}

bool has_screen(const Lowering& lowering) {
    return lowering.defaults() && wanted_display(lowering).has_value();
}

/// What a screen needs and nobody has written.
Item implied_by_display(const Lowering& lowering, const Table& nothing) {
    const Origin origin = wanted_display(lowering)->origin;
    return {display_id, display_id, &nothing, origin};
}

bool has_raw_device(const Lowering& lowering, bool (*is_such)(std::string_view driver)) {
    return std::ranges::any_of(lowering.named("device"), [&](const auto& device) {
        return is_such(device.text("driver").value_or(""));
    });
}

bool has_part(std::string_view text, std::span<const std::string_view> parts) {
    return std::ranges::any_of(parts, [&](auto part) { return text.find(part) != std::string_view::npos; });
}

bool is_card(std::string_view driver) {
    constexpr auto parts =
        std::to_array<std::string_view>({"VGA", "vga", "gpu", "qxl", "display", "vfio", "ramfb"});
    return has_part(driver, parts);
}

bool is_tablet(std::string_view driver) {
    constexpr auto parts = std::to_array<std::string_view>({"tablet", "kbd", "keyboard", "mouse"});
    return has_part(driver, parts);
}

void lower_input(Lowering& lowering) {
    const Table nothing;
    auto input = lowering.single("input");
    if (!input && !lowering.says("input") && has_screen(lowering) && !has_raw_device(lowering, is_tablet))
        input = implied_by_display(lowering, nothing);
    if (!input) return;
    struct Gadget {
        std::string_view key, usb;
        bool usual;
    };
    constexpr std::array<Gadget, 3> gadgets{
        {{"tablet", "usb-tablet", true}, {"keyboard", "usb-kbd", true}, {"mouse", "usb-mouse", false}}};
    const bool virtio = input->text("bus").value_or(lowering.is_microvm() ? "virtio" : "usb") == "virtio";
    for (const auto& gadget : gadgets) {
        if (!input->flag(gadget.key).value_or(gadget.usual)) continue;
        Members device(input->origin);
        device.put("driver", virtio ? lowering.virtio(gadget.key) : std::string(gadget.usb),
                   input->origin_of("bus"));
        lowering.add(Kind::Device, fmt::format("{}0", gadget.key), std::move(device), *input);
    }
}

void lower_watchdog(Lowering& lowering) {
    const auto watchdog = lowering.single("watchdog");
    if (!watchdog) return;
    Members device(watchdog->origin);
    device.put("driver", watchdog->text("model").value_or("i6300esb"), watchdog->origin_of("model"));
    lowering.add(Kind::Device, "watchdog0", std::move(device), *watchdog);
}

/// Where a kind of graphics card has what the words ask for; empty: nowhere.
struct VideoModel {
    std::string_view name, driver, heads, memory;
    bool memory_in_mib;
};
constexpr std::array<VideoModel, 5> video_models{{
    {"virtio", "virtio-vga", "max_outputs", "max_hostmem", false},
    {"vga", "VGA", "", "vgamem_mb", true},
    {"qxl", "qxl-vga", "max_outputs", "vgamem_mb", true},
    {"bochs", "bochs-display", "", "vgamem", false},
    {"cirrus", "cirrus-vga", "", "vgamem_mb", true},
}};

void lower_video_memory(Lowering& lowering, const Item& video, const VideoModel& model, Members& device) {
    const auto bytes = video.number("memory");
    if (!bytes) return;
    constexpr std::int64_t mebibyte = 1 << 20;
    const bool power_of_two = (*bytes & (*bytes - 1)) == 0;
    if (model.memory_in_mib && !power_of_two)
        lowering.report(DiagnosticKind::BadSize, video.origin_of("memory"),
                        fmt::format("the memory of a graphics card \"{}\" is a power of two", model.name),
                        {"for example 16M"});
    device.put(std::string(model.memory), model.memory_in_mib ? *bytes / mebibyte : *bytes,
               video.origin_of("memory"));
}

void lower_video(Lowering& lowering) {
    const Table nothing;
    auto video = lowering.single("video");
    if (!video && !lowering.says("video") && has_screen(lowering) && !has_raw_device(lowering, is_card))
        video = implied_by_display(lowering, nothing);
    if (!video) return;
    const auto name = video->text("model").value_or("virtio");
    const auto model = std::ranges::find(video_models, name, &VideoModel::name);
    if (model == video_models.end()) return;
    Members device(video->origin);
    const bool plain = lowering.is_microvm() && name == "virtio";
    device.put("driver", std::string(plain ? "virtio-gpu-device" : model->driver), video->origin_of("model"));
    if (video->says("heads") && model->heads.empty())
        lowering.report(DiagnosticKind::Conflict, video->origin_of("heads"),
                        fmt::format("video: a graphics card \"{}\" has one head", name),
                        {"model = \"virtio\" or \"qxl\" can have several"});
    else
        device.copy(std::string(model->heads), *video->table, "heads");
    lower_video_memory(lowering, *video, *model, device);
    lowering.add(Kind::Device, "video0", std::move(device), *video);
}

/// Said at the raw level, too, one of them would be without effect.
void add_option(Lowering& lowering, std::string name, Members members, const Item& made_by) {
    if (members.table().empty()) return;
    auto& options = lowering.vm().options;
    const auto raw = std::ranges::find(options, name, &NamedTable::name);
    if (raw != options.end())
        lowering.report(
            DiagnosticKind::Conflict, raw->origin,
            fmt::format("[option.{}] is there, and so is {}, which makes one", name, made_by.where),
            {"say all of it in one of them"});
    else
        options.push_back({std::move(name), std::move(members.table()), {}, made_by.origin, {}});
}

}  // namespace

void lower_devices(Lowering& lowering) {
    lower_balloon(lowering);
    lower_agent(lowering);
    lower_vsock(lowering);
    lower_input(lowering);
    lower_watchdog(lowering);
    lower_video(lowering);
}

void lower_clocks(Lowering& lowering) {
    if (const auto rtc = lowering.single("rtc")) {
        Members members(rtc->origin);
        for (const auto* key : {"base", "clock", "driftfix"}) members.copy(key, *rtc->table, key);
        add_option(lowering, "rtc", std::move(members), *rtc);
    }
    const auto watchdog = lowering.single("watchdog");
    if (!watchdog) return;
    Members members(watchdog->origin);
    members.copy("watchdog", *watchdog->table, "action");
    add_option(lowering, "action", std::move(members), *watchdog);
}

}  // namespace qvm::config
