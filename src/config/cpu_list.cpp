// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/cpu_list.hpp"

#include <charconv>
#include <cstddef>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace qvm::config {
namespace {

constexpr unsigned most_cpus = 8192;  // of any kernel

std::optional<unsigned> number(std::string_view text) {
    unsigned value = 0;
    const char* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    const bool right = error == std::errc() && rest == end && !text.empty() && value < most_cpus;
    return right ? std::optional(value) : std::nullopt;
}

}  // namespace

std::optional<std::vector<unsigned>> parse_cpu_list(std::string_view text) {
    std::set<unsigned> cpus;
    while (true) {
        const auto comma = text.find(',');
        const auto part = text.substr(0, comma);
        const auto dash = part.find('-');
        const auto first = number(part.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : number(part.substr(dash + 1));
        if (!first || !last || *last < *first) return std::nullopt;
        for (unsigned cpu = *first; cpu <= *last; ++cpu) cpus.insert(cpu);
        if (comma == std::string_view::npos) return std::vector<unsigned>(cpus.begin(), cpus.end());
        text.remove_prefix(comma + 1);
    }
}

std::vector<std::string> cpu_ranges(const std::vector<unsigned>& cpus) {
    std::vector<std::string> ranges;
    for (std::size_t i = 0; i < cpus.size();) {
        std::size_t last = i;
        while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
        ranges.push_back(last == i ? fmt::format("{}", cpus[i]) : fmt::format("{}-{}", cpus[i], cpus[last]));
        i = last + 1;
    }
    return ranges;
}

std::string cpu_list(const std::vector<unsigned>& cpus) {
    return fmt::format("{}", fmt::join(cpu_ranges(cpus), ","));
}

}  // namespace qvm::config
