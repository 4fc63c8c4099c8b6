// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_numa.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/cpu_list.hpp"
#include "config/sugar_memory.hpp"
#include "config/sugar_pins.hpp"

namespace qvm::config {
namespace {

// QEMU include/sysemu/numa.h: what is farther than the farthest cannot be reached.
constexpr std::int64_t to_itself = 10, unreachable = 255;
constexpr unsigned most_nodes = 128;

/// By their numbers.
std::vector<Item> nodes_of(const Lowering& lowering) {
    auto nodes = lowering.named("numa");
    std::ranges::stable_sort(nodes, {}, [](const Item& node) { return std::stoul(node.id); });
    return nodes;
}

class Numa {
  public:
    explicit Numa(Lowering& lowering) : lowering_(lowering), nodes_(nodes_of(lowering)) {}

    void run() {
        if (nodes_.empty() || !are_numbered()) return;
        if (const Entry* said = lowering_.vm().machine.properties.entry("memory-backend"))
            lowering_.report(DiagnosticKind::Conflict, said->key_origin,
                             "with [numa.N] the memory is that of the nodes, not machine.memory-backend",
                             {"leave one of the two out"});
        for (const auto& node : nodes_) claim_cpus(node);
        check_cpus();
        check_memory();
        for (const auto& node : nodes_) make(node);
        for (const auto& node : nodes_) distances(node);
        check_distances();
        for (const auto& node : nodes_) pins(node);
    }

  private:
    void report(DiagnosticKind kind, const Origin& origin, std::string message,
                std::vector<std::string> notes) {
        lowering_.report(kind, origin, std::move(message), std::move(notes));
    }

    bool are_numbered() {
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (nodes_[i].id == std::to_string(i) && i < most_nodes) continue;
            if (i >= most_nodes)
                report(DiagnosticKind::BadValue, nodes_[i].origin,
                       fmt::format("QEMU has at most {} nodes", most_nodes), {"leave some out"});
            else
                report(DiagnosticKind::Missing, nodes_[i].origin,
                       fmt::format("there is a numa.{}, but no numa.{}", nodes_[i].id, i),
                       {"nodes are numbered from 0 on, without gaps"});
            return false;
        }
        return true;
    }

    void claim_cpus(const Item& node) {
        const Value* said = node.value("cpus");
        if (said == nullptr) {
            if (node.says("cpus")) wrong_cpus_ = true;  // told where it was read
            return;
        }
        const unsigned most = lowering_.vm().smp.maxcpus;
        std::optional<std::vector<unsigned>> cpus;
        if (said->string() != nullptr) cpus = parse_cpu_list(*said->string());
        if (said->integer() != nullptr) cpus = {{static_cast<unsigned>(*said->integer())}};
        if (!cpus) {
            report(DiagnosticKind::BadValue, said->origin,
                   fmt::format("{}.cpus: '{}' is not a list of CPUs", node.where, *said->string()),
                   {"for example \"0-7\", or \"0,2,4-6\""});
            wrong_cpus_ = true;
            return;
        }
        for (const unsigned cpu : *cpus) {
            if (cpu >= most) {
                report(DiagnosticKind::BadValue, said->origin,
                       fmt::format("{} has CPU {}, but the VM has only 0 to {}", node.where, cpu, most - 1),
                       {"cpus.max is how many there may ever be; without it cpus.count is"});
                wrong_cpus_ = true;
                return;
            }
            const auto [owner, is_free] = owners_.try_emplace(cpu, &node);
            if (is_free) continue;
            report(DiagnosticKind::Conflict, said->origin,
                   fmt::format("CPU {} is in {} and in {}", cpu, owner->second->where, node.where),
                   {"every CPU is in exactly one node"});
            wrong_cpus_ = true;
            return;
        }
        cpus_[node.id] = std::move(*cpus);
    }

    void check_cpus() {
        std::vector<unsigned> left;
        for (unsigned cpu = 0; cpu < lowering_.vm().smp.maxcpus; ++cpu)
            if (!owners_.contains(cpu)) left.push_back(cpu);
        if (left.empty() || wrong_cpus_) return;
        const bool one = left.size() == 1;
        report(DiagnosticKind::Missing, nodes_.back().origin,
               fmt::format("CPU{} {} {} in no node", one ? "" : "s", cpu_list(left), one ? "is" : "are"),
               {"every CPU up to cpus.max is in exactly one node",
                fmt::format("for example numa.{}.cpus = \"{}\"", nodes_.back().id, with_all(left))});
    }

    /// What the last node would have with these, too.
    std::string with_all(std::vector<unsigned> more) const {
        if (const auto own = cpus_.find(nodes_.back().id); own != cpus_.end())
            more.insert(more.end(), own->second.begin(), own->second.end());
        std::ranges::sort(more);
        return cpu_list(more);
    }

    void check_memory() {
        const auto is_wrong = [](const Item& node) { return node.says("memory") && !node.number("memory"); };
        if (std::ranges::any_of(nodes_, is_wrong)) return;
        const auto sum = memory_of_nodes(lowering_);
        const auto& memory = lowering_.vm().memory;
        const std::uint64_t in_nodes = sum ? sum->value : 0;
        if (in_nodes == memory.value) return;
        report(sum ? DiagnosticKind::Conflict : DiagnosticKind::Missing,
               sum ? sum->origin : nodes_.front().origin,
               sum ? fmt::format("the nodes have {} of memory together, but the VM has {}",
                                 format_size(in_nodes), format_size(memory.value))
                   : "no node has memory",
               {sum ? "memory.size is the sum of numa.N.memory; it may be left out"
                    : fmt::format("say numa.0.memory = \"{}\"", format_size(memory.value))});
    }

    Table& option(const std::string& type, const Origin& origin) {
        Table properties;
        properties.set("type", origin, Value(type, origin));
        lowering_.vm().options.push_back({"numa", std::move(properties), {}, origin, {}});
        return lowering_.vm().options.back().properties;
    }

    void make(const Item& node) {
        const Origin& origin = node.origin;
        const std::string memory_id = "numa" + node.id;
        Table& table = option("node", origin);
        table.set("nodeid", origin, Value(static_cast<std::int64_t>(std::stoul(node.id)), origin));
        if (const auto cpus = cpus_.find(node.id); cpus != cpus_.end()) {
            const Origin at = node.origin_of("cpus");
            const auto ranges = cpu_ranges(cpus->second);
            Array list;
            for (const auto& range : ranges) list.emplace_back(range, at);
            table.set("cpus", at, ranges.size() == 1 ? Value(ranges[0], at) : Value(std::move(list), at));
        }
        const auto memory = node.number("memory");
        if (!memory) {
            if (node.says("host-nodes"))
                report(DiagnosticKind::Conflict, node.origin_of("host-nodes"),
                       fmt::format("{}.host-nodes says where its memory is, and it has none", node.where),
                       {"say memory = \"1G\", or leave host-nodes out"});
            return;
        }
        table.set("memdev", node.origin_of("memory"), Value(memory_id, node.origin_of("memory")));
        auto backend = memory_backend(lowering_, static_cast<std::uint64_t>(*memory), origin);
        if (const Value* hosts = node.value("host-nodes"); hosts != nullptr && !hosts->array()->empty()) {
            for (const auto& host : *hosts->array())
                if (*host.integer() < 0)
                    report(DiagnosticKind::BadValue, host.origin,
                           fmt::format("{} is not a node of any host", *host.integer()), {});
            backend.copy("host-nodes", *node.table, "host-nodes");
            backend.put("policy", std::string("bind"), hosts->origin);
        }
        lowering_.add(Kind::Object, memory_id, std::move(backend), node);
    }

    void distances(const Item& node) {
        const Value* said = node.value("distance");
        if (said == nullptr) return;
        const Array& list = *said->array();
        const auto self = std::stoul(node.id);
        if (list.size() != nodes_.size()) {
            wrong_distances_ = true;
            report(DiagnosticKind::Conflict, said->origin,
                   fmt::format("{}.distance has {} numbers, but there are {} nodes", node.where, list.size(),
                               nodes_.size()),
                   {"one for each node, in their order; that to itself is 10"});
            return;
        }
        for (std::size_t to = 0; to < list.size(); ++to) {
            const std::int64_t far = *list[to].integer();
            const bool right = to == self ? far == to_itself : far > to_itself && far <= unreachable;
            if (!right) {
                wrong_distances_ = true;
                report(DiagnosticKind::BadValue, list[to].origin,
                       fmt::format("{} is not how far node {} is from node {}", far, to, self),
                       {"a node is 10 from itself and 11 to 254 from others; 255 says that there is no way"});
                continue;
            }
            known_.insert({self, to});
            if (to == self) continue;
            Table& table = option("dist", list[to].origin);
            table.set("src", list[to].origin, Value(static_cast<std::int64_t>(self), list[to].origin));
            table.set("dst", list[to].origin, Value(static_cast<std::int64_t>(to), list[to].origin));
            table.set("val", list[to].origin, Value(far, list[to].origin));
        }
    }

    /// QEMU takes one direction for both, but not a pair without any.
    void check_distances() {
        if (known_.empty() || wrong_distances_) return;
        for (std::size_t a = 0; a < nodes_.size(); ++a)
            for (std::size_t b = a + 1; b < nodes_.size(); ++b) {
                if (known_.contains({a, b}) || known_.contains({b, a})) continue;
                report(DiagnosticKind::Missing, nodes_[a].origin,
                       fmt::format("nothing says how far node {} is from node {}", b, a),
                       {fmt::format("other nodes have a distance: say numa.{}.distance", a)});
                return;
            }
    }

    void pins(const Item& node) {
        const Value* said = node.value("pin");
        if (said == nullptr) return;
        const auto cpus = lowering_.single("cpus");
        if (cpus && cpus->says("pin")) {
            report(DiagnosticKind::Conflict, said->origin,
                   fmt::format("{}.pin and cpus.pin both say where CPUs run", node.where),
                   {"leave one of the two out"});
            return;
        }
        const auto own = cpus_.find(node.id);
        if (own == cpus_.end()) {
            if (!node.says("cpus"))
                report(DiagnosticKind::Conflict, said->origin,
                       fmt::format("{}.pin says where its CPUs run, and it has none", node.where),
                       {"say cpus = \"0-3\", or leave pin out"});
            return;
        }
        lower_pin(lowering_, node.where + ".pin", *said, own->second);
    }

    Lowering& lowering_;
    std::vector<Item> nodes_;
    std::map<unsigned, const Item*> owners_;  ///< of CPUs
    std::map<std::string, std::vector<unsigned>> cpus_;
    std::set<std::pair<std::size_t, std::size_t>> known_;  ///< distances
    bool wrong_cpus_ = false, wrong_distances_ = false;
};

}  // namespace

std::optional<Setting<std::uint64_t>> memory_of_nodes(const Lowering& lowering) {
    std::optional<Setting<std::uint64_t>> sum;
    for (const auto& node : nodes_of(lowering)) {
        const auto memory = node.number("memory");
        if (!memory) continue;
        sum = {(sum ? sum->value : 0) + static_cast<std::uint64_t>(*memory), node.origin_of("memory")};
    }
    return sum;
}

void lower_numa(Lowering& lowering) {
    Numa(lowering).run();
}

}  // namespace qvm::config
