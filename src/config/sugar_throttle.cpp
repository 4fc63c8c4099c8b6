// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_throttle.hpp"

#include <array>

#include <fmt/format.h>

namespace qvm::config {
namespace {

struct Measure {
    std::string_view key;     ///< ours
    std::string_view prefix;  ///< QAPI: ThrottleLimits
};
constexpr std::array<Measure, 2> measures{{{"iops", "iops"}, {"bytes", "bps"}}};
constexpr std::array<std::string_view, 3> directions{"total", "read", "write"};

std::int64_t number_of(const Value* value) {
    return value == nullptr || value->integer() == nullptr ? 0 : *value->integer();
}

/// util/throttle.c: throttle_is_valid(), where 0 is no limit.
void check(Lowering& lowering, const std::string& where, const Table& rates) {
    const auto conflict = [&](std::string_view key, std::string message, std::string note) {
        lowering.report(DiagnosticKind::Conflict, rates.find(key)->origin, std::move(message),
                        {std::move(note)});
    };
    for (const std::string_view suffix : {"", "-max"}) {
        const auto total = fmt::format("total{}", suffix);
        for (const std::string_view direction : {"read", "write"}) {
            const auto one = fmt::format("{}{}", direction, suffix);
            if (number_of(rates.find(total)) > 0 && number_of(rates.find(one)) > 0)
                conflict(one, fmt::format("{}: {} and {} exclude each other", where, total, one),
                         "limit all of it, or read and write each");
        }
    }
    for (const auto direction : directions) {
        const auto max = fmt::format("{}-max", direction);
        const auto burst = number_of(rates.find(max));
        const auto usual = number_of(rates.find(direction));
        if (burst > 0 && usual == 0)
            conflict(
                max, fmt::format("{}: {} needs {}", where, max, direction),
                fmt::format("{} is what bursts may reach that are longer than {} allows", max, direction));
        else if (burst > 0 && burst < usual)
            conflict(max, fmt::format("{}: {} is less than {}", where, max, direction),
                     "a burst may be as large as what is usual, or larger");
    }
}

}  // namespace

void lower_throttles(Lowering& lowering) {
    for (const auto& throttle : lowering.named("throttle")) {
        Members limits(throttle.origin);
        for (const auto& measure : measures) {
            const Table* rates = throttle.inner(measure.key);
            if (rates == nullptr) continue;
            check(lowering, fmt::format("{}.{}", throttle.where, measure.key), *rates);
            for (const auto& rate : rates->entries())
                limits.copy(fmt::format("{}-{}", measure.prefix, rate.key), *rates, rate.key);
        }
        Members object(throttle.origin);
        object.put("qom-type", std::string("throttle-group"));
        object.put("limits", std::move(limits.table()));
        lowering.add(Kind::Object, throttle.id, std::move(object), throttle);
    }
}

}  // namespace qvm::config
