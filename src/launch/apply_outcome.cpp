// SPDX-License-Identifier: GPL-3.0-or-later
// What a supervisor says of an apply, on its way to the caller.
#include <array>

#include "launch/applier.hpp"

namespace qvm::launch {
namespace {

/// In the order of the enum.
constexpr std::array<const char*, 3> doing_words{"step", "wait", "undo"};

}  // namespace

Json ApplyOutcome::to_json() const {
    return Json::object({{"done", done},
                         {"failed", failed},
                         {"reason", reason},
                         {"origin", origin},
                         {"died", died},
                         {"not-undone", not_undone},
                         {"pending", pending},
                         {"deferred", deferred},
                         {"refused", refused},
                         {"cancelled", cancelled},
                         {"left", left}});
}

ApplyOutcome ApplyOutcome::from_json(const Json& saved) {
    const auto list = [&](const char* key) { return saved.at(key).get<std::vector<std::string>>(); };
    const auto text = [&](const char* key) { return saved.at(key).get<std::string>(); };
    // A supervisor may be older than we are: it knows nothing of being told to stop.
    return {list("done"),
            text("failed"),
            text("reason"),
            text("origin"),
            saved.at("died").get<bool>(),
            list("not-undone"),
            list("pending"),
            list("deferred"),
            list("refused"),
            saved.value("cancelled", false),
            saved.value("left", std::vector<std::string>())};
}

Json ApplyStep::to_json() const {
    return Json::object({{"doing", doing_words.at(static_cast<std::size_t>(doing))},
                         {"title", title},
                         {"index", index},
                         {"count", count}});
}

ApplyStep ApplyStep::from_json(const Json& saved) {
    ApplyStep step;
    const auto word = saved.at("doing").get<std::string>();
    for (std::size_t i = 0; i < doing_words.size(); ++i)
        if (word == doing_words.at(i)) step.doing = static_cast<Doing>(i);
    step.title = saved.at("title").get<std::string>();
    step.index = saved.at("index").get<std::size_t>();
    step.count = saved.at("count").get<std::size_t>();
    return step;
}

}  // namespace qvm::launch
