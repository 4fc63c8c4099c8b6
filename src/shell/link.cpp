// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/link.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "qmp/async.hpp"
#include "qmp/transport.hpp"

namespace qvm::shell {
namespace {

namespace net = boost::asio;
using std::chrono::milliseconds;

constexpr milliseconds first_pause{100};
constexpr milliseconds longest_pause{5000};
/// A monitor that somebody else holds greets when that one leaves: worth waiting for.
constexpr milliseconds greeting_deadline = std::chrono::hours(24);
constexpr milliseconds greeting_expected{1000};
constexpr milliseconds agent_deadline{5000};

}  // namespace

Target target_of(const std::string& word, bool agent) {
    Target target;
    target.label = word;
    target.agent = agent;
    std::error_code ignored;
    const auto colon = word.rfind(':');
    if (word.find('/') != std::string::npos || colon == std::string::npos ||
        std::filesystem::exists(word, ignored)) {
        target.path = word;
        return target;
    }
    target.host = word.substr(0, colon);
    target.port = word.substr(colon + 1);
    if (target.host.starts_with('[') && target.host.ends_with(']'))
        target.host = target.host.substr(1, target.host.size() - 2);
    if (target.host.empty()) target.host = "localhost";
    const bool number =
        !target.port.empty() && std::ranges::all_of(target.port, [](char c) { return c >= '0' && c <= '9'; });
    constexpr int most = 65535;
    if (!number || target.port.size() > 5 || std::stoi(target.port) > most || std::stoi(target.port) == 0)
        throw Error(ExitCode::Usage,
                    fmt::format("'{}' is no socket: '{}' is no port number", word, target.port),
                    "a socket is PATH or HOST:PORT");
    return target;
}

Target target_of_log(const std::string& file) {
    if (::access(file.c_str(), R_OK) != 0)
        throw Error(ExitCode::Usage, fmt::format("cannot open '{}': {}", file, std::strerror(errno)));
    Target target;
    target.label = file;
    target.offline = true;
    return target;
}

struct Link::Impl : std::enable_shared_from_this<Link::Impl> {
    Impl(net::io_context& c, Target t, LinkHandler h)
        : context(c), target(std::move(t)), handler(std::move(h)), pause(c), greeting_timer(c) {}

    static net::awaitable<void> run(std::shared_ptr<Impl> self) {
        auto wait = first_pause;
        while (!self->over) {
            self->set(LinkState::Connecting, self->why);
            auto conversation = converse(self);
            const bool connected = co_await std::move(conversation);
            if (self->over) break;
            if (connected) wait = first_pause;
            self->pause.expires_after(self->at_once ? milliseconds(0) : wait);
            self->set(LinkState::Waiting, self->why);
            auto paused = sleep(self);
            co_await std::move(paused);
            wait = std::min(wait * 2, longest_pause);
            if (std::exchange(self->at_once, false)) wait = first_pause;
        }
    }

    static net::awaitable<void> sleep(std::shared_ptr<Impl> self) {
        if (self->at_once) co_return;
        boost::system::error_code cut_short;
        auto over = self->pause.async_wait(net::redirect_error(net::use_awaitable, cut_short));
        co_await std::move(over);
    }

    /// One connection from its beginning to its end; true if it came to a greeting. Says why it ended.
    static net::awaitable<bool> converse(std::shared_ptr<Impl> self) {
        bool connected = false;
        try {
            auto opening = open(self);
            Fd socket = co_await std::move(opening);
            self->stray.clear();
            self->client.emplace(self->context, std::move(socket));
            self->listen();
            auto greeted = self->shake_hands();
            co_await std::move(greeted);
            if (self->over) co_return true;
            connected = true;
            self->set(LinkState::Connected, {});
            auto end = self->client->closed();
            co_await std::move(end);
            self->why = self->client->closed_reason();
        } catch (const Error& error) {
            self->why = error.what();
        } catch (const boost::system::system_error& error) {
            self->why = fmt::format("{}: {}", self->target.label, error.code().message());
        }
        self->client.reset();
        if (self->target.why_gone && !self->over) {
            const auto known = self->target.why_gone();
            if (!known.empty()) self->why = known;
        }
        co_return connected;
    }

    static net::awaitable<Fd> open(std::shared_ptr<Impl> self) {
        if (!self->target.path.empty()) {
            try {
                co_return qmp::connect_unix(self->target.path);
            } catch (const SystemError& error) {
                throw qmp::ConnectError(ExitCode::NoSuchVm, error.what(), error.advice());
            }
        }
        net::ip::tcp::resolver resolver(self->context);
        auto resolving = resolver.async_resolve(self->target.host, self->target.port, net::use_awaitable);
        const auto places = co_await std::move(resolving);
        net::ip::tcp::socket socket(self->context);
        auto connecting = net::async_connect(socket, places, net::use_awaitable);
        co_await std::move(connecting);
        co_return Fd(socket.release());
    }

    net::awaitable<void> shake_hands() {
        if (target.agent) {
            auto synced = client->handshake_agent(agent_deadline);
            co_await std::move(synced);
            co_return;
        }
        greeting_timer.expires_after(greeting_expected);
        greeting_timer.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
            const auto here = self.lock();
            if (!error && here && !here->over) here->say_no_greeting();
        });
        auto greeted = client->handshake(greeting_deadline);
        greeting = co_await std::move(greeted);
        greeting_timer.cancel();
    }

    void say_no_greeting() const {
        if (!stray.empty())
            return handler.notice(
                fmt::format("connected, but what answers there is no QMP server: {}", stray));
        handler.notice(
            "connected, but no greeting has come: a monitor of QEMU serves one client at a time, and another "
            "may hold this one; waiting until it leaves");
    }

    void listen() {
        client->on_event([this](const qmp::Event& event, const std::string& text) {
            if (!over) handler.event(event, text);
        });
        client->on_notice([this](const std::string& sentence) {
            if (over) return;
            if (state == LinkState::Connected) return handler.notice(sentence);
            // It was meant for the client that was there before us, or this is no QMP server at all: without
            // a greeting it is told.
            if (stray.empty()) stray = sentence;
        });
    }

    void set(LinkState next, std::string reason) {
        if (over) return;
        const bool same = state == next && why == reason;
        state = next;
        why = std::move(reason);
        if (!same) handler.changed();
    }

    qmp::Client& connected() {
        if (state != LinkState::Connected || !client)
            throw qmp::StateError(ExitCode::NoSuchVm, fmt::format("not connected to {}{}{}", target.label,
                                                                  why.empty() ? "" : ": ", why));
        return *client;
    }

    net::io_context& context;
    Target target;
    LinkHandler handler;
    LinkState state = LinkState::Waiting;
    std::string why;
    std::string stray;  ///< the first thing that came in place of a greeting
    std::optional<qmp::Client> client;
    std::optional<qmp::Greeting> greeting;
    net::steady_timer pause;
    net::steady_timer greeting_timer;
    bool at_once = false;
    bool over = false;
};

Link::Link(boost::asio::io_context& context, Target target, LinkHandler handler)
    : impl_(std::make_shared<Impl>(context, std::move(target), std::move(handler))) {
    if (impl_->target.offline) {
        impl_->state = LinkState::Offline;
        impl_->why = "it is a log that was loaded";
        return;
    }
    qmp::spawn(context, Impl::run(impl_), [](const std::exception_ptr& failure) {
        if (failure) std::rethrow_exception(failure);
    });
}

Link::~Link() {
    impl_->over = true;
    impl_->pause.cancel();
    impl_->greeting_timer.cancel();
    if (impl_->client) impl_->client->close();
}

const Target& Link::target() const {
    return impl_->target;
}

LinkState Link::state() const {
    return impl_->state;
}

const std::string& Link::what() const {
    return impl_->why;
}

const std::optional<qmp::Greeting>& Link::greeting() const {
    return impl_->greeting;
}

milliseconds Link::next_try() const {
    if (impl_->at_once) return milliseconds(0);
    const auto left = impl_->pause.expiry() - std::chrono::steady_clock::now();
    return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(left));
}

void Link::reconnect() {
    impl_->at_once = true;
    impl_->pause.cancel();
    if (impl_->client) impl_->client->close();
}

std::string Link::send(std::string command, const Json& arguments, bool oob, qmp::AnswerHandler answered) {
    return impl_->connected().send(std::move(command), arguments, oob, std::move(answered));
}

std::string Link::send(Json message, qmp::AnswerHandler answered) {
    return impl_->connected().send(std::move(message), std::move(answered));
}

}  // namespace qvm::shell
