// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/effects.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace qvm::shell {
namespace {

using Times = Effect::Times;

constexpr std::string_view begins_block_job =
    "block-stream block-commit blockdev-mirror drive-mirror blockdev-backup drive-backup";
constexpr std::string_view steers_block_job =
    "block-job-cancel block-job-complete block-job-pause block-job-resume block-job-set-speed "
    "block-job-finalize block-job-dismiss block-job-change";
constexpr std::string_view steers_job =
    "job-cancel job-complete job-pause job-resume job-finalize job-dismiss";
constexpr std::string_view begins_job = "blockdev-create snapshot-save snapshot-load snapshot-delete";
constexpr std::string_view moves_tray = "eject blockdev-open-tray blockdev-close-tray blockdev-change-medium";
constexpr std::string_view migrates =
    "migrate migrate_cancel migrate-continue migrate-incoming migrate-pause migrate-recover "
    "migrate-start-postcopy";

/// QAPI: what the events' documentation says of when they are emitted.
constexpr std::array table{
    Effect{"device_del", "DEVICE_DELETED DEVICE_UNPLUG_GUEST_ERROR MEM_UNPLUG_ERROR", "id", "device"},
    Effect{"device_del", "DEVICE_DELETED DEVICE_UNPLUG_GUEST_ERROR", "id", "path"},
    Effect{"device_del", "ACPI_DEVICE_OST", "id", "info.device"},

    Effect{begins_block_job, "JOB_STATUS_CHANGE BLOCK_JOB_PENDING", "job-id device", "id"},
    Effect{begins_block_job, "BLOCK_JOB_*", "job-id device", "device"},
    Effect{steers_block_job, "JOB_STATUS_CHANGE BLOCK_JOB_PENDING", "device id", "id"},
    Effect{steers_block_job, "BLOCK_JOB_*", "device id", "device"},
    Effect{steers_job, "JOB_STATUS_CHANGE BLOCK_JOB_PENDING", "id", "id"},
    Effect{steers_job, "BLOCK_JOB_*", "id", "device"},
    Effect{begins_job, "JOB_STATUS_CHANGE", "job-id", "id"},

    Effect{"stop", "STOP", "", "", Times::Once},
    Effect{"cont", "RESUME", "", "", Times::Once},
    Effect{"snapshot-load snapshot-save dump-guest-memory", "STOP RESUME", "", "", Times::Once},
    Effect{"dump-guest-memory", "DUMP_COMPLETED", "", "", Times::Once},
    Effect{"system_wakeup", "WAKEUP", "", "", Times::Once},
    Effect{"system_powerdown", "POWERDOWN", "", "", Times::Once},
    Effect{"system_powerdown", "SHUTDOWN", "=guest-shutdown", "reason", Times::Once},
    Effect{"system_reset", "RESET SHUTDOWN", "=host-qmp-system-reset", "reason", Times::Once},
    Effect{"quit", "SHUTDOWN", "=host-qmp-quit", "reason", Times::Once},

    Effect{moves_tray, "DEVICE_TRAY_MOVED", "id", "id"},
    Effect{moves_tray, "DEVICE_TRAY_MOVED", "device", "device"},
    Effect{"block-set-write-threshold", "BLOCK_WRITE_THRESHOLD", "node-name", "node-name"},
    Effect{"block-export-del", "BLOCK_EXPORT_DELETED", "id", "id"},
    Effect{"nbd-server-remove", "BLOCK_EXPORT_DELETED", "name", "id"},
    Effect{"nbd-server-stop", "BLOCK_EXPORT_DELETED", "", ""},

    Effect{"balloon", "BALLOON_CHANGE", "", ""},
    Effect{"qom-set", "MEMORY_DEVICE_SIZE_CHANGE", "path", "qom-path"},
    Effect{"netdev_add netdev_del", "NETDEV_*", "id", "netdev-id"},

    Effect{migrates, "MIGRATION MIGRATION_PASS UNPLUG_PRIMARY VFIO_MIGRATION", "", ""},
    Effect{"migrate", "STOP", "", "", Times::Once},
    Effect{"client_migrate_info", "SPICE_MIGRATE_COMPLETED", "", "", Times::Once},
};

/// The first of a list, which is taken off it; empty at its end.
std::string_view take_word(std::string_view& list) {
    list.remove_prefix(std::min(list.find_first_not_of(' '), list.size()));
    const auto word = list.substr(0, list.find(' '));
    list.remove_prefix(word.size());
    return word;
}

bool lists(std::string_view list, std::string_view name) {
    for (auto word = take_word(list); !word.empty(); word = take_word(list)) {
        const bool begins = word.ends_with('*') && name.starts_with(word.substr(0, word.size() - 1));
        if (begins || word == name) return true;
    }
    return false;
}

/// The text of a member at a dotted path; nothing where there is none.
std::optional<std::string> member_text(const Json& object, std::string_view path) {
    const Json* at = &object;
    while (!path.empty()) {
        const auto name = path.substr(0, path.find('.'));
        path.remove_prefix(std::min(name.size() + 1, path.size()));
        if (!at->is_object()) return std::nullopt;
        const auto found = at->find(std::string(name));
        if (found == at->end()) return std::nullopt;
        at = &*found;
    }
    return at->is_string() ? std::optional(at->get<std::string>()) : std::nullopt;
}

/// What a command may cause: events of that row with that value.
struct Expected {
    const Effect* row = nullptr;
    std::string value;
};

void add_expected(std::vector<Expected>& out, std::string_view command, const Json& arguments) {
    for (const auto& row : table) {
        if (!lists(row.commands, command)) continue;
        if (row.argument.empty() || row.argument.starts_with('=')) {
            out.push_back({&row, std::string(row.argument.substr(row.argument.empty() ? 0 : 1))});
            continue;
        }
        auto names = row.argument;
        std::optional<std::string> value;
        for (auto name = take_word(names); !name.empty() && !value; name = take_word(names))
            value = member_text(arguments, name);
        if (value) out.push_back({&row, std::move(*value)});
    }
}

/// A command that failed has caused nothing; of one that was lost nobody knows.
std::vector<Expected> expected_of(const Item& command) {
    std::vector<Expected> out;
    if (command.kind != ItemKind::Command || command.state == ItemState::Error) return out;
    const bool transaction = command.name == "transaction";
    if (!transaction &&
        std::ranges::none_of(table, [&](const Effect& row) { return lists(row.commands, command.name); }))
        return out;
    const auto message = Json::parse(command.sent(), nullptr, false);
    const auto arguments = message.is_object() ? message.value("arguments", Json::object()) : Json::object();
    if (!transaction) {
        add_expected(out, command.name, arguments);
        return out;
    }
    const auto actions = arguments.is_object() ? arguments.value("actions", Json::array()) : Json::array();
    for (const auto& action : actions)
        if (const auto type = member_text(action, "type"))
            add_expected(out, *type, action.value("data", Json::object()));
    return out;
}

bool is_expected(const Expected& expected, const Item& item) {
    if (item.kind != ItemKind::Event || !lists(expected.row->events, item.name)) return false;
    if (expected.row->member.empty()) return true;
    const auto message = Json::parse(item.received, nullptr, false);
    const auto data = message.is_object() ? message.value("data", Json::object()) : Json::object();
    return member_text(data, expected.row->member) == expected.value;
}

/// Between two items, both excluded, there is such an event of that name.
bool has_come(const Transcript& transcript, const Expected& expected, std::string_view name,
              std::uint64_t begin, std::uint64_t end) {
    for (auto number = begin + 1; number < end; ++number) {
        const auto& item = *transcript.find(number);
        if (item.name == name && is_expected(expected, item)) return true;
    }
    return false;
}

}  // namespace

std::span<const Effect> effects() {
    return table;
}

std::optional<std::uint64_t> cause_of(const Transcript& transcript, std::uint64_t event) {
    const auto* item = transcript.find(event);
    if (item == nullptr || item->kind != ItemKind::Event) return std::nullopt;
    for (auto number = event; number-- > transcript.first();) {
        for (const auto& expected : expected_of(*transcript.find(number))) {
            if (!is_expected(expected, *item)) continue;
            const bool once = expected.row->times == Times::Once;
            if (once && has_come(transcript, expected, item->name, number, event)) return std::nullopt;
            return number;
        }
    }
    return std::nullopt;
}

std::optional<std::uint64_t> effect_after(const Transcript& transcript, std::uint64_t command,
                                          std::uint64_t after) {
    const auto* item = transcript.find(command);
    if (item == nullptr) return std::nullopt;
    auto expected = expected_of(*item);
    for (auto number = std::max(command, after) + 1; number < transcript.next() && !expected.empty();
         ++number) {
        const auto& event = *transcript.find(number);
        const auto found =
            std::ranges::find_if(expected, [&](const auto& one) { return is_expected(one, event); });
        if (found == expected.end()) continue;
        if (cause_of(transcript, number) == command) return number;
        // It is another command's: so is all of that kind from here on.
        expected.erase(found);
    }
    return std::nullopt;
}

}  // namespace qvm::shell
