// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/hooks.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/socket.h>
#include <utility>

#include <fmt/format.h>

#include "qmp/async.hpp"

namespace qvm::launch {
namespace {

using qmp::net::awaitable;

/// Bytes; what a guest or a client has a say in does not decide how much is copied.
constexpr std::size_t longest_detail = 1024;

/// Beyond what they may take.
constexpr std::chrono::seconds grace{5};

}  // namespace

std::chrono::milliseconds patience_for_end(const Applied& applied, std::chrono::milliseconds without_hook) {
    auto patience = without_hook;
    for (std::size_t i = 0; i < applied.hooks.size(); ++i) patience += hook_time + grace;
    return patience;
}

std::string HookOrder::to_text() const {
    const Json json{
        {"event", config::word_of(event)}, {"exit", exit}, {"detail", detail.substr(0, longest_detail)}};
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<HookOrder> HookOrder::from_text(const std::string& text) {
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return std::nullopt;
    const auto word = [&](const char* member) {
        const auto found = json.find(member);
        return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    const auto event = config::choice_named<config::HookEvent>(word("event"));
    if (!event) return std::nullopt;
    return HookOrder{*event, word("exit"), word("detail")};
}

HookLine::HookLine(boost::asio::io_context& context, Fd line, std::vector<HookCommand> hooks, Log log)
    : context_(context), line_(std::move(line)), hooks_(std::move(hooks)), log_(std::move(log)) {}

void HookLine::run(const HookOrder& order) {
    const auto is_it = [&](const HookCommand& hook) { return hook.event == order.event; };
    if (std::ranges::none_of(hooks_, is_it)) return;
    const std::string event(config::word_of(order.event));
    const auto text = order.to_text();
    if (!line_ || ::send(line_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        failures_[event] = "there is nobody to run it: the process that ran hooks has ended";
        log_(fmt::format("hook {}: {}", event, failures_[event]));
        return;
    }
    ++running_;
    log_(fmt::format("hook {} runs", event));
    if (std::exchange(listening_, true)) return;
    qmp::spawn(context_, listen(), [this](const std::exception_ptr&) { give_up("its line is broken"); });
}

awaitable<void> HookLine::listen() {
    while (running_ > 0) {
        auto heard = qmp::wait_readable(line_.get());
        co_await std::move(heard);
        take_answers();
    }
    listening_ = false;
}

void HookLine::take_answers() {
    std::array<char, 4096> buffer{};
    for (;;) {
        const auto got = ::recv(line_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (got <= 0) return give_up("the process that ran it has ended");
        const Json answer =
            Json::parse(std::string(buffer.data(), static_cast<std::size_t>(got)), nullptr, false);
        if (!answer.is_object()) continue;
        const auto event = answer.value("event", "");
        const auto failure = answer.value("failure", "");
        if (running_ > 0) --running_;
        if (failure.empty())
            failures_.erase(event);
        else
            failures_[event] = failure;
        log_(failure.empty() ? fmt::format("hook {} is done", event)
                             : fmt::format("warning: hook {} failed: {}", event, failure));
    }
}

void HookLine::give_up(const std::string& why) {
    if (running_ > 0) log_("warning: hook: " + why);
    running_ = 0;
    line_.reset();
}

awaitable<void> HookLine::settled() {
    const auto end = std::chrono::steady_clock::now() + static_cast<int>(running_) * hook_time + grace;
    while (running_ > 0 && std::chrono::steady_clock::now() < end) {
        auto moment = qmp::sleep_for(std::chrono::milliseconds(5));
        co_await std::move(moment);
    }
}

}  // namespace qvm::launch
