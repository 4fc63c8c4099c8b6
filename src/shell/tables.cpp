// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/tables.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/json.hpp"
#include "shell/layout.hpp"
#include "shell/look.hpp"
#include "shell/tables_impl.hpp"

namespace qvm::shell {
namespace tables {

Span text_cell(const Json& value, std::string_view name, Role role) {
    return span(string_at(value, name).value_or(""), role);
}

Span size_cell(const Json& value, std::string_view name) {
    const auto bytes = number_at(value, name);
    return bytes && *bytes >= 0 ? Span{short_size(*bytes), Role::Number} : Span{};
}

Span number_cell(const Json& value, std::string_view name) {
    const auto* number = member(value, name);
    return number != nullptr && number->is_number() ? Span{number->dump(), Role::Number} : Span{};
}

Span yes_cell(const Json& value, std::string_view name, const char* yes, const char* no) {
    const auto is = bool_at(value, name);
    return is ? Span{*is ? yes : no, *is ? Role::Plain : Role::Dim} : Span{};
}

Span hex_cell(const Json& value, std::string_view name) {
    const auto number = unsigned_at(value, name);
    return number ? Span{fmt::format("{:#x}", *number), Role::Number} : Span{};
}

Span percent_cell(std::optional<double> done, std::optional<double> whole) {
    if (!done || !whole || *whole <= 0) return {};
    return {fmt::format("{:.0f}%", std::clamp(*done / *whole * 100, 0.0, 100.0)), Role::Number};
}

Span status_cell(const Json& value, std::string_view name) {
    auto cell = text_cell(value, name);
    if (cell.text == "failed" || cell.text == "nospace") cell.role = Role::Error;
    if (cell.text == "completed" || cell.text == "ok" || cell.text == "ready") cell.role = Role::Ok;
    if (cell.text == "running" || cell.text == "active") cell.role = Role::Pending;
    return cell;
}

std::optional<Lines> rows_of(const Json& reply, const std::vector<Column>& header, const RowMaker& make,
                             std::size_t columns) {
    if (!reply.is_array()) return std::nullopt;
    if (reply.empty()) return Lines{fit({{"none", Role::Dim}}, columns)};
    Lines rows;
    for (const auto& entry : reply) {
        auto row = make(entry);
        if (!row) return std::nullopt;
        rows.push_back(std::move(*row));
    }
    return table(header, rows, columns);
}

}  // namespace tables

namespace {

using namespace tables;

/// What is unusual about a block node.
std::string remarks_of(const Json& node) {
    std::string remarks;
    const auto add = [&](std::string_view text) { remarks.append(remarks.empty() ? "" : ", ").append(text); };
    if (bool_at(node, "encrypted").value_or(false)) add("encrypted");
    for (const auto* limit : {"bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"})
        if (number_at(node, limit).value_or(0) > 0) {
            add("throttled");
            break;
        }
    if (const auto* image = member(node, "image")) {
        if (const auto* snapshots = array_at(*image, "snapshots");
            snapshots != nullptr && !snapshots->empty())
            add(fmt::format("{} snapshot{}", snapshots->size(), snapshots->size() == 1 ? "" : "s"));
        if (bool_at(*image, "dirty-flag").value_or(false)) add("dirty");
        if (const auto* specific = member(*image, "format-specific"))
            if (const auto* data = member(*specific, "data"))
                if (bool_at(*data, "corrupt").value_or(false)) add("corrupt");
    }
    if (const auto* bitmaps = array_at(node, "dirty-bitmaps"); bitmaps != nullptr && !bitmaps->empty())
        add(fmt::format("{} bitmap{}", bitmaps->size(), bitmaps->size() == 1 ? "" : "s"));
    if (bool_at(node, "active") == false) add("inactive");
    return remarks;
}

Span image_size(const Json& node, std::string_view name) {
    const auto* image = member(node, "image");
    return image == nullptr ? Span{} : size_cell(*image, name);
}

/// A node's file; what only describes further nodes (json:..) tells nothing new.
Span file_cell(const Json& node) {
    const auto file = string_at(node, "file").value_or("");
    return file.starts_with("json:") ? Span{"(see its children)", Role::Dim} : span(file);
}

Table block_nodes(const Json& reply, std::size_t columns) {
    const std::vector<Column> header{
        {"NODE"},    {"DRIVER"},           {"SIZE", 1, true}, {"USED", 4, true},
        {"MODE", 2}, {"BACKING", 5, true}, {"REMARKS", 3},    {"FILE", 1, false, true}};
    return rows_of(
        reply, header,
        [](const Json& node) -> std::optional<Line> {
            const auto name = string_at(node, "node-name");
            const auto driver = string_at(node, "drv");
            if (!name || !driver) return std::nullopt;
            auto depth = number_cell(node, "backing_file_depth");
            if (depth.text == "0") depth = {};
            return Line{span(*name, Role::Key),
                        span(*driver),
                        image_size(node, "virtual-size"),
                        image_size(node, "actual-size"),
                        yes_cell(node, "ro", "ro", "rw"),
                        std::move(depth),
                        span(remarks_of(node), Role::Notice),
                        file_cell(node)};
        },
        columns);
}

Table block_backends(const Json& reply, std::size_t columns) {
    const std::vector<Column> header{{"DEVICE"},  {"NODE", 1},  {"DRIVER", 2},  {"SIZE", 1, true},
                                     {"MODE", 2}, {"STATE", 1}, {"REMARKS", 3}, {"FILE", 4, false, true}};
    return rows_of(
        reply, header,
        [](const Json& backend) -> std::optional<Line> {
            const auto device = string_at(backend, "device");
            if (!device) return std::nullopt;
            const auto qdev = string_at(backend, "qdev");
            Span state = text_cell(backend, "io-status");
            if (state.text == "ok") state.role = Role::Ok;
            if (state.text == "failed" || state.text == "nospace") state.role = Role::Error;
            if (bool_at(backend, "tray_open").value_or(false)) state = {"tray open", Role::Notice};
            if (bool_at(backend, "locked").value_or(false))
                state.text += state.text.empty() ? "locked" : ", locked";
            Line row{span(device->empty() ? device_name(qdev.value_or("?")) : *device, Role::Key)};
            const auto* node = member(backend, "inserted");
            if (node == nullptr) {
                row.insert(row.end(), {{}, {"empty", Role::Dim}, {}, {}, std::move(state)});
                return row;
            }
            row.insert(row.end(),
                       {text_cell(*node, "node-name"), text_cell(*node, "drv"),
                        image_size(*node, "virtual-size"), yes_cell(*node, "ro", "ro", "rw"),
                        std::move(state), span(remarks_of(*node), Role::Notice), file_cell(*node)});
            return row;
        },
        columns);
}

Table jobs(const Json& reply, std::size_t columns) {
    return rows_of(
        reply, {{"JOB"}, {"TYPE", 1}, {"STATUS"}, {"DONE", 0, true}, {"ERROR", 1}},
        [](const Json& job) -> std::optional<Line> {
            const auto id = string_at(job, "id");
            if (!id) return std::nullopt;
            return Line{span(*id, Role::Key), text_cell(job, "type"), status_cell(job, "status"),
                        percent_cell(number_at(job, "current-progress"), number_at(job, "total-progress")),
                        text_cell(job, "error", Role::Error)};
        },
        columns);
}

Table block_jobs(const Json& reply, std::size_t columns) {
    const std::vector<Column> header{{"JOB"},
                                     {"TYPE", 1},
                                     {"STATUS"},
                                     {"DONE", 0, true},
                                     {"OFFSET", 3, true},
                                     {"LENGTH", 2, true},
                                     {"SPEED", 4, true},
                                     {"I/O", 3},
                                     {"REMARKS", 2},
                                     {"ERROR", 1}};
    return rows_of(
        reply, header,
        [](const Json& job) -> std::optional<Line> {
            const auto id = string_at(job, "device");
            if (!id) return std::nullopt;
            std::string remarks;
            for (const auto* flag : {"paused", "ready"})
                if (bool_at(job, flag).value_or(false))
                    remarks += (remarks.empty() ? "" : ", ") + std::string(flag);
            auto speed = size_cell(job, "speed");
            if (speed.text == "0") speed = {"unlimited", Role::Dim};
            return Line{span(*id, Role::Key),
                        text_cell(job, "type"),
                        status_cell(job, "status"),
                        percent_cell(number_at(job, "offset"), number_at(job, "len")),
                        size_cell(job, "offset"),
                        size_cell(job, "len"),
                        std::move(speed),
                        status_cell(job, "io-status"),
                        span(remarks, Role::Notice),
                        text_cell(job, "error", Role::Error)};
        },
        columns);
}

Table block_stats(const Json& reply, std::size_t columns) {
    const std::vector<Column> header{{"DEVICE"},          {"READS", 1, true},   {"READ", 0, true},
                                     {"WRITES", 1, true}, {"WRITTEN", 0, true}, {"FLUSHES", 2, true},
                                     {"ERRORS", 1, true}};
    return rows_of(
        reply, header,
        [](const Json& entry) -> std::optional<Line> {
            const auto* stats = member(entry, "stats");
            if (stats == nullptr) return std::nullopt;
            auto name = string_at(entry, "device").value_or("");
            if (name.empty()) name = device_name(string_at(entry, "qdev").value_or(""));
            if (name.empty()) name = string_at(entry, "node-name").value_or("?");
            double errors = 0;
            for (const auto* kind :
                 {"failed_rd_operations", "failed_wr_operations", "failed_flush_operations"})
                errors += number_at(*stats, kind).value_or(0);
            return Line{span(name, Role::Key),
                        number_cell(*stats, "rd_operations"),
                        size_cell(*stats, "rd_bytes"),
                        number_cell(*stats, "wr_operations"),
                        size_cell(*stats, "wr_bytes"),
                        number_cell(*stats, "flush_operations"),
                        {fmt::format("{:.0f}", errors), errors > 0 ? Role::Error : Role::Dim}};
        },
        columns);
}

Table human_text(const Json& reply, std::size_t columns) {
    const auto text = string_at(reply, "human-readable-text");
    if (!text) return std::nullopt;
    Lines lines;
    if (columns == 0) return lines;
    std::string_view rest = *text;
    while (!rest.empty()) {
        auto line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        auto broken = wrap({span(line)}, columns);
        std::ranges::move(broken, std::back_inserter(lines));
    }
    return lines;
}

using Maker = Table (*)(const Json&, std::size_t);
constexpr std::array<std::pair<std::string_view, Maker>, 17> makers{{
    {"query-named-block-nodes", block_nodes},
    {"query-block", block_backends},
    {"query-blockstats", block_stats},
    {"query-jobs", jobs},
    {"query-block-jobs", block_jobs},
    {"query-pci", pci},
    {"query-cpus-fast", cpus},
    {"query-hotpluggable-cpus", hotpluggable_cpus},
    {"query-iothreads", iothreads},
    {"query-memory-devices", memory_devices},
    {"query-memdev", memory_backends},
    {"query-chardev", chardevs},
    {"qom-list", qom_properties},
    {"query-migrate", migration},
    {"query-rx-filter", receive_filters},
    {"query-block-exports", exports},
    {"query-fdsets", fdsets},
}};

}  // namespace

std::optional<std::vector<Line>> augment(std::string_view command, const Json& reply, std::size_t columns) {
    const auto* const maker =
        std::ranges::find(makers, command, [](const auto& entry) { return entry.first; });
    if (maker != makers.end()) return maker->second(reply, columns);
    if (command.starts_with("x-query-")) return human_text(reply, columns);
    return std::nullopt;
}

}  // namespace qvm::shell
