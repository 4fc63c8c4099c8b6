// SPDX-License-Identifier: GPL-3.0-or-later
// A plan as a table for people: one line a resource.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/text.hpp"
#include "launch/overloaded.hpp"
#include "launch/plan.hpp"
#include "launch/secret.hpp"

namespace qvm::launch {
namespace {

/// One line: all steps of one resource, or of one part of the command line.
struct Row {
    std::string resource;
    std::vector<std::string> what;
    std::vector<std::string> how;
    std::string from;
    std::string last;  ///< the last resource of a run that looks alike

    bool looks_like(const Row& other) const {
        return from.empty() && other.from.empty() && what == other.what && how == other.how;
    }
};

void add_once(std::vector<std::string>& words, std::string word) {
    if (!word.empty() && std::ranges::find(words, word) == words.end()) words.push_back(std::move(word));
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
    return fmt::format("{}", fmt::join(words, between));
}

std::string made_of(const OpenFile& file) {
    if (!file.copy_of.empty()) return fmt::format(" (where missing: a copy of {})", file.copy_of.string());
    if (!file.create) return {};
    std::string made = file.create->ephemeral ? " (at each start: " : " (where missing: ";
    made += file.create->format;
    if (file.create->size != 0) made += " of " + format_size(file.create->size);
    if (!file.create->backing.empty()) made += " over " + file.create->backing.string();
    return made + ')';
}

std::string describe(const OpenTap& tap) {
    std::string text = tap.ifname.empty() ? "a new tap" : "tap " + tap.ifname;
    if (!tap.bridge.empty()) text += " in bridge " + tap.bridge;
    if (!tap.parent.empty()) text = "a macvtap over " + tap.parent;
    if (tap.queues > 1) text += fmt::format(", {} queues", tap.queues);
    if (tap.mtu != 0) text += fmt::format(", mtu {}", tap.mtu);
    return text;
}

std::string what_of(const HostStep& step) {
    return std::visit(
        Overloaded{[](const OpenFile& file) {
                       const auto* access = file.access == config::Access::ReadOnly    ? "read-only"
                                            : file.access == config::Access::ReadWrite ? "read-write"
                                                                                       : "write-only";
                       return fmt::format("{} {}{}", file.path.string(), access, made_of(file));
                   },
                   [](const ListenSocket& socket) {
                       return "listen on " + (!socket.address.empty()     ? socket.address
                                              : socket.in_runtime.empty() ? socket.path.string()
                                                                          : socket.in_runtime);
                   },
                   [](const ConnectSocket& socket) { return "connect to " + socket.path.string(); },
                   [](const PlaceSocket& socket) { return "listen on " + socket.path.string(); },
                   [](const OpenTap& tap) { return describe(tap); },
                   [](const OpenUsb& usb) { return "USB device " + usb.device; },
                   [](const StartProcess& process) {
                       const auto place =
                           process.path.empty() ? std::string() : " in " + process.path.string();
                       return joined(process.argv, " ") + place;
                   },
                   [](const ReadSecret& secret) { return "secret of " + source_of(secret); },
                   [](const WriteSeed& seed) {
                       return fmt::format("seed of cloud-init{}",
                                          seed.hostname.empty() ? "" : " for the host " + seed.hostname);
                   }},
        step.action);
}

/// "qcow2", "virtio-blk-pci bus=port1 addr=0x0": the kind of thing a command or an option makes.
std::string what_is_made(const Json& arguments) {
    if (!arguments.is_object()) return {};
    for (const char* member : {"driver", "qom-type", "type"})
        if (const auto found = arguments.find(member); found != arguments.end() && found->is_string()) {
            auto text = found->get<std::string>();
            if (const auto bus = arguments.find("bus"); bus != arguments.end() && bus->is_string())
                text += " on " + bus->get<std::string>();
            if (const auto order = arguments.find("bootindex"); order != arguments.end())
                text += " boot " + order->dump();
            return text;
        }
    if (const auto backend = arguments.find("backend"); backend != arguments.end())
        return what_is_made(*backend);
    return {};
}

std::string what_of(const ArgvStep& step) {
    if (step.words.size() != 2) return joined(step.words, " ");
    if (step.words[0] == "-m") {
        std::uint64_t bytes = 0;
        const auto& text = step.words[1];
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
        if (error == std::errc() && std::string_view(end) == "B") return format_size(bytes);
    }
    const auto json = Json::parse(step.words[1], nullptr, false);
    return json.is_object() ? what_is_made(json) : step.words[1];
}

bool sets_link(const Step& step) {
    const auto* qmp = std::get_if<QmpStep>(&step.action);
    return qmp != nullptr && qmp->command == "set_link";
}

void describe(const Step& step, Row& row) {
    std::visit(Overloaded{[&](const HostStep& host) { add_once(row.what, what_of(host)); },
                          [&](const InheritStep&) {},
                          [&](const CopyStep& copy) { add_once(row.how, "copied to " + copy.jail_path); },
                          [&](const BindStep& bind) {
                              if (bind.target.empty())
                                  add_once(row.what, "connection to " + bind.path.string());
                              add_once(row.how,
                                       bind.target.empty() ? "shown in the jail" : "made in the jail");
                          },
                          [&](const ArgvStep& argv) {
                              if (argv.words.front() == "-add-fd") return;
                              add_once(row.what, what_of(argv));
                              add_once(row.how, argv.words.size() == 2 ? argv.words.front() : "argv");
                          },
                          [&](const QmpStep& qmp) {
                              add_once(row.what, sets_link(step) ? "link down" : what_is_made(qmp.arguments));
                              add_once(row.how, qmp.command);
                          },
                          [&](const GrowStep& grow) {
                              add_once(row.what, "at least " + format_size(grow.size));
                              add_once(row.how, "block_resize");
                          },
                          [&](const WaitStep& wait) { add_once(row.how, "wait for " + wait.event); }},
               step.action);
}

/// The row of a word of the command line that belongs to no resource.
std::string name_of(const ArgvStep& step) {
    const auto& option = step.words.front();
    if (option == "-nodefaults" || option == "-display" || option == "-name") return "qemu";
    const auto& argument = step.words.back();
    // The monitor's chardev and what stands on it.
    if (argument.find("qvm.") != std::string::npos) return "monitor";
    return option == "-m" ? "memory" : option.substr(1);
}

std::string name_of(const Step& step) {
    if (!step.resource.id.empty()) return step.resource.to_string();
    if (const auto* argv = std::get_if<ArgvStep>(&step.action)) return name_of(*argv);
    if (const auto* host = std::get_if<HostStep>(&step.action)) return host->name;
    if (const auto* inherit = std::get_if<InheritStep>(&step.action)) return inherit->host;
    if (const auto* copy = std::get_if<CopyStep>(&step.action)) return copy->host;
    return "start";
}

std::vector<Row> rows_of(const Plan& plan) {
    std::vector<Row> rows;
    for (const auto& step : plan.steps) {
        auto name = name_of(step);
        auto row = std::ranges::find(rows, name, &Row::resource);
        if (row == rows.end()) row = rows.insert(rows.end(), {std::move(name), {}, {}, {}, {}});
        // A resource's own origin rather than that of the file it is on.
        const bool is_its_own = !std::holds_alternative<HostStep>(step.action) &&
                                !std::holds_alternative<GrowStep>(step.action) && !sets_link(step);
        if (step.origin.known() && (row->from.empty() || is_its_own)) row->from = step.origin.to_string();
        describe(step, *row);
    }
    return rows;
}

std::vector<Row> with_runs_folded(std::vector<Row> rows) {
    std::vector<Row> folded;
    for (auto& row : rows) {
        if (!folded.empty() && folded.back().looks_like(row))
            folded.back().last = row.resource;
        else
            folded.push_back(std::move(row));
    }
    return folded;
}

}  // namespace

std::string Plan::to_text() const {
    constexpr std::size_t widest = 60;
    std::vector<std::vector<std::string>> lines;
    for (const auto& row : with_runs_folded(rows_of(*this)))
        lines.push_back({row.last.empty() ? row.resource : row.resource + " .. " + row.last,
                         escape_controls(joined(row.what, "; ")), joined(row.how, ", "), row.from});
    std::vector<std::size_t> widths(4, 0);
    for (const auto& line : lines)
        for (std::size_t i = 0; i < line.size(); ++i)
            widths[i] = std::max(widths[i], std::min(widest, display_width(line[i])));
    auto text = fmt::format("{} with {}: {} steps\n", vm, accel, steps.size());
    for (const auto& line : lines) {
        std::string printed = " ";
        for (std::size_t i = 0; i < line.size(); ++i) {
            const auto width = display_width(line[i]);
            printed += ' ' + line[i] + std::string(width < widths[i] ? widths[i] - width : 0, ' ') + ' ';
        }
        printed.erase(printed.find_last_not_of(' ') + 1);
        text += printed + '\n';
    }
    return text;
}

}  // namespace qvm::launch
