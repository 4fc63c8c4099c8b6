// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/hmp_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <utility>

#include "base/json.hpp"
#include "base/text.hpp"
#include "shell/layout.hpp"

namespace qvm::shell {
namespace {

/// The commands people use most, by what their handlers in QEMU call (hmp-commands.hx, hmp-commands-info.hx
/// and monitor/hmp-cmds.c of 7.2 and 10.0), compared with running 7.2, 10.0 and 11.1. Sorted.
constexpr std::array hints = std::to_array<HmpHint>({
    {"announce_self", "announce-self", "QMP wants the four times, too"},
    {"balloon", "balloon", "in bytes, not MiB"},
    {"block_job_cancel", "block-job-cancel", ""},
    {"block_job_complete", "block-job-complete", ""},
    {"block_job_pause", "block-job-pause", ""},
    {"block_job_resume", "block-job-resume", ""},
    {"block_job_set_speed", "block-job-set-speed", "in bytes, not MiB"},
    {"block_resize", "block_resize", "in bytes, not MiB"},
    {"block_set_io_throttle", "block_set_io_throttle", ""},
    {"block_stream", "block-stream", ""},
    {"c", "cont", ""},
    {"change", "blockdev-change-medium", "change vnc: change-vnc-password"},
    {"chardev-add", "chardev-add", ""},
    {"chardev-remove", "chardev-remove", ""},
    {"cont", "cont", ""},
    {"delvm", "snapshot-delete", "a job; QMP wants the nodes"},
    {"device_add", "device_add", ""},
    {"device_del", "device_del", ""},
    {"drive_backup", "drive-backup", "blockdev-backup is preferred"},
    {"drive_mirror", "drive-mirror", "blockdev-mirror is preferred"},
    {"dump-guest-memory", "dump-guest-memory", ""},
    {"eject", "eject", ""},
    {"expire_password", "expire_password", ""},
    {"info balloon", "query-balloon", ""},
    {"info block", "query-block", "-n: query-named-block-nodes"},
    {"info block-jobs", "query-block-jobs", ""},
    {"info blockstats", "query-blockstats", ""},
    {"info chardev", "query-chardev", ""},
    {"info cpus", "query-cpus-fast", ""},
    {"info dirty_rate", "query-dirty-rate", ""},
    {"info dump", "query-dump", ""},
    {"info hotpluggable-cpus", "query-hotpluggable-cpus", ""},
    {"info iothreads", "query-iothreads", ""},
    {"info irq", "x-query-irq", ""},
    {"info jit", "x-query-jit", ""},
    {"info kvm", "query-kvm", ""},
    {"info memdev", "query-memdev", ""},
    {"info memory-devices", "query-memory-devices", ""},
    {"info memory_size_summary", "query-memory-size-summary", ""},
    {"info mice", "query-mice", ""},
    {"info migrate", "query-migrate", ""},
    {"info migrate_capabilities", "query-migrate-capabilities", ""},
    {"info migrate_parameters", "query-migrate-parameters", ""},
    {"info name", "query-name", ""},
    {"info numa", "x-query-numa", ""},
    {"info pci", "query-pci", ""},
    {"info qom-tree", "qom-list", "one for each object; see /graph qom"},
    {"info ramblock", "x-query-ramblock", ""},
    {"info replay", "query-replay", ""},
    {"info roms", "x-query-roms", ""},
    {"info snapshots", "query-named-block-nodes", "member image.snapshots"},
    {"info spice", "query-spice", ""},
    {"info stats", "query-stats", ""},
    {"info status", "query-status", ""},
    {"info tpm", "query-tpm", ""},
    {"info usb", "x-query-usb", ""},
    {"info uuid", "query-uuid", ""},
    {"info version", "query-version", ""},
    {"info virtio", "x-query-virtio", ""},
    {"info virtio-status", "x-query-virtio-status", "QEMU 11.1.3 does not survive it"},
    {"info vnc", "query-vnc-servers", ""},
    {"loadvm", "snapshot-load", "a job; QMP wants the nodes, and a stopped VM"},
    {"memsave", "memsave", ""},
    {"migrate", "migrate", ""},
    {"migrate_cancel", "migrate_cancel", ""},
    {"migrate_continue", "migrate-continue", ""},
    {"migrate_incoming", "migrate-incoming", ""},
    {"migrate_pause", "migrate-pause", ""},
    {"migrate_recover", "migrate-recover", ""},
    {"migrate_set_capability", "migrate-set-capabilities", ""},
    {"migrate_set_parameter", "migrate-set-parameters", "bandwidths in bytes, not MiB"},
    {"migrate_start_postcopy", "migrate-start-postcopy", ""},
    {"mouse_button", "input-send-event", ""},
    {"mouse_move", "input-send-event", ""},
    {"nbd_server_add", "block-export-add", ""},
    {"nbd_server_remove", "block-export-del", ""},
    {"nbd_server_start", "nbd-server-start", ""},
    {"nbd_server_stop", "nbd-server-stop", ""},
    {"netdev_add", "netdev_add", ""},
    {"netdev_del", "netdev_del", ""},
    {"nmi", "inject-nmi", ""},
    {"object_add", "object-add", ""},
    {"object_del", "object-del", ""},
    {"pmemsave", "pmemsave", ""},
    {"q", "quit", ""},
    {"qom-get", "qom-get", ""},
    {"qom-list", "qom-list", ""},
    {"qom-set", "qom-set", ""},
    {"quit", "quit", ""},
    {"ringbuf_read", "ringbuf-read", ""},
    {"ringbuf_write", "ringbuf-write", ""},
    {"s", "stop", ""},
    {"savevm", "snapshot-save", "a job; QMP wants the nodes, and a new name"},
    {"screendump", "screendump", ""},
    {"sendkey", "send-key", ""},
    {"set_link", "set_link", ""},
    {"set_password", "set_password", ""},
    {"snapshot_blkdev", "blockdev-snapshot-sync", ""},
    {"snapshot_blkdev_internal", "blockdev-snapshot-internal-sync", ""},
    {"snapshot_delete_blkdev_internal", "blockdev-snapshot-delete-internal-sync", ""},
    {"stop", "stop", ""},
    {"system_powerdown", "system_powerdown", ""},
    {"system_reset", "system_reset", ""},
    {"system_wakeup", "system_wakeup", ""},
    {"trace-event", "trace-event-set-state", ""},
    {"watchdog_action", "watchdog-set-action", ""},
    {"x", "memsave", "into a file"},
    {"xp", "pmemsave", "into a file"},
});
static_assert(std::ranges::is_sorted(hints, {}, &HmpHint::command));

/// Takes the first word off the front.
std::string_view take_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    // A format belongs to the command without a blank: x/8xb 0.
    const auto word = line.substr(0, line.find_first_of(" \t/"));
    line.remove_prefix(word.size());
    return word;
}

/// N of "cpu N". Of QEMU's expressions only plain numbers are understood.
std::optional<unsigned> chosen_cpu(std::string_view line) {
    if (take_word(line) != "cpu") return std::nullopt;
    auto word = take_word(line);
    const int base = word.starts_with("0x") ? 16 : 10;
    if (base == 16) word.remove_prefix(2);
    unsigned number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number, base);
    if (error != std::errc() || end != word.data() + word.size() || word.empty()) return std::nullopt;
    if (line.find_first_not_of(" \t") != std::string_view::npos) return std::nullopt;
    return number;
}

/// As a terminal would show them: a tab goes on to the next eighth column.
Span with_tabs(std::string_view line) {
    std::string text;
    while (true) {
        const auto part = line.substr(0, line.find('\t'));
        text += escape_controls(part);
        if (part.size() == line.size()) return {std::move(text)};
        text.append(8 - columns_of(text) % 8, ' ');
        line.remove_prefix(part.size() + 1);
    }
}

}  // namespace

std::string Hmp::arguments(std::string_view line) const {
    auto arguments = Json::object({{"command-line", std::string(line)}});
    // Choosing another CPU must not depend on the one before, which may be gone.
    if (cpu_ && !chosen_cpu(line)) arguments["cpu-index"] = *cpu_;
    return arguments.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<Line> Hmp::answer(std::string_view line, std::string_view text, std::size_t columns) {
    if (const auto chosen = chosen_cpu(line); chosen && text.empty()) cpu_ = chosen;
    std::vector<Line> lines;
    if (columns == 0) return lines;
    while (!text.empty()) {
        auto one = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(one.size() + 1, text.size()));
        while (one.ends_with('\r')) one.remove_suffix(1);
        auto broken = wrap({with_tabs(one)}, columns);
        std::ranges::move(broken, std::back_inserter(lines));
    }
    return lines;
}

std::span<const HmpHint> hmp_hints() {
    return hints;
}

const HmpHint* hmp_hint(std::string_view line) {
    std::string name(take_word(line));
    if (name == "info") name.append(" ").append(take_word(line));
    const auto* const found = std::ranges::lower_bound(hints, std::string_view(name), {}, &HmpHint::command);
    return found != hints.end() && found->command == name ? found : nullptr;
}

Line hint_line(std::string_view line) {
    const auto* hint = hmp_hint(line);
    if (hint == nullptr) return {};
    Line shown{{"QMP: ", Role::Dim}, {std::string(hint->qmp), Role::Name}};
    if (!hint->note.empty()) shown.push_back({" (" + std::string(hint->note) + ")", Role::Dim});
    return shown;
}

}  // namespace qvm::shell
