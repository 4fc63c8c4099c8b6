// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/vocabulary.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "config/choices.hpp"

namespace qvm::config {
namespace {

using namespace takes;
using Words = std::string_view;

constexpr std::array<Words, 5> disk_buses{"virtio", "scsi", "nvme", "sata", "usb"};
constexpr std::array<Words, 2> cdrom_buses{"sata", "scsi"};
constexpr std::array<Words, 5> cache_modes{"none", "writeback", "writethrough", "directsync", "unsafe"};
constexpr std::array<Words, 3> aio_modes{"threads", "native", "io_uring"};
constexpr std::array<Words, 2> discard_modes{"ignore", "unmap"};
constexpr std::array<Words, 6> net_types{"user", "tap", "bridge", "macvtap", "vhost-user", "none"};
constexpr std::array<Words, 3> console_types{"serial", "virtio", "none"};
constexpr std::array<Words, 7> host_kinds{"file", "socket", "tap", "process", "secret", "seed", "usb"};
constexpr std::array<Words, 3> access_words{"ro", "rw", "wo"};
constexpr std::array<Words, 2> client_protocols{"spice", "vnc"};
constexpr std::array<Words, 2> ends_of_socket{"client", "server"};
constexpr std::array<Words, 2> socket_modes{"listen", "connect"};
constexpr std::array<Words, 3> process_profiles{"passt", "swtpm", "virtiofsd"};

/// In thousandths; the kernel counts in periods of 100 ms and takes no less than one of them.
constexpr std::int64_t least_processors = 10, most_processors = 4'096'000;

constexpr KeyRule enabled_key{"enabled", boolean};

constexpr std::array name_rule{KeyRule{"name", string}};
constexpr std::array extends_rule{KeyRule{"extends", string}};
constexpr std::array include_rule{KeyRule{"include", string | strings}};
constexpr std::array unset_rule{KeyRule{"unset", strings}};
constexpr std::array defaults_rule{KeyRule{"defaults", boolean}};
constexpr std::array link_down_rule{KeyRule{"link-down", strings}};
constexpr std::array<Words, 3> memory_ways{"virtio-mem", "dimm", "none"};
constexpr std::array memory_keys{
    KeyRule{"size", size},
    KeyRule{"max", size, {}, 1 << 20},
    KeyRule{"hugepages", size | boolean},
    KeyRule{"prealloc", boolean},
    KeyRule{"share", boolean},
    KeyRule{"lock", boolean},
    KeyRule{"via", string, memory_ways},
};
constexpr std::array cpus_keys{
    KeyRule{"count", integer, {}, 1, 4096},   KeyRule{"sockets", integer, {}, 1, 4096},
    KeyRule{"dies", integer, {}, 1, 4096},    KeyRule{"cores", integer, {}, 1, 4096},
    KeyRule{"threads", integer, {}, 1, 4096}, KeyRule{"max", integer, {}, 1, 4096},
    KeyRule{"pin", string | strings},
};
constexpr std::array numa_keys{
    KeyRule{"cpus", string | integer, {}, 0, 4095},
    KeyRule{"memory", size, {}, 1 << 20},
    KeyRule{"host-nodes", integers},
    KeyRule{"pin", string | strings},
    KeyRule{"distance", integers},
    enabled_key,
};
constexpr std::array machine_keys{KeyRule{"type", string}, KeyRule{"accel", string | strings}};
constexpr std::array cpu_keys{KeyRule{"model", string}};
constexpr std::array firmware_keys{KeyRule{"type", string, words_of<FirmwareType>},
                                   KeyRule{"secure-boot", boolean}, KeyRule{"vars", string | as_path}};
constexpr std::array kernel_keys{KeyRule{"image", string | as_path}, KeyRule{"initrd", string | as_path},
                                 KeyRule{"append", string}, KeyRule{"dtb", string | as_path}, enabled_key};
/// What QEMU takes of a throttle group (include/qemu/throttle.h: THROTTLE_VALUE_MAX).
constexpr std::int64_t most_throttled = 1'000'000'000'000'000;
constexpr std::array iops_keys{
    KeyRule{"total", integer, {}, 0, most_throttled},    KeyRule{"read", integer, {}, 0, most_throttled},
    KeyRule{"write", integer, {}, 0, most_throttled},    KeyRule{"total-max", integer, {}, 0, most_throttled},
    KeyRule{"read-max", integer, {}, 0, most_throttled}, KeyRule{"write-max", integer, {}, 0, most_throttled},
};
constexpr std::array bytes_keys{
    KeyRule{"total", size, {}, 0, most_throttled},    KeyRule{"read", size, {}, 0, most_throttled},
    KeyRule{"write", size, {}, 0, most_throttled},    KeyRule{"total-max", size, {}, 0, most_throttled},
    KeyRule{"read-max", size, {}, 0, most_throttled}, KeyRule{"write-max", size, {}, 0, most_throttled},
};
constexpr std::array throttle_keys{KeyRule{"iops", table, {}, 0, 0, iops_keys},
                                   KeyRule{"bytes", table, {}, 0, 0, bytes_keys}, enabled_key};
constexpr std::array secret_keys{KeyRule{"file", string | as_path}, KeyRule{"env", string},
                                 KeyRule{"credential", string}, enabled_key};
constexpr std::array<Words, 1> encryption_formats{"luks"};
constexpr std::array encrypt_keys{KeyRule{"format", string, encryption_formats}, KeyRule{"secret", string}};
constexpr std::array disk_keys{
    KeyRule{"file", string | as_path},
    KeyRule{"base", string | as_path},
    KeyRule{"base-format", string},
    KeyRule{"size", size, {}, 512},
    KeyRule{"ephemeral", boolean},
    KeyRule{"format", string},
    KeyRule{"bus", string, disk_buses},
    KeyRule{"read-only", boolean},
    KeyRule{"cache", string, cache_modes},
    KeyRule{"aio", string, aio_modes},
    KeyRule{"discard", string | boolean, discard_modes},
    KeyRule{"iothread", string},
    KeyRule{"queues", integer, {}, 1, 1024},
    KeyRule{"serial", string},
    KeyRule{"boot", integer, {}, 0, INT32_MAX},
    KeyRule{"share-rw", boolean},
    KeyRule{"throttle", string},
    KeyRule{"encrypt", table, {}, 0, 0, encrypt_keys},
    KeyRule{"blockdev", table},
    KeyRule{"device", table},
    enabled_key,
};
constexpr std::array cdrom_keys{KeyRule{"file", string | as_path}, KeyRule{"bus", string, cdrom_buses},
                                KeyRule{"boot", integer, {}, 0, INT32_MAX}, enabled_key};
constexpr std::array host_device_keys{KeyRule{"pci", string}, KeyRule{"usb", string},
                                      KeyRule{"boot", integer, {}, 0, INT32_MAX}, KeyRule{"device", table},
                                      enabled_key};
/// What virtio-net takes as host_mtu, and Linux for an interface.
constexpr std::int64_t least_mtu = 68, most_mtu = 65520;
constexpr std::int64_t most_queues = 256;  // QEMU's net/tap.c: MAX_TAP_QUEUES
constexpr std::array net_keys{
    KeyRule{"type", string, net_types},
    KeyRule{"model", string},
    KeyRule{"mac", string},
    KeyRule{"forward", strings},
    KeyRule{"host-loopback", boolean},
    KeyRule{"ifname", string},
    KeyRule{"bridge", string},
    KeyRule{"parent", string},
    KeyRule{"socket", string | as_path},
    KeyRule{"mode", string, ends_of_socket},
    KeyRule{"queues", integer, {}, 1, most_queues},
    KeyRule{"mtu", integer, {}, least_mtu, most_mtu},
    KeyRule{"link", boolean},
    KeyRule{"boot", integer, {}, 0, INT32_MAX},
    KeyRule{"netdev", table},
    KeyRule{"device", table},
    enabled_key,
};
constexpr std::array virtiofsd_keys{KeyRule{"binary", string | as_path}, KeyRule{"loader", string | as_path},
                                    KeyRule{"library-path", string | strings | as_path}};
constexpr std::array share_keys{
    KeyRule{"path", string | as_path}, KeyRule{"tag", string},
    KeyRule{"read-only", boolean},     KeyRule{"uid-map", strings},
    KeyRule{"gid-map", strings},       KeyRule{"virtiofsd", table, {}, 0, 0, virtiofsd_keys},
    KeyRule{"device", table},          enabled_key};
constexpr std::array console_keys{KeyRule{"type", string, console_types}, KeyRule{"log", string | as_path},
                                  enabled_key};
constexpr std::array rng_keys{enabled_key};
constexpr std::array iothread_keys{enabled_key};
constexpr std::array balloon_keys{KeyRule{"size", size, {}, 1 << 20}, KeyRule{"deflate-on-oom", boolean},
                                  KeyRule{"free-page-reporting", boolean}, enabled_key};
constexpr std::array agent_keys{enabled_key};
constexpr std::array vsock_keys{KeyRule{"cid", integer, {}, 3, UINT32_MAX - 1}, enabled_key};
constexpr std::array<Words, 2> input_buses{"usb", "virtio"};
constexpr std::array input_keys{KeyRule{"bus", string, input_buses}, KeyRule{"tablet", boolean},
                                KeyRule{"keyboard", boolean}, KeyRule{"mouse", boolean}, enabled_key};
constexpr std::array uuid_rule{KeyRule{"uuid", string | boolean}};
constexpr std::array<Words, 3> rtc_clocks{"host", "rt", "vm"};
constexpr std::array<Words, 2> rtc_driftfixes{"none", "slew"};
constexpr std::array rtc_keys{KeyRule{"base", string}, KeyRule{"clock", string, rtc_clocks},
                              KeyRule{"driftfix", string, rtc_driftfixes}};
constexpr std::array<Words, 2> watchdog_models{"i6300esb", "ib700"};
constexpr std::array<Words, 7> watchdog_actions{"reset", "shutdown",   "poweroff", "pause",
                                                "debug", "inject-nmi", "none"};
constexpr std::array watchdog_keys{KeyRule{"model", string, watchdog_models},
                                   KeyRule{"action", string, watchdog_actions}, enabled_key};
constexpr std::array<Words, 5> video_models{"virtio", "vga", "qxl", "bochs", "cirrus"};
constexpr std::array video_keys{KeyRule{"model", string, video_models}, KeyRule{"heads", integer, {}, 1, 16},
                                KeyRule{"memory", size, {}, 1 << 20, std::int64_t{1} << 32}, enabled_key};
constexpr std::array<Words, 4> audio_models{"hda", "virtio", "usb", "ac97"};
constexpr std::array audio_keys{KeyRule{"model", string, audio_models}, KeyRule{"backend", string},
                                enabled_key};
constexpr std::array<Words, 6> display_types{"none", "vnc", "spice", "window", "gtk", "sdl"};
constexpr std::array display_keys{KeyRule{"type", string, display_types},
                                  KeyRule{"listen", string},
                                  KeyRule{"password", string},
                                  KeyRule{"full-screen", boolean},
                                  KeyRule{"show-cursor", boolean},
                                  KeyRule{"zoom-to-fit", boolean},
                                  enabled_key};
constexpr std::array cloud_init_keys{
    KeyRule{"user", string},           KeyRule{"ssh-keys", strings},
    KeyRule{"hostname", string},       KeyRule{"user-data", string | as_path},
    KeyRule{"user-data-text", string}, KeyRule{"network-config", string | as_path},
    KeyRule{"instance-id", string},    enabled_key};
constexpr std::array<Words, 2> tpm_versions{"2.0", "1.2"};
constexpr std::array<Words, 2> tpm_models{"tis", "crb"};
constexpr std::array tpm_keys{KeyRule{"version", string, tpm_versions}, KeyRule{"model", string, tpm_models},
                              KeyRule{"state", string | as_path}, enabled_key};
constexpr std::array hotplug_keys{KeyRule{"pcie-ports", integer, {}, 0, 200}, KeyRule{"usb", boolean}};
constexpr std::array hook_keys{KeyRule{"started", strings}, KeyRule{"stopped", strings},
                               KeyRule{"crashed", strings}};
constexpr std::array lifecycle_keys{KeyRule{"stop-timeout", duration},
                                    KeyRule{"on-reboot", string, words_of<OnReboot>},
                                    KeyRule{"on-crash", string, words_of<OnCrash>},
                                    KeyRule{"on-supervisor-death", string, words_of<OnSupervisorDeath>},
                                    KeyRule{"on-helper-death", string, words_of<OnHelperDeath>},
                                    KeyRule{"hooks", table, {}, 0, 0, hook_keys}};
constexpr std::array attach_keys{KeyRule{"allow", string, words_of<AttachAllow>}};
constexpr std::array jail_keys{KeyRule{"mode", string, words_of<JailMode>},
                               KeyRule{"landlock", string, words_of<JailLandlock>},
                               KeyRule{"on-violation", string, words_of<JailViolation>},
                               KeyRule{"binds-ro", strings | as_path},
                               KeyRule{"cgroup", string, words_of<JailCgroup>},
                               KeyRule{"root", string, words_of<JailRoot>},
                               KeyRule{"net", string, words_of<JailNet>},
                               KeyRule{"user", string},
                               KeyRule{"uid-range", string},
                               KeyRule{"io-uring", boolean},
                               KeyRule{"qemu-sandbox", boolean}};
constexpr std::array io_keys{KeyRule{"read", size, {}, 4096}, KeyRule{"write", size, {}, 4096}};
constexpr std::array limits_keys{
    KeyRule{"memory", size, {}, 1 << 20},
    KeyRule{"cpu", processors, {}, least_processors, most_processors},
    KeyRule{"pids", integer, {}, 16, 4 << 20},
    KeyRule{"io", table, {}, 0, 0, io_keys},
};
constexpr std::array qemu_keys{KeyRule{"binary", string | as_path}, KeyRule{"loader", string | as_path},
                               KeyRule{"library-path", string | strings | as_path},
                               KeyRule{"module-dir", string | as_path},
                               KeyRule{"data", string | strings | as_path}};
constexpr std::array qmp_keys{KeyRule{"at", string, words_of<CommandAt>}, KeyRule{"execute", string},
                              KeyRule{"arguments", table}};
constexpr std::array argv_rule{KeyRule{"argv", strings}};
constexpr std::array host_keys{
    KeyRule{"kind", string, host_kinds},
    KeyRule{"path", string | as_path},
    KeyRule{"access", string, access_words},
    KeyRule{"mode", string, socket_modes},
    KeyRule{"runtime", string},
    KeyRule{"address", string},
    KeyRule{"protocol", string, client_protocols},
    KeyRule{"ifname", string},
    KeyRule{"bridge", string},
    KeyRule{"queues", integer, {}, 1, most_queues},
    KeyRule{"mtu", integer, {}, least_mtu, most_mtu},
    KeyRule{"parent", string},
    KeyRule{"mac", string},
    KeyRule{"count", integer, {}, 1, most_queues},
    KeyRule{"profile", string, process_profiles},
    KeyRule{"command", strings},
    KeyRule{"loader", string | as_path},
    KeyRule{"library-path", string | strings | as_path},
    KeyRule{"uid-map", strings},
    KeyRule{"gid-map", strings},
    KeyRule{"env", string},
    KeyRule{"credential", string},
    KeyRule{"device", string},
    KeyRule{"user", string},
    KeyRule{"ssh-keys", strings},
    KeyRule{"hostname", string},
    KeyRule{"user-data", string | as_path},
    KeyRule{"user-data-text", string},
    KeyRule{"network-config", string | as_path},
    KeyRule{"instance-id", string},
};

constexpr std::array tables{
    TableRule{"name", Shape::Plain, name_rule},
    TableRule{"extends", Shape::Plain, extends_rule},
    TableRule{"include", Shape::Plain, include_rule},
    TableRule{"unset", Shape::Plain, unset_rule},
    TableRule{"vars", Shape::Single, {}, true},
    TableRule{"defaults", Shape::Plain, defaults_rule},
    TableRule{"memory", Shape::Single, memory_keys, false, "size", size},
    TableRule{"cpus", Shape::Single, cpus_keys, false, "count", integer},
    TableRule{"numa", Shape::Named, numa_keys, false, {}, 0, true, false, true},
    TableRule{"machine", Shape::Single, machine_keys, true, "type", string},
    TableRule{"cpu", Shape::Single, cpu_keys, true, "model", string},
    TableRule{"kernel", Shape::Single, kernel_keys, false, {}, 0, true},
    TableRule{"firmware", Shape::Single, firmware_keys, false, "type", string},
    TableRule{"disk", Shape::Named, disk_keys, false, {}, 0, true},
    TableRule{"cdrom", Shape::Named, cdrom_keys, false, {}, 0, true},
    TableRule{"cloud-init", Shape::Single, cloud_init_keys, false, {}, 0, true},
    TableRule{"net", Shape::Named, net_keys, false, {}, 0, true},
    TableRule{"share", Shape::Named, share_keys, false, {}, 0, true},
    TableRule{"console", Shape::Single, console_keys, false, "type", string, true},
    TableRule{"rng", Shape::Single, rng_keys, false, {}, 0, true},
    TableRule{"balloon", Shape::Single, balloon_keys, false, {}, 0, true},
    TableRule{"agent", Shape::Single, agent_keys, false, {}, 0, true},
    TableRule{"vsock", Shape::Single, vsock_keys, false, {}, 0, true},
    TableRule{"input", Shape::Single, input_keys, false, {}, 0, true},
    TableRule{"uuid", Shape::Plain, uuid_rule},
    TableRule{"rtc", Shape::Single, rtc_keys, false, "base", string},
    TableRule{"watchdog", Shape::Single, watchdog_keys, false, "model", string, true},
    TableRule{"audio", Shape::Single, audio_keys, false, "model", string, true},
    TableRule{"video", Shape::Single, video_keys, false, "model", string, true},
    TableRule{"display", Shape::Single, display_keys, false, "type", string, true},
    TableRule{"tpm", Shape::Single, tpm_keys, false, {}, 0, true},
    TableRule{"host-device", Shape::Named, host_device_keys, false, {}, 0, true},
    TableRule{"iothread", Shape::Named, iothread_keys, true, {}, 0, true},
    TableRule{"throttle", Shape::Named, throttle_keys, false, {}, 0, true},
    TableRule{"secret", Shape::Named, secret_keys, false, {}, 0, true},
    TableRule{"link-down", Shape::Plain, link_down_rule},
    TableRule{"hotplug", Shape::Single, hotplug_keys},
    TableRule{"lifecycle", Shape::Single, lifecycle_keys},
    TableRule{"limits", Shape::Single, limits_keys},
    TableRule{"jail", Shape::Single, jail_keys},
    TableRule{"attach", Shape::Single, attach_keys},
    TableRule{"qemu", Shape::Single, qemu_keys, false, "binary", string},
    TableRule{"object", Shape::Raw, {}, true},
    TableRule{"chardev", Shape::Raw, {}, true},
    TableRule{"blockdev", Shape::Raw, {}, true},
    TableRule{"netdev", Shape::Raw, {}, true},
    TableRule{"audiodev", Shape::Raw, {}, true},
    TableRule{"device", Shape::Raw, {}, true},
    TableRule{"host", Shape::Raw, host_keys},
    TableRule{"global", Shape::Raw, {}, true},
    TableRule{"option", Shape::Raw, {}, true, {}, 0, false, true},
    TableRule{"qmp", Shape::List, qmp_keys},
    TableRule{"argv", Shape::Plain, argv_rule},
};

/// Members of raw tables and overrides that QEMU knows as strings and people fill with digits.
constexpr std::array<Words, 6> raw_strings{"serial", "mac", "filename", "driver", "node-name", "ifname"};

bool letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool digit(char c) {
    return c >= '0' && c <= '9';
}

/// The short form of `value` as a table, at the same place.
void expand(const TableRule& rule, Entry& entry) {
    Value& value = entry.value;
    // What it will be is not known yet.
    const bool variable = value.is_string() && value.string()->find("${") != std::string::npos;
    const bool flag = rule.switchable && (value.boolean() != nullptr || (variable && rule.short_takes == 0));
    const bool word = (variable && rule.short_takes != 0) ||
                      (value.is_string() && (rule.short_takes & (string | size)) != 0) ||
                      (value.integer() != nullptr && (rule.short_takes & (integer | size)) != 0);
    if (!flag && !word) return;
    const Origin origin = value.origin;
    Table table;
    table.set(std::string(flag ? "enabled" : rule.short_key), entry.key_origin, std::move(value));
    value = Value(std::move(table), origin);
}

}  // namespace

std::span<const TableRule> vocabulary() {
    return tables;
}

const TableRule* table_rule(std::string_view name) {
    const auto found = std::ranges::find(tables, name, &TableRule::name);
    return found == tables.end() ? nullptr : &*found;
}

const KeyRule* key_rule(const TableRule& rule, std::string_view key) {
    const auto found = std::ranges::find(rule.keys, key, &KeyRule::name);
    return found == rule.keys.end() ? nullptr : &*found;
}

void expand_short_forms(Table& root) {
    for (auto& entry : root.entries()) {
        const TableRule* rule = table_rule(entry.key);
        if (rule == nullptr) continue;
        if (rule->shape == Shape::Single) expand(*rule, entry);
        if (rule->shape != Shape::Named || !entry.value.is_table()) continue;
        for (auto& item : entry.value.table()->entries()) expand(*rule, item);
    }
}

unsigned takes_at(std::span<const std::string> path) {
    const TableRule* rule = path.empty() ? nullptr : table_rule(path.front());
    if (rule == nullptr) return 0;
    if (rule->shape == Shape::Plain) return path.size() == 1 ? rule->keys.front().takes : 0;
    if (rule->shape == Shape::List) return 0;
    const std::size_t depth = rule->shape == Shape::Single ? 1 : 2;
    if (path.size() == depth) return rule->short_takes | table | boolean;
    if (path.size() < depth) return 0;
    const KeyRule* key = path.size() == depth + 1 ? key_rule(*rule, path.back()) : nullptr;
    if (key != nullptr) return key->takes;
    const bool below_qemu = rule->shape == Shape::Raw || path.size() > depth + 1;
    return below_qemu && std::ranges::find(raw_strings, path.back()) != raw_strings.end() ? string : 0;
}

bool is_sugar_id(std::string_view id) {
    const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || digit(c) || c == '-'; };
    return !id.empty() && id.size() <= 20 && id[0] >= 'a' && id[0] <= 'z' && std::ranges::all_of(id, fits);
}

bool is_vm_name(std::string_view name) {
    const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || digit(c) || c == '-'; };
    return !name.empty() && name.size() <= longest_vm_name && name[0] >= 'a' && name[0] <= 'z' &&
           std::ranges::all_of(name, fits);
}

bool is_raw_id(std::string_view id) {
    const auto fits = [](char c) { return letter(c) || digit(c) || c == '.' || c == '_' || c == '-'; };
    return !id.empty() && letter(id[0]) && std::ranges::all_of(id, fits);
}

}  // namespace qvm::config
