// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/top.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/json.hpp"
#include "shell/layout.hpp"
#include "shell/look.hpp"

namespace qvm::shell {
namespace {

std::string curve(const std::deque<double>& values, std::size_t columns) {
    static constexpr std::array<const char*, 8> drawn{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static constexpr std::array<const char*, 8> ascii{"_", ".", ":", "-", "=", "+", "*", "#"};
    const auto& levels = MB_CUR_MAX > 1 ? drawn : ascii;
    const auto count = std::min(values.size(), columns);
    const auto first = values.end() - static_cast<std::ptrdiff_t>(count);
    const double most = count == 0 ? 0 : *std::max_element(first, values.end());
    // The newest value is at the right end from the first one on.
    std::string text(columns - count, ' ');
    for (auto value = first; value != values.end(); ++value) {
        // Whatever is not nothing is seen: the lowest level is only for zero.
        const double level = most > 0 && *value > 0 ? std::max(1.0, std::ceil(*value / most * 7)) : 0;
        text += levels[static_cast<std::size_t>(std::min(level, 7.0))];
    }
    return text;
}

std::string short_number(double number) {
    if (number >= 10'000'000) return fmt::format("{:.0f}M", number / 1'000'000);
    if (number >= 10'000) return fmt::format("{:.0f}k", number / 1000);
    return fmt::format("{:.0f}", number);
}

}  // namespace

std::vector<TopQuery> Top::queries() const {
    std::vector<TopQuery> queries{
        {"query-status", "{}"}, {"query-cpus-fast", "{}"}, {"query-blockstats", "{}"}};
    if (!no_exits_) {
        queries.push_back(
            {"query-stats", R"({"target": "vcpu", "providers": [{"provider": "kvm", "names": ["exits"]}]})"});
    }
    if (!no_balloon_) queries.push_back({"query-balloon", "{}"});
    if (!no_iothreads_) queries.push_back({"query-iothreads", "{}"});
    return queries;
}

void Top::absorb(std::string_view command, const Json* reply, std::int64_t when) {
    static const Json nothing;
    const auto& value = reply == nullptr ? nothing : *reply;
    if (command == "query-status") {
        status_ = string_at(value, "status").value_or("");
    } else if (command == "query-cpus-fast") {
        absorb_cpus(value);
    } else if (command == "query-blockstats") {
        absorb_blocks(value, when);
    } else if (command == "query-stats") {
        // QEMU before 7.1 has no such command, and without KVM there is nothing in its answer.
        if (!value.is_array() || value.empty()) no_exits_ = true;
        absorb_exits(value, when);
    } else if (command == "query-balloon") {
        const auto actual = number_at(value, "actual");
        no_balloon_ = !actual;
        if (actual) keep(series(balloon_, "balloon", "memory", Unit::Bytes), *actual);
        if (no_balloon_) balloon_.clear();
    } else if (command == "query-iothreads") {
        if (!value.is_array() || value.empty()) no_iothreads_ = true;
        iothreads_.clear();
        if (!value.is_array()) return;
        for (const auto& thread : value)
            if (const auto id = string_at(thread, "id")) iothreads_ += (iothreads_.empty() ? "" : ", ") + *id;
    }
}

Top::Series& Top::series(Group& group, const std::string& subject, const char* what, Unit unit) {
    for (auto& known : group) {
        if (known.subject != subject || known.what != what) continue;
        known.fresh = true;
        return known;
    }
    group.push_back({subject, what, unit, std::nullopt, 0, {}, 0, true});
    return group.back();
}

void Top::count(Series& series, double counter, std::int64_t when) const {
    const auto before = std::exchange(series.counter, counter);
    const auto since = std::exchange(series.counted, when);
    // A counter that went back belongs to a device that was plugged again.
    if (!before || counter < *before || when <= since) return;
    keep(series, (counter - *before) * 1e6 / static_cast<double>(when - since));
}

void Top::keep(Series& series, double value) const {
    series.values.push_back(value);
    if (series.values.size() > samples_) series.values.pop_front();
    series.most = std::max(series.most, value);
}

void Top::absorb_blocks(const Json& reply, std::int64_t when) {
    if (!reply.is_array()) return;
    for (auto& known : blocks_) known.fresh = false;
    std::set<std::string> names;
    for (const auto& entry : reply) {
        const auto* stats = member(entry, "stats");
        if (stats == nullptr) continue;
        auto name = string_at(entry, "device").value_or("");
        if (name.empty()) name = device_name(string_at(entry, "qdev").value_or(""));
        if (name.empty()) name = string_at(entry, "node-name").value_or("disk");
        for (int i = 2; !names.insert(name).second; ++i)
            name = fmt::format("{} ({})", name.substr(0, name.find(" (")), i);
        const auto bytes_read = number_at(*stats, "rd_bytes"), bytes_written = number_at(*stats, "wr_bytes");
        const auto reads = number_at(*stats, "rd_operations"), writes = number_at(*stats, "wr_operations");
        if (bytes_read) count(series(blocks_, name, "read", Unit::BytesPerSecond), *bytes_read, when);
        if (bytes_written) count(series(blocks_, name, "write", Unit::BytesPerSecond), *bytes_written, when);
        if (reads && writes)
            count(series(blocks_, name, "operations", Unit::PerSecond), *reads + *writes, when);
    }
    std::erase_if(blocks_, [](const Series& known) { return !known.fresh; });
}

void Top::absorb_cpus(const Json& reply) {
    if (!reply.is_array()) return;
    cpus_.clear();
    for (const auto& cpu : reply) {
        const auto path = string_at(cpu, "qom-path");
        const auto index = unsigned_at(cpu, "cpu-index");
        if (path && index) cpus_[*path] = fmt::format("vCPU {}", *index);
    }
}

void Top::absorb_exits(const Json& reply, std::int64_t when) {
    if (!reply.is_array()) return;
    for (auto& known : exits_) known.fresh = false;
    for (const auto& entry : reply) {
        const auto path = string_at(entry, "qom-path").value_or("");
        const auto* stats = array_at(entry, "stats");
        if (stats == nullptr) continue;
        const auto cpu = cpus_.find(path);
        const auto name = cpu != cpus_.end() ? cpu->second : device_name(path);
        for (const auto& stat : *stats) {
            const auto value = number_at(stat, "value");
            if (string_at(stat, "name") == "exits" && value)
                count(series(exits_, name, "exits", Unit::PerSecond), *value, when);
        }
    }
    std::erase_if(exits_, [](const Series& known) { return !known.fresh; });
}

std::vector<Line> Top::lines(std::size_t columns, std::size_t rows) const {
    std::vector<Line> lines;
    if (rows == 0) return lines;
    lines.push_back(fit(headline(), columns));
    const auto all = blocks_.size() + exits_.size() + balloon_.size();
    const auto shown = chosen(rows - 1);
    std::size_t label_width = 0;
    for (const auto* series : shown)
        label_width = std::max(label_width, columns_of(span(series->subject).text) + 1 + series->what.size());
    for (const auto* series : shown)
        lines.push_back(draw(*series, std::min(label_width, columns / 2), columns));
    if (shown.size() < all && lines.size() < rows)
        lines.push_back(
            fit({{fmt::format("{} more are not shown", all - shown.size()), Role::Dim}}, columns));
    for (const auto& remark : remarks()) {
        std::vector<Line> more;
        flow({{remark, Role::Dim}}, 0, 2, columns, more);
        if (lines.size() + more.size() > rows) break;
        std::ranges::move(more, std::back_inserter(lines));
    }
    return lines;
}

Line Top::headline() const {
    Line line{span(status_.empty() ? "waiting for QEMU's answers" : status_,
                   status_ == "running" ? Role::Ok : Role::Notice)};
    if (!cpus_.empty())
        line.push_back({fmt::format("  {} vCPU{}", cpus_.size(), cpus_.size() == 1 ? "" : "s")});
    if (!iothreads_.empty()) line.push_back(span("  iothreads " + iothreads_));
    return line;
}

std::vector<const Top::Series*> Top::chosen(std::size_t room) const {
    std::vector<const Series*> all;
    for (const auto* group : {&exits_, &blocks_, &balloon_})
        for (const auto& series : *group) all.push_back(&series);
    if (all.size() <= room) return all;
    std::erase_if(all, [](const Series* series) { return series->most == 0; });
    // The last row says how many there are besides.
    const auto most = room == 0 ? 0 : room - 1;
    if (all.size() > most) all.resize(most);
    return all;
}

Line Top::draw(const Series& series, std::size_t label_width, std::size_t columns) const {
    const auto shown = [&](double value) {
        if (series.unit == Unit::Bytes) return short_size(value);
        if (series.unit == Unit::BytesPerSecond) return short_size(std::round(value)) + "/s";
        return short_number(value) + "/s";
    };
    constexpr std::size_t value_width = 10;
    const bool known = !series.values.empty();
    const auto current = known ? shown(series.values.back()) : std::string("-");
    const auto most = known ? "  most " + shown(series.most) : std::string();
    const auto what = span(series.subject + " ", Role::Key);
    Line line = fit({what, {series.what}}, label_width);
    line.push_back({std::string(label_width - columns_of(line), ' ')});
    line.push_back({fmt::format("{:>{}} ", current, value_width), Role::Number});
    constexpr std::size_t most_width = 16;
    const auto used = label_width + value_width + 1;
    if (columns > used + most_width + 8) {
        line.push_back({curve(series.values, columns - used - most_width), Role::Ok});
        line.push_back({most, Role::Dim});
    } else if (columns > used) {
        line.push_back({curve(series.values, columns - used), Role::Ok});
    }
    return fit(std::move(line), columns);
}

std::vector<std::string> Top::remarks() const {
    std::vector<std::string> remarks;
    if (no_exits_)
        remarks.emplace_back("vCPUs: QMP tells what they do only with KVM (query-stats, QEMU 7.1 or later).");
    remarks.emplace_back("Network: QMP has no counters of packets or bytes.");
    return remarks;
}

}  // namespace qvm::shell
