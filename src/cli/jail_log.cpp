// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <set>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/jail_verbs.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "jail/proc_facts.hpp"
#include "jail/refusals.hpp"

namespace qvm::cli {
namespace {

/// Which lines of the log are a VM's: as root its uid is nobody else's, at any time; else what runs now.
class Owner {
  public:
    explicit Owner(const std::string& word) {
        launch::VmState vm = find_vm(word);
        const auto applied = vm.applied();
        if (::geteuid() == 0) uid_ = applied && applied->ids ? applied->ids->uid : vm.known_uid();
        if (!applied || vm.condition() == launch::Condition::Stopped) return;
        add(applied->stub.pid);
        for (const auto& [name, record] : applied->helpers) add(record.pid);
    }
    bool has(const jail::Refusal& refusal) const {
        return uid_ == refusal.uid || pids_.contains(refusal.pid);
    }

  private:
    void add(pid_t stub) {
        pids_.insert(stub);
        for (const pid_t child : jail::children_of(stub)) pids_.insert(child);
    }

    std::optional<std::uint32_t> uid_;
    std::set<pid_t> pids_;
};

Json to_json(const jail::Refusal& refusal) {
    return Json::object({{"seconds", refusal.seconds},
                         {"pid", refusal.pid},
                         {"uid", refusal.uid},
                         {"command", refusal.command},
                         {"program", refusal.program},
                         {"call", refusal.call},
                         {"killed", refusal.killed},
                         {"text", refusal.to_string()}});
}

ExitCode log(const std::string& word, bool json) {
    auto refusals = jail::read_refusals();
    if (!word.empty()) {
        const Owner owner(word);
        std::erase_if(refusals, [&](const auto& refusal) { return !owner.has(refusal); });
    }
    if (json) {
        Json all = Json::array();
        for (const auto& refusal : refusals) all.push_back(to_json(refusal));
        fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
        return ExitCode::Ok;
    }
    std::vector<std::vector<std::string>> rows;
    for (const auto& refusal : refusals)
        rows.push_back({fmt::format("[{:.3f}]", refusal.seconds), fmt::format("pid {}", refusal.pid),
                        escape_controls(refusal.program), refusal.to_string()});
    fmt::print("{}", rows.empty() ? "the kernel's log has no refused system call; a VM's filter refuses "
                                    "without logging (see qvm-jail(7), LOGGING)\n"
                                  : table(rows));
    return ExitCode::Ok;
}

}  // namespace

void add_jail_log(CLI::App& jail, Action& action) {
    auto* verb =
        jail.add_subcommand("log", "Explain the system calls that jails refused, from the kernel's log");
    auto word = std::make_shared<std::string>();
    auto json = std::make_shared<bool>(false);
    verb->add_option("name", *word, "only those of this VM")->type_name("NAME");
    verb->add_flag("--json", *json, "as JSON");
    verb->callback([word, json, &action] { action = [word, json] { return log(*word, *json); }; });
}

}  // namespace qvm::cli
