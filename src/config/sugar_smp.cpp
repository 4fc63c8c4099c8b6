// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_smp.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

namespace qvm::config {
namespace {

using Count = std::uint64_t;  // products of what users say must not wrap
using Number = std::optional<Count>;

constexpr Count most_cpus = 4096;

struct Given {
    Number count, sockets, dies, cores, threads, max;
};

struct Topology {
    Count sockets = 1, dies = 1, cores = 1, threads = 1;
    Count product() const { return sockets * dies * cores * threads; }
    std::string to_string() const {
        return fmt::format("sockets {} x dies {} x cores {} x threads {} = {}", sockets, dies, cores, threads,
                           product());
    }
};

Number number(const Item& item, std::string_view key) {
    const auto value = item.number(key);
    return value ? Number(static_cast<Count>(*value)) : std::nullopt;
}

/// Fills what is unset so that `total` CPUs come out, if they can: cores before sockets, as QEMU does
/// since 6.2. How many of them are there at the start does not matter: what comes and goes later must not
/// change where the others are.
Topology fill(const Given& given, Count total) {
    Topology t;
    t.threads = given.threads.value_or(1);
    t.dies = given.dies.value_or(1);
    if (given.cores) {
        t.cores = *given.cores;
        t.sockets = given.sockets.value_or(std::max<Count>(1, total / (t.threads * t.dies * t.cores)));
        return t;
    }
    t.sockets = given.sockets.value_or(1);
    t.cores = std::max<Count>(1, total / (t.sockets * t.dies * t.threads));
    return t;
}

}  // namespace

void lower_smp(Lowering& lowering) {
    const auto item = lowering.single("cpus");
    if (!item) return;
    const Given given{number(*item, "count"), number(*item, "sockets"), number(*item, "dies"),
                      number(*item, "cores"), number(*item, "threads"), number(*item, "max")};
    const Count said = given.sockets.value_or(1) * given.dies.value_or(1) * given.cores.value_or(1) *
                       given.threads.value_or(1);
    const Count present = given.count.value_or(said);
    const Count total = given.max.value_or(present);
    if (present > total || total > most_cpus) {
        lowering.report(DiagnosticKind::Conflict, item->origin_of(given.max ? "max" : "count"),
                        total > most_cpus
                            ? fmt::format("cpus: {} CPUs are more than any machine has", total)
                            : fmt::format("cpus.max is {}, but the VM starts with {} CPUs", total, present));
        return;
    }
    const Topology topology = fill(given, total);
    if (topology.product() != total) {
        lowering.report(DiagnosticKind::Conflict, item->origin_of(given.max ? "max" : "count"),
                        fmt::format("cpus: {} CPUs do not fit the topology: {}", total, topology.to_string()),
                        {given.max ? "max must be sockets x dies x cores x threads, a multiple of a socket"
                                   : "count must be sockets x dies x cores x threads"});
        return;
    }
    const auto narrow = [](Count count) { return static_cast<unsigned>(count); };
    lowering.vm().smp = {narrow(present),
                         narrow(topology.sockets),
                         narrow(topology.dies),
                         narrow(topology.cores),
                         narrow(topology.threads),
                         narrow(total),
                         item->origin};
}

}  // namespace qvm::config
