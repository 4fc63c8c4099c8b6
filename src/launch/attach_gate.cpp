// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/attach_gate.hpp"

#include <utility>

#include <fmt/format.h>

#include "config/choices.hpp"
#include "launch/attach_mask.hpp"
#include "launch/attach_policy.hpp"
#include "launch/control.hpp"
#include "launch/image_names.hpp"
#include "launch/runner.hpp"
#include "qmp/async.hpp"

namespace qvm::launch {
namespace {

using qmp::net::awaitable;

/// Bytes. QEMU needs seconds for a megabyte and serves nobody else meanwhile, and aborts at a message of more
/// than two million tokens: it takes each of the rest for a request of its own, and has room for eight.
constexpr std::size_t longest_command = std::size_t{256} << 10U;

config::AttachAllow allowed(const Applied& applied) {
    return config::choice_named<config::AttachAllow>(applied.attach).value_or(config::AttachAllow::Operate);
}

awaitable<void> ignore_reply(awaitable<Json> execution) {
    co_await std::move(execution);
}

}  // namespace

awaitable<Json> AttachGate::forward(qmp::Call call) {
    if (call.bytes > longest_command)
        throw qmp::ExecuteError(call.command, "GenericError",
                                fmt::format("the command is {} bytes long; QEMU is given no more than {}",
                                            call.bytes, longest_command));
    const auto number = call.client.number;
    const auto why = refusal(call.command, call.arguments, allowed(applied_), passed_fds_.passed_by(number));
    if (why) throw qmp::ExecuteError(call.command, "GenericError", *why);
    qmp::ExecuteOptions options;
    options.deadline = std::chrono::minutes(10);
    if (!call.fds.empty()) options.fd = call.fds.front().get();
    Json arguments = passed_fds_.to_qemu(number, call.command, call.arguments);
    if (writes_image_names(call.command, arguments)) {
        auto named = name_images(call.command, std::move(arguments));
        arguments = co_await std::move(named);
    }
    auto execution = monitor_.execute(call.command, std::move(arguments), options);
    Json reply = co_await std::move(execution);
    take_back(passed_fds_.note(number, call.command, call.arguments, reply));
    co_return reply;
}

bool AttachGate::may_watch() const {
    return allowed(applied_) != config::AttachAllow::Observe;
}

bool AttachGate::wants_to_watch(const qmp::Call& call) const {
    const auto refuse = [&](const std::string& why) {
        throw qmp::ExecuteError(call.command, "GenericError", fmt::format("{}: {}", call.command, why));
    };
    const auto enable = call.arguments.find("enable");
    if (call.arguments.size() != 1 || enable == call.arguments.end() || !enable->is_boolean())
        refuse("it takes one argument, 'enable', which is true or false");
    if (*enable == true && !may_watch())
        refuse(
            "what other clients say is not shown where attach.allow = \"observe\" lets clients only ask; say "
            "attach.allow = \"operate\" in the VM's file, and apply it");
    return enable->get<bool>();
}

qmp::Event AttachGate::show(const qmp::Traffic& traffic) {
    Json data = Json::object();
    data["client"] = traffic.client.label;
    data["number"] = traffic.client.number;
    data["direction"] = traffic.reply == nullptr ? "client" : "server";
    data["message"] = traffic.reply == nullptr ? without_secrets(traffic.command)
                                               : reply_without_secrets(traffic.command, *traffic.reply);
    return qmp::Event::now(control::traffic, std::move(data));
}

awaitable<Json> AttachGate::name_images(std::string command, Json arguments) {
    Json replies = Json::array();
    for (const char* question : {"x-debug-query-block-graph", "query-named-block-nodes", "query-fdsets"}) {
        auto asked = monitor_.execute(question);
        replies.push_back(co_await std::move(asked));
    }
    const BlockGraph graph(replies[0], replies[1], replies[2], applied_.compiled);
    co_return graph.with_backing_file(command, std::move(arguments));
}

awaitable<void> AttachGate::forget_earlier_clients() {
    AttachFds::Leftovers left;
    Json sets;
    auto asked = try_command(monitor_, "query-fdsets", nullptr, -1, &sets);
    if (co_await std::move(asked)) co_return;
    for (const auto& set : sets)
        if (const auto number = set.value("fdset-id", std::int64_t{0}); number >= first_client_fdset)
            left.sets.push_back(number);
    take_back(left);
}

void AttachGate::take_back(const AttachFds::Leftovers& left) {
    const auto run = [this](const char* command, const char* member, Json value) {
        Json arguments = Json::object();
        arguments[member] = std::move(value);
        auto execution = monitor_.execute(command, std::move(arguments));
        // A name is gone once QEMU has used it, and a set once nothing in it is open.
        qmp::spawn(context_, ignore_reply(std::move(execution)), [](const std::exception_ptr&) {});
    };
    for (const auto& name : left.names) run("closefd", "fdname", Json(name));
    for (const auto set : left.sets) run("remove-fd", "fdset-id", Json(set));
}

}  // namespace qvm::launch
