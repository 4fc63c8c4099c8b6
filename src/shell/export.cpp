// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/export.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/shell_word.hpp"
#include "shell/json_lines.hpp"
#include "shell/json_text.hpp"
#include "shell/messages.hpp"
#include "shell/secrets.hpp"
#include "shell/transcript_file.hpp"

namespace qvm::shell {
namespace {

constexpr std::array format_names{"json", "sh", "python", "iotest"};
using Kind = JsonToken::Kind;

/// On one line, in ASCII.
std::string ascii_json(std::string_view json) {
    std::string out;
    JsonScanner scanner(json);
    while (const auto token = scanner.next()) {
        out += token->kind == Kind::String ? quote_json_ascii(json_string_value(token->of(json)))
                                           : std::string(token->of(json));
        if (token->kind == Kind::Comma || token->kind == Kind::Colon) out += ' ';
    }
    return out;
}

/// A string token as a Python string. JSON's would nearly do, but for pairs of surrogates.
std::string python_string(std::string_view token) {
    const auto quoted = quote_json_ascii(json_string_value(token));
    std::string out = "'";
    for (auto rest = std::string_view(quoted).substr(1, quoted.size() - 2); !rest.empty();) {
        if (rest.front() == '\'') {
            out += "\\'";
            rest.remove_prefix(1);
        } else if (rest.starts_with("\\\"")) {
            out += '"';
            rest.remove_prefix(2);
        } else if (rest.front() == '\\') {
            const auto escape = read_json_escape(rest);
            out +=
                escape.code >= 0x10000 ? fmt::format("\\U{:08x}", escape.code) : rest.substr(0, escape.bytes);
            rest.remove_prefix(escape.bytes);
        } else {
            out += rest.front();
            rest.remove_prefix(1);
        }
    }
    return out + "'";
}

std::string python_token(const JsonToken& token, std::string_view json) {
    const auto text = token.of(json);
    if (token.kind == Kind::String) return python_string(text);
    if (text == "true") return "True";
    if (text == "false") return "False";
    if (text == "null") return "None";
    return std::string(text);
}

/// The same over several lines, the first one not indented.
std::string python_lines(std::string_view json, std::size_t indent) {
    const auto laid_out = pretty_json(json);
    std::string out;
    std::size_t copied = 0;
    JsonScanner scanner(laid_out);
    while (const auto token = scanner.next()) {
        const auto between = std::string_view(laid_out).substr(copied, token->begin - copied);
        // Two columns to a level there, four here.
        if (between.find('\n') != std::string_view::npos)
            out += "\n" + std::string(indent + 2 * (between.size() - between.find('\n') - 1), ' ');
        else
            out += between;
        out += python_token(*token, laid_out);
        copied = token->end;
    }
    return out;
}

/// What is left to say of a command: its name, its arguments, whether it goes out of band.
struct Command {
    std::string name, arguments;
    bool oob = false;
    bool masked = false;
};

std::optional<Command> command_of(const Item& item) {
    if (!is_json(item.sent())) return std::nullopt;
    const auto sent = mask_sent(item.sent());
    const auto execute = json_member(sent, "execute");
    const auto name = execute ? execute : json_member(sent, "exec-oob");
    if (!name) return std::nullopt;
    Command command{json_string_value(*name), std::string(json_member(sent, "arguments").value_or("")),
                    !execute, sent != item.sent() || sent.find(mask) != std::string::npos};
    JsonScanner scanner(command.arguments);
    while (const auto token = scanner.next())
        if (token->kind == Kind::End && scanner.at() == 2) command.arguments.clear();  // {}
    return command;
}

std::string comment(std::string_view text) {
    constexpr std::size_t longest = 70;
    return fmt::format("# {}{}\n", text.substr(0, longest), text.size() > longest ? "..." : "");
}

/// A program's statements, each a text with line ends. Alike ones in a row are one in a loop.
class Statements {
  public:
    void add(std::string statement) {
        if (statement == last_) {
            ++count_;
            return;
        }
        flush();
        last_ = std::move(statement);
        count_ = 1;
    }
    std::string take(std::size_t indent) {
        indent_ = indent;
        flush();
        return std::move(text_);
    }
    explicit Statements(std::size_t indent) : indent_(indent) {}

  private:
    void flush() {
        if (count_ > 1) text_ += fmt::format("{}for _ in range({}):\n", std::string(indent_, ' '), count_);
        const auto extra = std::string(indent_ + (count_ > 1 ? 4 : 0), ' ');
        for (std::string_view rest = last_; !rest.empty();) {
            const auto end = std::min(rest.find('\n'), rest.size() - 1) + 1;
            text_ += extra;
            text_ += rest.substr(0, end);
            rest.remove_prefix(end);
        }
        last_.clear();
        count_ = 0;
    }

    std::size_t indent_;
    std::string text_, last_;
    std::size_t count_ = 0;
};

std::string export_json(const std::vector<const Item*>& items) {
    std::string text = "[";
    const auto* separator = "\n";
    for (const auto& message : messages_of(items)) {
        text += separator + log_line(*message.item, message.part);
        separator = ",\n";
    }
    return text + "\n]\n";
}

const char* const secret_comment = "# A secret was masked here: fill it in.\n";

std::string export_shell(const std::vector<const Item*>& items) {
    std::string text =
        "#!/bin/sh\n"
        "# Made from a session of qvm attach. usage: $0 NAME\n"
        "set -eu\n"
        "vm=${1:?the name of a VM is expected}\n\n";
    for (const auto* item : items) {
        if (item->kind != ItemKind::Command) continue;
        const auto command = command_of(*item);
        if (!command) {
            text += comment("left out, as it is no command: " + ascii_json(item->sent()));
            continue;
        }
        if (command->name == "qmp_capabilities") continue;
        if (command->masked) text += secret_comment;
        const auto json = fmt::format(
            "{{\"{}\": {}{}}}", command->oob ? "exec-oob" : "execute", quote_json_ascii(command->name),
            command->arguments.empty() ? "" : ", \"arguments\": " + ascii_json(command->arguments));
        // A command that failed then may fail now.
        text += fmt::format("qvm qmp \"$vm\" {}{}\n", quote_shell(json),
                            item->state == ItemState::Error ? " || true" : "");
    }
    return text;
}

/// Members of an event's data that tell it from others of its name and are the same the next time.
std::string event_match(const Item& event) {
    const auto data = json_member(event.received, "data");
    if (!data) return {};
    std::string match;
    for (const auto* name : {"device", "id", "job-id", "node-name", "name", "path", "status", "type"}) {
        const auto value = json_member(*data, name);
        if (!value || !value->starts_with('"')) continue;
        match += fmt::format("{}'{}': {}", match.empty() ? "" : ", ", name, python_string(*value));
    }
    return match.empty() ? "" : fmt::format("{{'data': {{{}}}}}", match);
}

/// Its arguments as further arguments of a Python function, on one line if that is short.
std::string python_arguments(const Command& command) {
    constexpr std::size_t short_enough = 40;
    if (command.arguments.empty()) return {};
    const auto line = python_expression(command.arguments);
    return ", " + (line.size() <= short_enough ? line : python_lines(command.arguments, 0));
}

using CommandText = std::string (*)(const Command&);
using EventText = std::string (*)(const Item& event);

std::string statements_of(const std::vector<const Item*>& items, std::size_t indent, CommandText command_text,
                          EventText event_text) {
    Statements statements(indent);
    for (const auto& message : messages_of(items)) {
        const auto& item = *message.item;
        if (item.kind == ItemKind::Event) statements.add(event_text(item));
        if (item.kind != ItemKind::Command || message.part != Part::Sent) continue;
        const auto command = command_of(item);
        if (!command) {
            statements.add(comment("left out, as it is no command: " + ascii_json(item.sent())));
            continue;
        }
        if (command->name == "qmp_capabilities") continue;
        if (command->masked) statements.add(secret_comment);
        statements.add(command_text(*command));
        if (item.state == ItemState::Error)
            statements.add(
                comment("then: " + ascii_json(json_member(item.received, "error").value_or("{}"))));
    }
    return statements.take(indent);
}

std::string export_python(const std::vector<const Item*>& items) {
    constexpr std::size_t indent = 12;
    const auto command_text = [](const Command& command) {
        return fmt::format("await run(qmp, {}{}{})\n", python_string(quote_json(command.name)),
                           python_arguments(command), command.oob ? ", oob=True" : "");
    };
    const auto event_text = [](const Item& event) {
        return fmt::format("await wait(events, {})\n", python_string(quote_json(event.name)));
    };
    return fmt::format(R"(#!/usr/bin/env python3
# Made from a session of qvm attach. usage: NAME_OF_THIS SOCKET
import asyncio
import sys

from qemu.qmp import ExecuteError, QMPClient


async def run(qmp, command, arguments=None, oob=False):
    try:
        reply = await qmp.execute(command, arguments, oob)
    except ExecuteError as error:
        reply = error
    print(command, reply)


async def wait(events, name):
    while True:
        event = await events.get()
        if event['event'] == name:
            print(event)
            return


async def main(socket):
    qmp = QMPClient('session')
    await qmp.connect(socket)
    try:
        with qmp.listener() as events:
{}            print('done')
    finally:
        await qmp.disconnect()


asyncio.run(main(sys.argv[1]))
)",
                       statements_of(items, indent, command_text, event_text));
}

std::string export_iotest(const std::vector<const Item*>& items) {
    constexpr std::size_t indent = 4;
    const auto command_text = [](const Command& command) {
        return fmt::format("log(vm.qmp({}{}))\n", python_string(quote_json(command.name)),
                           python_arguments(command));
    };
    const auto event_text = [](const Item& event) {
        const auto match = event_match(event);
        return fmt::format("log(vm.event_wait({}{}),\n    filters=[filter_qmp_event])\n",
                           python_string(quote_json(event.name)), match.empty() ? "" : ", match=" + match);
    };
    return fmt::format(R"(#!/usr/bin/env python3
# group: rw
#
# Made from a session of qvm attach: say here what it tests, give the VM its
# drives, and the images names of this test.

import iotests
from iotests import log, filter_qmp_event

iotests.script_initialize(supported_fmts=['qcow2'])

with iotests.VM() as vm:
    vm.launch()

{})",
                       statements_of(items, indent, command_text, event_text));
}

}  // namespace

const char* name_of(ExportFormat format) {
    return format_names[static_cast<std::size_t>(format)];
}

std::optional<ExportFormat> export_format_named(std::string_view name) {
    const auto found = std::ranges::find(format_names, name);
    if (found == format_names.end()) return std::nullopt;
    return static_cast<ExportFormat>(found - format_names.begin());
}

std::string export_items(const std::vector<const Item*>& items, ExportFormat format) {
    switch (format) {
        case ExportFormat::Json:
            return export_json(items);
        case ExportFormat::Shell:
            return export_shell(items);
        case ExportFormat::Python:
            return export_python(items);
        case ExportFormat::Iotest:
            return export_iotest(items);
    }
    return {};
}

std::string python_expression(std::string_view json) {
    std::string out;
    JsonScanner scanner(json);
    while (const auto token = scanner.next()) {
        out += python_token(*token, json);
        if (token->kind == Kind::Comma || token->kind == Kind::Colon) out += ' ';
    }
    return out;
}

}  // namespace qvm::shell
