// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/id_map.hpp"

#include <array>
#include <charconv>

#include <fmt/format.h>

namespace qvm::config {
namespace {

/// What a user namespace takes (user_namespaces(7)): less than a page of text, too.
constexpr std::size_t most_ranges = 340;
constexpr std::size_t page = 4096;

/// The one above is what chown(2) takes for none.
constexpr std::uint64_t highest_id = 0xfffffffe;

bool meet(std::uint64_t one, std::uint64_t other, const IdRange& a, const IdRange& b) {
    return one < other + b.count && other < one + a.count;
}

void check_map(Lowering& lowering, const Item& item, const char* key) {
    const Value* list = item.value(key);
    if (list == nullptr || list->array() == nullptr) return;
    if (list->array()->empty())
        lowering.report(DiagnosticKind::BadValue, list->origin,
                        fmt::format("{}.{} maps nobody", item.where, key),
                        {"leave it out for one user, or say a range: \"GUEST:HOST:COUNT\""});
    std::vector<IdRange> before;
    for (const auto& text : *list->array()) {
        if (text.string() == nullptr) continue;
        const auto parsed = parse_id_range(*text.string());
        const auto wrong = [&](std::string why) {
            lowering.report(DiagnosticKind::BadValue, text.origin, std::move(why),
                            {"a range is \"GUEST:HOST:COUNT\", as in \"0:100000:65536\"",
                             fmt::format("in {}.{}", item.where, key)});
        };
        const auto* range = std::get_if<IdRange>(&parsed);
        if (range == nullptr) {
            wrong(std::get<std::string>(parsed));
            continue;
        }
        for (const auto& other : before)
            if (meet(range->guest, other.guest, *range, other) ||
                meet(range->host, other.host, *range, other))
                wrong(fmt::format("'{}' has ids that '{}:{}:{}' has already", *text.string(), other.guest,
                                  other.host, other.count));
        before.push_back(*range);
    }
    std::size_t bytes = 0;
    for (const auto& range : before)
        bytes += fmt::formatted_size("{} {} {}\n", range.guest, range.host, range.count);
    if (before.size() > most_ranges || bytes >= page)
        lowering.report(DiagnosticKind::BadValue, list->origin,
                        fmt::format("{}.{} has {} ranges in {} bytes; the kernel takes {} in {}", item.where,
                                    key, before.size(), bytes, most_ranges, page - 1));
    if (!before.empty() && !host_id(before, 0))
        lowering.report(DiagnosticKind::BadValue, list->origin,
                        fmt::format("{}.{} has nobody for the guest's root", item.where, key),
                        {"virtiofsd is whoever that is: begin with \"0:HOST:COUNT\""});
}

}  // namespace

std::variant<IdRange, std::string> parse_id_range(std::string_view text) {
    std::array<std::uint32_t, 3> numbers{};
    std::string_view rest = text;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto colon = rest.find(':');
        const bool last = i + 1 == numbers.size();
        const auto word = rest.substr(0, colon);
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), numbers.at(i));
        if (error != std::errc() || end != word.data() + word.size() ||
            last != (colon == std::string_view::npos))
            return fmt::format("'{}' is no range of ids", text);
        if (!last) rest.remove_prefix(colon + 1);
    }
    const IdRange range{numbers[0], numbers[1], numbers[2]};
    if (range.count == 0) return fmt::format("'{}' is a range of no ids", text);
    if (range.host == 0) return fmt::format("'{}' would make somebody in the guest the host's root", text);
    for (const std::uint64_t first : {range.guest, range.host})
        if (first + range.count - 1 > highest_id)
            return fmt::format("'{}' goes beyond {}, the highest id", text, highest_id);
    return range;
}

std::optional<std::uint32_t> host_id(const std::vector<IdRange>& map, std::uint32_t guest) {
    for (const auto& range : map)
        if (guest >= range.guest && guest - range.guest < range.count)
            return range.host + (guest - range.guest);
    return std::nullopt;
}

std::vector<IdRange> id_ranges(const Value* list) {
    std::vector<IdRange> ranges;
    if (list == nullptr || list->array() == nullptr) return ranges;
    for (const auto& text : *list->array()) {
        if (text.string() == nullptr) continue;
        const auto parsed = parse_id_range(*text.string());
        if (const auto* range = std::get_if<IdRange>(&parsed)) ranges.push_back(*range);
    }
    return ranges;
}

void check_id_maps(Lowering& lowering, const Item& item) {
    for (const char* key : {"uid-map", "gid-map"}) check_map(lowering, item, key);
    if (item.says("gid-map") && !item.says("uid-map"))
        lowering.report(DiagnosticKind::Missing, item.origin_of("gid-map"),
                        fmt::format("{} says which groups are whose, and of users nothing", item.where),
                        {"say uid-map, too"});
}

}  // namespace qvm::config
