// SPDX-License-Identifier: GPL-3.0-or-later
// `qvm status --jail`: what the kernel says is in force.
#include <algorithm>
#include <unistd.h>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/jail_verbs.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "jail/verdict.hpp"

namespace qvm::cli {
namespace {

/// One process of the VM and what came out about it.
struct Judged {
    std::string name;
    jail::ProcFacts facts;
    std::vector<jail::Finding> findings;
};

class Audit {
  public:
    explicit Audit(launch::VmState& vm) : ours_(jail::read_facts(::getpid())) {
        promise_.uid = ::geteuid() == 0 ? vm.host_uid().value_or(0) : ::geteuid();
        promise_.no_groups = ::geteuid() == 0;
    }
    /// A stub and what it is the stub of. A process that has ended meanwhile is left out.
    void add(const std::string& name, const launch::ProcessRecord& stub, jail::Role role) {
        if (!stub.open()) return;
        judge(name + " (stub)", stub.pid, jail::Role::Stub, role);
        for (const pid_t child : jail::children_of(stub.pid)) judge(name, child, role, role);
    }
    const std::vector<Judged>& processes() const { return processes_; }
    bool all_kept() const {
        return std::ranges::none_of(processes_, [](const auto& process) {
            return std::ranges::any_of(process.findings, [](const auto& finding) {
                return finding.verdict == jail::Verdict::Broken;
            });
        });
    }

  private:
    void judge(const std::string& name, pid_t pid, jail::Role role, jail::Role jail) {
        auto promise = promise_;
        promise.role = role;
        promise.network = jail == jail::Role::Sandboxing;
        auto facts = jail::read_facts(pid);
        auto findings = jail::judge(facts, ours_, promise);
        processes_.push_back({name, std::move(facts), std::move(findings)});
    }

    jail::ProcFacts ours_;
    jail::Promise promise_;
    std::vector<Judged> processes_;
};

Json to_json(const Judged& process) {
    Json json = Json::object();
    json["process"] = process.name;
    json["pid"] = process.facts.pid;
    Json& rows = json["properties"] = Json::array();
    for (const auto& finding : process.findings) {
        Json row = Json::object({{"property", finding.property}, {"kernel", finding.says}});
        if (finding.verdict != jail::Verdict::Told) row["verdict"] = jail::verdict_text(finding.verdict);
        if (!finding.why.empty()) row["why"] = finding.why;
        rows.push_back(std::move(row));
    }
    Json& fds = json["fds"] = Json::array();
    for (const auto& fd : process.facts.fds)
        fds.push_back(Json::object({{"number", fd.number}, {"access", fd.access}, {"target", fd.target}}));
    Json& mounts = json["mounts"] = Json::array();
    for (const auto& mount : process.facts.mounts)
        mounts.push_back(
            Json::object({{"target", mount.target}, {"type", mount.type}, {"writable", mount.writable}}));
    json["namespaces"] = process.facts.namespaces;
    json["limits"] = process.facts.limits;
    return json;
}

std::string to_text(const Judged& process) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& finding : process.findings) {
        std::string verdict(jail::verdict_text(finding.verdict));
        if (!finding.why.empty()) verdict += ": " + finding.why;
        rows.push_back({"  " + finding.property, escape_controls(finding.says), escape_controls(verdict)});
    }
    std::string text = fmt::format("{}, pid {}\n{}", process.name, process.facts.pid, table(rows));
    std::vector<std::vector<std::string>> fds;
    for (const auto& fd : process.facts.fds)
        fds.push_back({fmt::format("  fd {}", fd.number), fd.access, escape_controls(fd.target)});
    return text + (fds.empty() ? std::string() : table(fds));
}

}  // namespace

ExitCode jail_status(const std::string& word, bool json) {
    launch::VmState vm = find_vm(word);
    const auto applied = vm.applied();
    if (vm.condition() == launch::Condition::Stopped || !applied) throw not_running(vm);
    if (applied->jail == "off")
        throw Error(ExitCode::Usage, fmt::format("{} runs without a jail", vm.name()),
                    "jail.mode = \"off\" asked for that; \"strict\" is the default");
    Audit audit(vm);
    audit.add("qemu", applied->stub, jail::Role::Contained);
    for (const auto& [name, record] : applied->helpers) audit.add(name, record, jail::Role::Sandboxing);
    if (audit.processes().empty()) throw not_running(vm);
    if (json) {
        Json all = Json::object({{"name", vm.name()}, {"as-promised", audit.all_kept()}});
        for (const auto& process : audit.processes()) all["processes"].push_back(to_json(process));
        fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
    } else {
        for (const auto& process : audit.processes()) fmt::print("{}\n", to_text(process));
        fmt::print("{}: {}\n", vm.name(),
                   audit.all_kept() ? "the jail is as promised, as far as it could be read"
                                    : "the jail is NOT as promised: see above");
    }
    return audit.all_kept() ? ExitCode::Ok : ExitCode::Usage;
}

}  // namespace qvm::cli
