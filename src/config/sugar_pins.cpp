// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_pins.hpp"

#include <numeric>
#include <optional>

#include <fmt/format.h>

#include "config/cpu_list.hpp"

namespace qvm::config {
namespace {

std::optional<Pin> pin_of(Lowering& lowering, std::string_view where, const Value& said) {
    if (*said.string() == anywhere) return Pin{{}, said.origin};
    auto cpus = parse_cpu_list(*said.string());
    if (cpus) return Pin{std::move(*cpus), said.origin};
    lowering.report(DiagnosticKind::BadValue, said.origin,
                    fmt::format("{}: '{}' is not a list of CPUs of the host", where, *said.string()),
                    {"for example \"8-15\", or \"0,2,4-7\"; \"any\" leaves one where the kernel puts it"});
    return std::nullopt;
}

}  // namespace

void lower_pin(Lowering& lowering, std::string_view where, const Value& said,
               const std::vector<unsigned>& guests) {
    Smp& smp = lowering.vm().smp;
    std::vector<const Value*> lists;
    if (said.string() != nullptr) lists.assign(guests.size(), &said);
    if (said.array() != nullptr)
        for (const auto& item : *said.array()) lists.push_back(&item);
    if (lists.size() != guests.size()) {
        lowering.report(
            DiagnosticKind::Conflict, said.origin,
            fmt::format("{} says where {} CPUs run, but there are {}", where, lists.size(), guests.size()),
            {"one list for each, those up to cpus.max included, or one string for all of them"});
        return;
    }
    smp.pins.resize(smp.maxcpus);
    for (std::size_t i = 0; i < guests.size(); ++i) {
        const auto pin = pin_of(lowering, where, *lists[i]);
        if (pin) smp.pins[guests[i]] = *pin;
        if (!pin && said.string() != nullptr) return;  // once is enough
    }
}

void lower_pins(Lowering& lowering) {
    const auto item = lowering.single("cpus");
    const Value* said = item ? item->value("pin") : nullptr;
    if (said == nullptr) return;
    std::vector<unsigned> all(lowering.vm().smp.maxcpus);
    std::iota(all.begin(), all.end(), 0U);
    lower_pin(lowering, "cpus.pin", *said, all);
}

}  // namespace qvm::config
