// SPDX-License-Identifier: GPL-3.0-or-later
// Tables of the machine: processors, memory, PCI, QOM, and what connects it to the outside.
#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/json.hpp"
#include "shell/look.hpp"
#include "shell/tables_impl.hpp"

namespace qvm::shell::tables {
namespace {

/// "socket 0, core 1, thread 0"
std::string place_of(const Json& entry) {
    const auto* props = member(entry, "props");
    if (props == nullptr || !props->is_object()) return "";
    std::string place;
    for (const auto* part :
         {"node", "drawer", "book", "socket", "die", "cluster", "module", "core", "thread"})
        if (const auto id = unsigned_at(*props, fmt::format("{}-id", part)))
            place += fmt::format("{}{} {}", place.empty() ? "" : ", ", part, *id);
    return place;
}

std::string without(std::string text, std::string_view suffix) {
    if (text.ends_with(suffix)) text.resize(text.size() - suffix.size());
    return text;
}

class PciTree {
  public:
    explicit PciTree(std::size_t columns) : columns_(columns) {}

    bool bus(const Json& bus, const std::string& before) {
        const auto number = unsigned_at(bus, "bus");
        const auto* devices = array_at(bus, "devices");
        if (!number || devices == nullptr) return false;
        if (before.empty()) lines_.push_back(fit({{fmt::format("bus {}", *number), Role::Title}}, columns_));
        return this->devices(*devices, before);
    }
    Lines take() { return std::move(lines_); }

  private:
    static constexpr std::size_t deepest = 64;

    bool devices(const Json& devices, const std::string& before) {
        const auto& strokes = tree_strokes();
        if (before.size() > deepest * strokes.line.size()) return false;
        for (std::size_t i = 0; i < devices.size(); ++i) {
            const bool last = i + 1 == devices.size();
            if (!device(devices[i], before + std::string(last ? strokes.last_entry : strokes.entry)))
                return false;
            const auto* bridge = member(devices[i], "pci_bridge");
            const auto* below = bridge == nullptr ? nullptr : array_at(*bridge, "devices");
            if (below == nullptr) continue;
            if (!this->devices(*below, before + std::string(last ? strokes.blank : strokes.line)))
                return false;
        }
        return true;
    }

    bool device(const Json& device, const std::string& stroke) {
        const auto slot = unsigned_at(device, "slot");
        const auto function = unsigned_at(device, "function");
        const auto* id = member(device, "id");
        const auto* kind = member(device, "class_info");
        if (!slot || !function || id == nullptr || kind == nullptr) return false;
        Line line{{stroke, Role::Dim}, {fmt::format("{:02x}.{} ", *slot, *function), Role::Number}};
        const auto name = string_at(device, "qdev_id").value_or("");
        if (!name.empty()) line.push_back(span(name + " ", Role::Key));
        const auto class_number = unsigned_at(*kind, "class");
        auto description = string_at(*kind, "desc");
        if (!description && class_number) description = fmt::format("class {:04x}", *class_number);
        line.push_back(span(description.value_or("device")));
        line.push_back({fmt::format(" {:04x}:{:04x}", unsigned_at(*id, "vendor").value_or(0),
                                    unsigned_at(*id, "device").value_or(0)),
                        Role::Dim});
        if (const auto* bridge = member(device, "pci_bridge"))
            if (const auto* bus = member(*bridge, "bus"))
                if (const auto number = unsigned_at(*bus, "secondary"); number && *number != 0)
                    line.push_back({fmt::format(" bus {}", *number), Role::Title});
        line.push_back({regions(device), Role::Dim});
        lines_.push_back(fit(std::move(line), columns_));
        return true;
    }

    static std::string regions(const Json& device) {
        std::string text;
        const auto* regions = array_at(device, "regions");
        if (regions == nullptr) return text;
        for (const auto& region : *regions) {
            const auto type = string_at(region, "type").value_or("");
            text += fmt::format("{}{} {}", text.empty() ? " [" : ", ", type == "memory" ? "mem" : "io",
                                short_size(number_at(region, "size").value_or(0)));
            if (const auto address = unsigned_at(region, "address"); address && *address != 0)
                text += fmt::format(" at {:#x}", *address);
        }
        return text.empty() ? text : text + "]";
    }

    std::size_t columns_;
    Lines lines_;
};

/// "child<pcie-root-port>" of kind "child<": pcie-root-port.
std::optional<std::string> inside(const std::string& type, std::string_view kind) {
    if (!type.starts_with(kind) || !type.ends_with('>')) return std::nullopt;
    return type.substr(kind.size(), type.size() - kind.size() - 1);
}

std::string duration_of(double milliseconds) {
    return milliseconds < 1000 ? fmt::format("{:.0f} ms", milliseconds)
                               : fmt::format("{:.1f} s", milliseconds / 1000);
}

}  // namespace

Table pci(const Json& reply, std::size_t columns) {
    if (!reply.is_array()) return std::nullopt;
    if (reply.empty()) return Lines{fit({{"none", Role::Dim}}, columns)};
    PciTree tree(columns);
    for (const auto& bus : reply)
        if (!tree.bus(bus, "")) return std::nullopt;
    return tree.take();
}

Table cpus(const Json& reply, std::size_t columns) {
    return rows_of(
        reply, {{"CPU", 0, true}, {"THREAD", 0, true}, {"TYPE", 2}, {"PLACE", 1}, {"TARGET", 4}, {"PATH", 3}},
        [](const Json& cpu) -> std::optional<Line> {
            const auto index = unsigned_at(cpu, "cpu-index");
            if (!index) return std::nullopt;
            const auto target = string_at(cpu, "target").value_or("");
            // The type came after 7.2 and says the target a second time.
            return Line{{std::to_string(*index), Role::Key},
                        number_cell(cpu, "thread-id"),
                        span(without(string_at(cpu, "qom-type").value_or(""), "-" + target + "-cpu")),
                        span(place_of(cpu)),
                        span(target),
                        text_cell(cpu, "qom-path", Role::Dim)};
        },
        columns);
}

Table hotpluggable_cpus(const Json& reply, std::size_t columns) {
    return rows_of(
        reply, {{"PLACE"}, {"STATE"}, {"VCPUS", 2, true}, {"TYPE", 1}, {"PATH", 3}},
        [](const Json& slot) -> std::optional<Line> {
            const auto type = string_at(slot, "type");
            if (!type || member(slot, "props") == nullptr) return std::nullopt;
            const auto path = string_at(slot, "qom-path");
            return Line{span(place_of(slot), Role::Key),
                        path ? Span{"plugged", Role::Ok} : Span{"free", Role::Dim},
                        number_cell(slot, "vcpus-count"), span(*type), span(path.value_or(""), Role::Dim)};
        },
        columns);
}

Table iothreads(const Json& reply, std::size_t columns) {
    const std::vector<Column> header{{"IOTHREAD"},      {"THREAD", 0, true}, {"POLL MAX NS", 1, true},
                                     {"GROW", 2, true}, {"SHRINK", 2, true}, {"BATCH", 3, true}};
    return rows_of(
        reply, header,
        [](const Json& thread) -> std::optional<Line> {
            const auto id = string_at(thread, "id");
            if (!id) return std::nullopt;
            return Line{span(*id, Role::Key),
                        number_cell(thread, "thread-id"),
                        number_cell(thread, "poll-max-ns"),
                        number_cell(thread, "poll-grow"),
                        number_cell(thread, "poll-shrink"),
                        number_cell(thread, "aio-max-batch")};
        },
        columns);
}

Table memory_devices(const Json& reply, std::size_t columns) {
    const std::vector<Column> header{
        {"DEVICE"},           {"TYPE", 1},       {"SIZE", 0, true}, {"REQUESTED", 2, true}, {"MAX", 2, true},
        {"ADDRESS", 2, true}, {"NODE", 3, true}, {"SLOT", 4, true}, {"MEMDEV", 1}};
    return rows_of(
        reply, header,
        [](const Json& device) -> std::optional<Line> {
            const auto type = string_at(device, "type");
            const auto* data = member(device, "data");
            if (!type || data == nullptr) return std::nullopt;
            auto address = hex_cell(*data, "addr");
            if (address.text.empty()) address = hex_cell(*data, "memaddr");
            return Line{span(string_at(*data, "id").value_or("(no id)"), Role::Key),
                        span(*type),
                        size_cell(*data, "size"),
                        size_cell(*data, "requested-size"),
                        size_cell(*data, "max-size"),
                        std::move(address),
                        number_cell(*data, "node"),
                        number_cell(*data, "slot"),
                        text_cell(*data, "memdev")};
        },
        columns);
}

Table memory_backends(const Json& reply, std::size_t columns) {
    return rows_of(
        reply,
        {{"MEMDEV"}, {"SIZE", 0, true}, {"SHARED", 1}, {"PREALLOC", 2}, {"POLICY", 3}, {"HOST NODES", 3}},
        [](const Json& backend) -> std::optional<Line> {
            const auto size = number_at(backend, "size");
            if (!size) return std::nullopt;
            std::string nodes;
            if (const auto* list = array_at(backend, "host-nodes"))
                for (const auto& node : *list) nodes += (nodes.empty() ? "" : ", ") + node.dump();
            return Line{span(string_at(backend, "id").value_or("(no id)"), Role::Key),
                        size_cell(backend, "size"),
                        yes_cell(backend, "share", "yes", "no"),
                        yes_cell(backend, "prealloc", "yes", "no"),
                        text_cell(backend, "policy"),
                        span(nodes)};
        },
        columns);
}

Table chardevs(const Json& reply, std::size_t columns) {
    return rows_of(
        reply, {{"CHARDEV"}, {"FRONTEND", 1}, {"BACKEND"}},
        [](const Json& chardev) -> std::optional<Line> {
            const auto label = string_at(chardev, "label");
            if (!label) return std::nullopt;
            return Line{span(*label, Role::Key), yes_cell(chardev, "frontend-open", "open", "closed"),
                        text_cell(chardev, "filename")};
        },
        columns);
}

Table qom_properties(const Json& reply, std::size_t columns) {
    if (!reply.is_array()) return std::nullopt;
    Lines children, links, others;
    for (const auto& entry : reply) {
        const auto name = string_at(entry, "name");
        const auto type = string_at(entry, "type");
        if (!name || !type) return std::nullopt;
        if (const auto child = inside(*type, "child<"))
            children.push_back({span(*name + "/", Role::Key), {"child", Role::Dim}, span(*child)});
        else if (const auto link = inside(*type, "link<"))
            links.push_back({span(*name, Role::Key), {"link", Role::Dim}, span(*link)});
        else
            others.push_back({span(*name, Role::Key), {}, span(*type)});
    }
    for (auto* more : {&links, &others}) std::ranges::move(*more, std::back_inserter(children));
    if (children.empty()) return Lines{fit({{"none", Role::Dim}}, columns)};
    return table({{"NAME"}, {"KIND", 1}, {"TYPE"}}, children, columns);
}

Table migration(const Json& reply, std::size_t columns) {
    if (!reply.is_object()) return std::nullopt;
    if (reply.empty()) return Lines{fit({{"no migration since QEMU began", Role::Dim}}, columns)};
    if (!string_at(reply, "status")) return std::nullopt;
    Lines rows{{{"status", Role::Key}, status_cell(reply, "status")}};
    const auto add = [&](const char* name, std::string value) {
        if (!value.empty()) rows.push_back({{name, Role::Key}, {std::move(value), Role::Number}});
    };
    const auto time = [&](const char* name, const char* shown) {
        if (const auto ms = number_at(reply, name)) add(shown, duration_of(*ms));
    };
    if (const auto* ram = member(reply, "ram")) {
        const auto total = number_at(*ram, "total");
        const auto remaining = number_at(*ram, "remaining");
        if (total && remaining) add("memory done", percent_cell(*total - *remaining, total).text);
        for (const auto& [name, shown] :
             {std::pair{"total", "memory"}, std::pair{"transferred", "transferred"},
              std::pair{"remaining", "remaining"}})
            add(shown, size_cell(*ram, name).text);
        if (const auto rate = number_at(*ram, "mbps")) add("rate", fmt::format("{:.1f} Mbit/s", *rate));
        add("dirty pages/s", number_cell(*ram, "dirty-pages-rate").text);
        add("rounds", number_cell(*ram, "dirty-sync-count").text);
    }
    time("total-time", "total time");
    time("expected-downtime", "expected downtime");
    time("downtime", "downtime");
    if (const auto error = string_at(reply, "error-desc"))
        rows.push_back({{"error", Role::Key}, span(*error, Role::Error)});
    return table({{"MIGRATION"}, {""}}, rows, columns);
}

Table receive_filters(const Json& reply, std::size_t columns) {
    const std::vector<Column> header{{"NIC"},          {"MAC"},          {"PROMISCUOUS", 1}, {"UNICAST", 3},
                                     {"MULTICAST", 3}, {"BROADCAST", 4}, {"VLAN", 2}};
    return rows_of(
        reply, header,
        [](const Json& nic) -> std::optional<Line> {
            const auto name = string_at(nic, "name");
            if (!name) return std::nullopt;
            return Line{span(*name, Role::Key),
                        text_cell(nic, "main-mac"),
                        yes_cell(nic, "promiscuous", "yes", "no"),
                        text_cell(nic, "unicast"),
                        text_cell(nic, "multicast"),
                        yes_cell(nic, "broadcast-allowed", "yes", "no"),
                        text_cell(nic, "vlan")};
        },
        columns);
}

Table exports(const Json& reply, std::size_t columns) {
    return rows_of(
        reply, {{"EXPORT"}, {"TYPE"}, {"NODE"}, {"STATE"}},
        [](const Json& entry) -> std::optional<Line> {
            const auto id = string_at(entry, "id");
            if (!id) return std::nullopt;
            return Line{span(*id, Role::Key), text_cell(entry, "type"), text_cell(entry, "node-name"),
                        yes_cell(entry, "shutting-down", "shutting down", "exported")};
        },
        columns);
}

Table fdsets(const Json& reply, std::size_t columns) {
    return rows_of(
        reply, {{"FDSET", 0, true}, {"DESCRIPTORS"}},
        [](const Json& set) -> std::optional<Line> {
            const auto id = unsigned_at(set, "fdset-id");
            const auto* fds = array_at(set, "fds");
            if (!id || fds == nullptr) return std::nullopt;
            std::string text;
            for (const auto& fd : *fds) {
                text += fmt::format("{}{}", text.empty() ? "" : ", ", number_cell(fd, "fd").text);
                if (const auto opaque = string_at(fd, "opaque")) text += " " + *opaque;
            }
            return Line{{std::to_string(*id), Role::Key}, span(text)};
        },
        columns);
}

}  // namespace qvm::shell::tables
