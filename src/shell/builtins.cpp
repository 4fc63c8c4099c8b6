// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/builtins.hpp"

#include <algorithm>
#include <array>

#include "shell/builtin.hpp"
#include "shell/shell.hpp"

namespace qvm::shell {
namespace {

constexpr std::array table = {
    BuiltinCommand{"alias", "[NAME [ENTRY]]", "another name for an entry; without ENTRY, takes it away",
                   builtins::alias},
    BuiltinCommand{"bind", "[MODE] KEY [ACTION]", "let a key do something; without ACTION, nothing",
                   builtins::bind},
    BuiltinCommand{"clear", "", "show nothing of what is past (it stays in the transcript)", builtins::clear},
    BuiltinCommand{"detach", "", "leave the shell; the VM runs on", builtins::quit},
    BuiltinCommand{"diff", "A B", "how the replies of two items differ", builtins::diff},
    BuiltinCommand{"export", "json|sh|python|iotest [FILE]", "what is shown, as a program that does the same",
                   builtins::export_},
    BuiltinCommand{"filter", "[FILTER]",
                   "show only what matches: ~e STOP, ~c block*, ~err; without FILTER, all", builtins::filter},
    BuiltinCommand{"graph", "block|qom [PATH]|pci [--dot|--svg FILE]",
                   "a picture of block nodes, QOM objects or the PCI bus", builtins::graph},
    BuiltinCommand{"help", "[COMMAND]", "the shell's commands, or what QEMU's manual says of COMMAND",
                   builtins::help},
    BuiltinCommand{"hmp", "LINE", "a command of the human monitor, as in /hmp info mtree", builtins::hmp},
    BuiltinCommand{"job", "wait ID [TIMEOUT]", "wait until a job has concluded (10m)", builtins::job},
    BuiltinCommand{"keys", "", "all keys", builtins::keys},
    BuiltinCommand{"load", "FILE", "look at a log of the shell's, or of libvirt's", builtins::load},
    BuiltinCommand{"log", "[on|off|FILE]", "write what is said to a file as it comes", builtins::log},
    BuiltinCommand{"macro", "record|run|edit|delete NAME | stop | list", "entries that are kept under a name",
                   builtins::macro},
    BuiltinCommand{"quit", "", "leave the shell; the VM runs on", builtins::quit},
    BuiltinCommand{"reconnect", "", "connect again, at once", builtins::reconnect},
    BuiltinCommand{"replay", "FILE [--timing] [--diff]", "run the commands of a log again", builtins::replay},
    BuiltinCommand{"save", "[FILE] [--item N]", "what is shown to a file", builtins::save},
    BuiltinCommand{"search", "TEXT", "select the newest item that holds TEXT", builtins::search},
    BuiltinCommand{"set", "[NAME VALUE]", "settings: view, clock", builtins::set},
    BuiltinCommand{"top", "", "what the VM does, live", builtins::top},
    BuiltinCommand{"view", "[VIEW]", "how the log is shown: summary, json-summary, json, pretty, raw, typed",
                   builtins::view},
    BuiltinCommand{"wait", "EVENT [MEMBER=VALUE] [TIMEOUT]", "wait for an event, for what comes next (30s)",
                   builtins::wait},
    BuiltinCommand{"watch", "[on|off]", "show what the VM's other clients say", builtins::watch},
    BuiltinCommand{"window", "[N | open NAME|SOCKET | close]", "the VMs of this shell", builtins::window},
};

static_assert(std::ranges::is_sorted(table, {}, [](const auto& one) { return std::string_view(one.name); }));

}  // namespace

void builtins::fail(Shell& shell, const Done& done, std::string why) {
    shell.complain(std::move(why));
    done(false);
}

std::span<const BuiltinCommand> builtin_commands() {
    return table;
}

const BuiltinCommand* find_builtin(std::string_view name) {
    const auto found =
        std::ranges::find(table, name, [](const auto& one) { return std::string_view(one.name); });
    return found == table.end() ? nullptr : &*found;
}

}  // namespace qvm::shell
