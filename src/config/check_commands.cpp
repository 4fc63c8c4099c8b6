// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/check_commands.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace qvm::config {
namespace {

struct Owned {
    std::string_view command, way;
};

/// What plan, apply and status would know nothing of.
constexpr auto owned = std::to_array<Owned>({
    {"object-add", "say it as [object.ID]"},
    {"object-del", "leave the [object.ID] out"},
    {"chardev-add", "say it as [chardev.ID]"},
    {"chardev-change", "say it as [chardev.ID]"},
    {"chardev-remove", "leave the [chardev.ID] out"},
    {"blockdev-add", "say it as [blockdev.ID]"},
    {"blockdev-del", "leave the [blockdev.ID] out"},
    {"netdev_add", "say it as [netdev.ID]"},
    {"netdev_del", "leave the [netdev.ID] out"},
    {"device_add", "say it as [device.ID]"},
    {"device_del", "leave the [device.ID] out"},
    {"set_link", "say link = false in [net.ID], or link-down = [\"ID\"]"},
    {"set-action", "say it in [lifecycle]"},
    {"add-fd", "a [host.ID] is opened and passed where \"@ID\" names it"},
    {"getfd", "a [host.ID] is opened and passed where \"@ID\" names it"},
    {"remove-fd", "a [host.ID] is opened and passed where \"@ID\" names it"},
    {"closefd", "a [host.ID] is opened and passed where \"@ID\" names it"},
    {"qmp_capabilities", "qvm says it when it connects"},
    {"x-exit-preconfig", "qvm says it at the start"},
    {"cont", "`qvm up` lets the guest run"},
    {"quit", "`qvm stop` and `qvm kill` end a VM"},
    {"system_powerdown", "`qvm stop` ends a VM"},
});

void check_command(StartCommand& command, Reporter& reporter) {
    const std::string& name = command.execute.value;
    const Subject subject{Subject::Noun::Command, name, &command.arguments, command.origin, command.made_by};
    command.checked_arguments = to_json(command.arguments);
    if (name.empty()) return;  // lower() has told of it
    const auto owner = std::ranges::find(owned, name, &Owned::command);
    if (owner != owned.end()) {
        reporter.report(DiagnosticKind::Conflict, subject, {}, command.execute.origin,
                        fmt::format("the command \"{}\" cannot be given here", name),
                        std::string(owner->way));
        return;
    }
    const auto& schema = reporter.qemu().schema;
    const qapi::Command* known = schema.command(name);
    if (known == nullptr) {
        reporter.report_no_such_type(subject, {}, command.execute.origin, "command", name,
                                     schema.command_names());
        return;
    }
    std::vector<qapi::Problem> problems;
    command.checked_arguments =
        qapi::validate_arguments(*known, command.checked_arguments, qapi::Leniency::FromFile, problems);
    reporter.report(subject, problems);
}

}  // namespace

void check_commands(Vm& vm, Reporter& reporter) {
    for (auto& command : vm.commands) check_command(command, reporter);
}

}  // namespace qvm::config
