// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/hardware.hpp"

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/cpu_list.hpp"
#include "launch/passed_device.hpp"
#include "launch/usb_device.hpp"

namespace qvm::launch {
namespace {

using config::Kind;
using config::Resource;
using config::Value;

namespace fs = std::filesystem;

/// What QEMU has beside the guest's memory.
constexpr std::uint64_t qemus_own = std::uint64_t{512} << 20U;

std::optional<std::uint64_t> number_in(const fs::path& file) {
    std::uint64_t number = 0;
    return std::ifstream(file) >> number ? std::optional(number) : std::nullopt;
}

std::vector<unsigned> list_in(const fs::path& file) {
    std::string text;
    std::ifstream(file) >> text;
    return config::parse_cpu_list(text).value_or(std::vector<unsigned>());
}

const Value* member(const Resource& resource, std::string_view key) {
    const auto* table = resource.properties.table();
    return table == nullptr ? nullptr : table->find(key);
}

bool says_true(const Resource& resource, std::string_view key) {
    const Value* value = member(resource, key);
    return value != nullptr && value->boolean() != nullptr && *value->boolean();
}

std::uint64_t bytes_in(const Resource& resource, std::string_view key) {
    const Value* value = member(resource, key);
    if (value == nullptr) return 0;
    if (value->integer() != nullptr) return static_cast<std::uint64_t>(*value->integer());
    if (value->string() == nullptr) return 0;
    const auto parsed = parse_size(*value->string());
    const auto* bytes = std::get_if<std::uint64_t>(&parsed);
    return bytes == nullptr ? 0 : *bytes;
}

bool is_in_huge_pages(const Resource& resource) {
    const Value* reserve = member(resource, "reserve");
    const bool later = reserve != nullptr && reserve->boolean() != nullptr && !*reserve->boolean();
    return resource.id.kind == Kind::Object && resource.driver() == "memory-backend-memfd" &&
           says_true(resource, "hugetlb") && !later;
}

bool asks_to_lock(const config::NamedTable& option) {
    const Value* lock = option.name == "overcommit" ? option.properties.find("mem-lock") : nullptr;
    return lock != nullptr && lock->boolean() != nullptr && *lock->boolean();
}

class Checker {
  public:
    Checker(const config::Vm& vm, const HardwarePlaces& places, Diagnostics& diagnostics)
        : vm_(vm), places_(places), diagnostics_(diagnostics) {}

    void huge_pages() {
        for (const auto& [size, bytes] : huge_pages_of(vm_)) {
            const auto page = size != 0 ? size : usual_page();
            if (page != 0) pages(page, (bytes + page - 1) / page);
        }
    }

    void pins() {
        const auto online = list_in(places_.sys / "devices/system/cpu/online");
        if (online.empty()) return;
        std::set<std::string> told;
        for (const auto& pin : vm_.smp.pins)
            for (const unsigned cpu : pin.cpus) {
                if (std::ranges::binary_search(online, cpu)) continue;
                if (told.insert(pin.origin.to_string()).second)
                    report(pin.origin, fmt::format("this host has no CPU {}", cpu),
                           {fmt::format("it has {}; `lscpu -e` tells where they are",
                                        config::cpu_list(online))});
                break;
            }
    }

    void nodes() {
        const auto online = list_in(places_.sys / "devices/system/node/online");
        if (online.empty()) return;
        for (const auto& resource : vm_.resources) {
            const Value* hosts = resource.id.kind == Kind::Object ? member(resource, "host-nodes") : nullptr;
            if (hosts == nullptr || hosts->array() == nullptr) continue;
            for (const auto& host : *hosts->array()) {
                if (host.integer() == nullptr || *host.integer() < 0) continue;
                const auto node = static_cast<unsigned>(*host.integer());
                if (!std::ranges::binary_search(online, node))
                    report(host.origin, fmt::format("this host has no memory node {}", node),
                           {fmt::format("it has {}; `numactl -H` tells what they have",
                                        config::cpu_list(online)),
                            fmt::format("in {}.host-nodes", resource.made_by)});
            }
        }
    }

    void lock() {
        const auto needed = vm_.memory.value + qemus_own;
        if (!locks_memory(vm_) || !places_.lockable || *places_.lockable >= needed) return;
        const auto option = std::ranges::find_if(vm_.options, asks_to_lock);
        const bool asked = option != vm_.options.end();
        std::vector<std::string> notes{
            "an administrator raises it: `memlock` in /etc/security/limits.conf, or LimitMEMLOCK= of the "
            "systemd unit",
            "who has CAP_SYS_RESOURCE, as root usually does, may lock any amount"};
        if (!asked)
            notes.insert(notes.begin(),
                         "a device of the host's may write to the guest's memory at any time, "
                         "so all of that is locked");
        report(asked ? option->origin : passed_devices(vm_).front().origin,
               fmt::format("you may lock {} of memory, and the VM needs some {}",
                           format_size(*places_.lockable), format_size(needed)),
               std::move(notes));
    }

  private:
    void report(const Origin& origin, std::string message, std::vector<std::string> notes) {
        diagnostics_.add({DiagnosticKind::BadValue, origin, std::move(message), {}, std::move(notes)});
    }

    std::uint64_t usual_page() const {
        constexpr std::string_view key = "Hugepagesize:";
        std::ifstream file(places_.proc / "meminfo");
        for (std::string line; std::getline(file, line);)
            if (line.starts_with(key)) return std::stoull(line.substr(key.size())) << 10U;
        return 0;
    }

    void pages(std::uint64_t page, std::uint64_t needed) {
        const auto place = places_.sys / "kernel/mm/hugepages" / fmt::format("hugepages-{}kB", page >> 10U);
        const auto free = number_in(place / "free_hugepages");
        if (!free) {
            report(asking(), fmt::format("this host has no huge pages of {}", format_size(page)),
                   {fmt::format("its sizes are the names in '{}'", place.parent_path().string())});
            return;
        }
        const auto taken = number_in(place / "resv_hugepages").value_or(0);
        const auto more = number_in(place / "nr_overcommit_hugepages").value_or(0);
        const auto surplus = number_in(place / "surplus_hugepages").value_or(0);
        const auto ready = *free - std::min(*free, taken) + more - std::min(more, surplus);
        if (ready >= needed) return;
        const auto all = number_in(place / "nr_hugepages").value_or(0) + needed - ready;
        const bool usual = page == usual_page();
        report(asking(),
               fmt::format("the VM needs {} huge pages of {}, and {} of this host's are free", needed,
                           format_size(page), ready),
               {usual ? fmt::format("as root: `sysctl vm.nr_hugepages={}`", all)
                      : fmt::format("as root: `echo {} > {}`", all, (place / "nr_hugepages").string()),
                "where memory is in too many pieces for that, it takes a reboot with hugepages= on the "
                "kernel's command line"});
    }

    /// Who asks for huge pages first.
    Origin asking() const {
        const auto found = std::ranges::find_if(vm_.resources, is_in_huge_pages);
        if (found == vm_.resources.end()) return {};
        const Value* said = member(*found, "hugetlb");
        return said->origin.known() ? said->origin : found->origin;
    }

    const config::Vm& vm_;
    const HardwarePlaces& places_;
    Diagnostics& diagnostics_;
};

}  // namespace

std::map<std::uint64_t, std::uint64_t> huge_pages_of(const config::Vm& vm) {
    std::map<std::uint64_t, std::uint64_t> bytes;
    for (const auto& resource : vm.resources)
        if (is_in_huge_pages(resource))
            bytes[bytes_in(resource, "hugetlbsize")] += bytes_in(resource, "size");
    return bytes;
}

bool locks_memory(const config::Vm& vm) {
    return !passed_devices(vm).empty() || std::ranges::any_of(vm.options, asks_to_lock);
}

HardwarePlaces HardwarePlaces::of_host(config::JailMode jail) {
    HardwarePlaces places;
    rlimit limit{};
    // Without a jail, root's QEMU has the capability that no limit holds for.
    if (jail == config::JailMode::Off && ::geteuid() == 0) return places;
    if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_max == RLIM_INFINITY) return places;
    const auto most = limit.rlim_max;
    limit.rlim_max = RLIM_INFINITY;
    // Who may raise it does so for QEMU, too.
    if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) places.lockable = most;
    return places;
}

void check_hardware(const config::Vm& vm, bool runs, const HardwarePlaces& places, Diagnostics& diagnostics) {
    Checker checker(vm, places, diagnostics);
    if (!runs) checker.huge_pages();
    checker.pins();
    checker.nodes();
    checker.lock();
    check_usb_devices(vm, runs, places, diagnostics);
    check_passed_devices(vm, places, diagnostics);  // a restart must not end a VM for one that does not work
}

}  // namespace qvm::launch
