// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/replay.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "shell/json_text.hpp"
#include "shell/secrets.hpp"

namespace qvm::shell {

Replay replay_of(const std::vector<const Item*>& items, ReplayTiming timing) {
    Replay replay;
    std::int64_t before = 0;
    for (const auto* item : items) {
        if (item->kind != ItemKind::Command) continue;
        const auto execute = json_member(item->sent(), "execute");
        const auto oob = json_member(item->sent(), "exec-oob");
        const auto name = json_string_value(execute.value_or(oob.value_or("")));
        if (name == "qmp_capabilities") continue;
        if (name.empty() || !is_json(item->sent())) {
            replay.left_out.push_back(
                fmt::format("item {} is no command: {}", item->number, printable(item->sent(), 60)));
            continue;
        }
        if (item->sent().find(mask) != std::string::npos) {
            replay.left_out.push_back(fmt::format("item {}, {}, had a secret, which the log does not hold",
                                                  item->number, printable(name)));
            continue;
        }
        ReplayStep step;
        if (timing == ReplayTiming::AsThen && !replay.steps.empty())
            step.delay = std::max<std::int64_t>(0, item->began - before);
        before = item->began;
        step.command = name;
        step.arguments = json_member(item->sent(), "arguments").value_or("");
        step.oob = !execute;
        step.state = item->state == ItemState::Pending ? ItemState::Lost : item->state;
        step.reply = item->received;
        step.item = item->number;
        replay.steps.push_back(std::move(step));
    }
    return replay;
}

std::vector<JsonDifference> compare_replay(const ReplayStep& step, std::string_view reply) {
    if (step.reply.empty()) return {};
    return compare_messages(step.reply, reply);
}

}  // namespace qvm::shell
