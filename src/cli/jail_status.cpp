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
#include "config/resource.hpp"
#include "config/rules_buses.hpp"
#include "config/shared_memory.hpp"
#include "jail/landlock.hpp"
#include "jail/profile.hpp"
#include "jail/reduced.hpp"
#include "jail/verdict.hpp"
#include "launch/helper_jail.hpp"
#include "launch/socket_place.hpp"

namespace qvm::cli {
namespace {

/// One process of the VM and what came out about it.
struct Judged {
    std::string name;
    jail::ProcFacts facts;
    std::vector<jail::Finding> findings;
};

struct Helper {
    std::string profile;
    std::string share = {};  ///< the directory that a virtiofsd serves
    bool read_only = false;
    std::vector<config::IdRange> uid_map = {}, gid_map = {};
};

class Audit {
  public:
    Audit(const launch::VmState& vm, const launch::Applied& applied) : ours_(jail::read_facts(::getpid())) {
        promise_.uid = ::geteuid() == 0 ? vm.known_uid().value_or(0) : ::geteuid();
        if (::geteuid() == 0 && applied.ids) {
            promise_.uid = applied.ids->uid;
            promise_.gid = applied.ids->gid;
        }
        host_network_ = applied.net == "host";
        const auto running = launch::lower_compiled(applied.compiled);
        has_places_ = std::ranges::any_of(
            running.resources, [&](const auto& netdev) { return config::waits_for_peer(netdev, running); });
        promise_.no_groups = ::geteuid() == 0;
        promise_.reduced = applied.jail == config::word_of(config::JailMode::Reduced);
        if (promise_.reduced && applied.accel == "kvm") promise_.group = jail::group_of_kvm();
        const int abi = jail::landlock_abi();
        kernel_landlock_ = abi > 0 ? fmt::format("this kernel has ABI {}", abi) : "this kernel has none";
        landlock_ = fmt::format("jail.landlock = \"{}\"; {}", applied.landlock, kernel_landlock_);
        on_violation_ = fmt::format("jail.on-violation = \"{}\"", applied.on_violation);
    }
    /// The one outside; an orphan has none.
    void add_supervisor(const launch::ProcessRecord& supervisor) {
        if (!supervisor.open()) return;
        promise_.signals = ::geteuid() == 0;
        promise_.unseen = {{"landlock", kernel_landlock_ + unseen}};
        judge("supervisor", supervisor.pid, jail::Role::Supervisor, jail::Role::Supervisor);
        promise_.signals = false;
    }
    /// A stub and what it is the stub of: QEMU where no helper is meant. A process that has ended meanwhile
    /// is left out.
    void add(const std::string& name, const launch::ProcessRecord& stub, const Helper& helper = {}) {
        if (!stub.open()) return;
        const auto& profile = helper.profile;
        const bool serves_files = profile == "virtiofsd";
        const auto role = profile.empty() || profile == "swtpm" || serves_files ? jail::Role::Contained
                                                                                : jail::Role::Sandboxing;
        network_ = profile.empty() && host_network_;
        promise_.unseen.clear();
        promise_.writable.clear();
        if (profile.empty() && has_places_) promise_.writable = {launch::places_in_jail};
        promise_.directory.reset();
        if (profile == "swtpm") {
            promise_.writable = {launch::directory_in_jail};
            promise_.directory = launch::directory_number;
        }
        const auto qemus = promise_;
        if (serves_files) expect_to_serve(helper);
        judge(name + " (stub)", stub.pid, jail::Role::Stub, role);
        promise_.directories = serves_files;
        if (profile == "swtpm" || serves_files)
            promise_.unseen = {{"landlock", kernel_landlock_ + unseen}};
        else if (role == jail::Role::Contained)
            promise_.unseen = {{"landlock", landlock_ + unseen}, {"other calls", on_violation_ + unseen}};
        else
            promise_.unseen = {{"landlock", "off: it mounts"}};
        for (const pid_t child : jail::children_of(stub.pid)) judge(name, child, role, role);
        promise_ = qemus;
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
    static constexpr const char* unseen = "; /proc does not show what is in force";

    /// It opens whatever is in the one directory of the host that it has, as the directory's owner.
    void expect_to_serve(const Helper& helper) {
        promise_.writable = {"/proc"};
        if (!helper.read_only) promise_.writable.emplace_back(launch::directory_in_jail);
        if (::geteuid() != 0) return;
        if (!helper.uid_map.empty()) {
            promise_.capabilities = jail::capabilities_to_serve;
            promise_.uid = config::host_id(helper.uid_map, 0).value_or(0);
            promise_.gid = config::host_id(helper.gid_map, 0).value_or(0);
            return;
        }
        const auto owner = launch::owner_of(
            helper.share, launch::HostIds{promise_.uid, promise_.gid.value_or(promise_.uid)});
        promise_.uid = owner->uid;
        promise_.gid = owner->gid;
    }

    void judge(const std::string& name, pid_t pid, jail::Role role, jail::Role jail) {
        auto promise = promise_;
        promise.role = role;
        const bool sandboxing = jail == jail::Role::Sandboxing;
        promise.network = sandboxing || (network_ && jail == jail::Role::Contained);
        // It builds its own sandbox with these; afterwards its root is elsewhere, and empty.
        if (sandboxing) promise.writable = {"/tmp", "/proc"};
        auto facts = jail::read_facts(pid);
        auto findings = jail::judge(facts, ours_, promise);
        if (role == jail::Role::Supervisor) facts.fds.clear();  // nothing is promised of them
        processes_.push_back({name, std::move(facts), std::move(findings)});
    }

    jail::ProcFacts ours_;
    jail::Promise promise_;
    bool host_network_ = false;  ///< QEMU has the host's
    bool has_places_ = false;    ///< QEMU has had a place to make a socket in
    bool network_ = false;       ///< so has whoever is judged
    std::string kernel_landlock_, landlock_, on_violation_;
    std::vector<Judged> processes_;
};

/// What the file says of the helper called "host.X".
Helper helper_of(const std::string& name, const config::Vm& running) {
    Helper helper{"passt"};
    const config::Resource* said = running.find({config::Kind::Host, name.substr(name.find('.') + 1)});
    if (said == nullptr) return helper;
    const auto text = [&](const char* key) {
        const std::string* value = config::text_at(*said, key);
        return value == nullptr ? std::string() : *value;
    };
    const auto map = [&](const char* key) { return config::id_ranges(said->properties.table()->find(key)); };
    return {text("profile"), text("path"), text("access") == "ro", map("uid-map"), map("gid-map")};
}

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
        auto says = finding.says;
        if (!finding.why.empty()) says += (says.empty() ? "" : "; ") + finding.why;
        rows.push_back({"  " + finding.property, std::string(jail::verdict_text(finding.verdict)),
                        escape_controls(says)});
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
    Audit audit(vm, *applied);
    audit.add("qemu", applied->stub);
    if (!applied->helpers.empty()) {
        const auto running = launch::lower_compiled(applied->compiled);
        for (const auto& [name, record] : applied->helpers) audit.add(name, record, helper_of(name, running));
    }
    if (audit.processes().empty()) throw not_running(vm);
    audit.add_supervisor(applied->supervisor);
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
    return audit.all_kept() ? ExitCode::Ok : ExitCode::JailBroken;
}

}  // namespace qvm::cli
