// SPDX-License-Identifier: GPL-3.0-or-later
// How compile_changes() works: one object for each run, in two files. compile_changes.cpp knows of what comes
// and goes, compile_in_place.cpp of what stays and changes.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "launch/compile_changes.hpp"

namespace qvm::launch {

class ChangeCompiler {
  public:
    ChangeCompiler(const Side& running, const Side& wanted, const Difference& difference,
                   const qapi::Capabilities& qemu, const ObservedFdsets& fdsets, bool replug,
                   const LimitsChange& limits)
        : running_(running),
          wanted_(wanted),
          difference_(difference),
          qemu_(qemu),
          fdsets_(fdsets),
          next_fdset_(fdsets.next),
          replug_(replug),
          limits_(limits),
          made_(running.vm) {
        for (const auto& change : difference.changes) {
            if (change.resource.id.empty()) continue;
            if (change.action == Action::Add) added_.insert(change.resource);
            if (change.action == Action::Remove) removed_.insert(change.resource);
            if (change.action == Action::Replug) replugged_.insert(change.resource);
            if (change.action != Action::InPlace) continue;
            if (change.way == Way::Remake) remade_.insert(change.resource);
            if (change.way == Way::Medium && change.resource.kind == config::Kind::Blockdev)
                renewed_.insert(change.resource);
        }
    }

    ChangePlan run() {
        auto& operations = plan_.operations;
        raise_limits(operations.additions);
        release_boot_indexes(operations.additions);
        hold_balloon(operations.additions);
        add(added_, operations.additions);
        tell_balloon(operations.changes);
        in_place(operations.changes);
        reopen(operations.changes);
        other_backends(operations.changes);
        media(operations.changes);
        settings(operations.changes);
        grow(operations.changes);
        remove(removed_, operations.removals);
        for (const auto& change : difference_.changes)
            if (change.way == Way::Backend)
                remove_fdsets(*running_.vm.find(change.resource), {}, operations.removals);
        settle_limits(operations.removals);
        auto& again = remade_;
        if (replug_) again.merge(replugged_);
        if (!again.empty()) {
            remove(again, operations.replugs);
            add(again, operations.replugs);
            std::ranges::move(growths_, std::back_inserter(operations.replugs));
        }
        return std::move(plan_);
    }

  private:
    using Ids = std::set<config::ResourceId>;
    static Operation command(std::string name, Json arguments);
    static std::optional<Operation> opposite(const config::ResourceId& id);
    bool needs_guest(const config::Vm& vm, const config::Resource& device) const;
    Operation addition(const Step& step, const config::Vm& vm) const;
    static Operation growth(const Step& step);
    std::vector<Operation> additions_of(const config::Vm& vm, const Ids& which, std::vector<HostStep>& host,
                                        const std::string& prefix);
    void add(const Ids& which, std::vector<Operation>& to);
    void add_hosts(const Ids& which, std::vector<Operation>& to);
    void remove(const Ids& which, std::vector<Operation>& to);
    void remove_one(const config::Resource& resource, const Ids& which, std::vector<Operation>& to);
    void remove_fdsets(const config::Resource& resource, const std::vector<std::string>& after,
                       std::vector<Operation>& to) const;
    std::vector<std::string> devices_on(const config::ResourceId& id, const Ids& which) const;
    void release_boot_indexes(std::vector<Operation>& to) const;
    void in_place(std::vector<Operation>& to) const;
    Json options_of(const config::Resource& node) const;
    void reopen(std::vector<Operation>& to) const;
    void other_backends(std::vector<Operation>& to);
    void media(std::vector<Operation>& to);
    std::optional<Operation> told_balloon(const config::Vm& vm, std::int64_t more) const;
    static std::int64_t dimms_in(const Ids& which, const config::Vm& vm);
    void hold_balloon(std::vector<Operation>& to) const;
    void tell_balloon(std::vector<Operation>& to) const;
    void settings(std::vector<Operation>& to);
    jail::CgroupLimits wanted_limits() const;
    jail::CgroupLimits raised_limits() const;
    void raise_limits(std::vector<Operation>& to) const;
    void settle_limits(std::vector<Operation>& to);
    void grow(std::vector<Operation>& to);
    Operation qom_set(const config::ResourceId& id, const std::string& property, Json value,
                      const Origin& origin) const;

    const Side& running_;
    const Side& wanted_;
    const Difference& difference_;
    const qapi::Capabilities& qemu_;
    const ObservedFdsets& fdsets_;
    int next_fdset_;
    bool replug_;
    const LimitsChange& limits_;
    config::Vm made_;  ///< with the settings that have been changed so far
    Ids added_, removed_, replugged_;
    Ids remade_;
    Ids renewed_;                     ///< block nodes under a drive
    std::vector<Operation> growths_;  ///< of what has been added so far
    ChangePlan plan_;
};

}  // namespace qvm::launch
