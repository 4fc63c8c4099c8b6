// SPDX-License-Identifier: GPL-3.0-or-later
#include "qmp/server.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <set>
#include <sys/socket.h>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "qmp/async.hpp"
#include "qmp/server_connection.hpp"

namespace qvm::qmp {
namespace {

constexpr std::chrono::milliseconds accept_pause{100};
constexpr std::chrono::milliseconds stop_patience{1000};

/// Whoever it was keeps its label, should its pid be another's later.
std::string label_of(const ClientInfo& client) {
    std::string program;
    if (client.pid > 0) {
        std::ifstream comm(fmt::format("/proc/{}/comm", client.pid));
        std::getline(comm, program);
    }
    return program.empty() ? fmt::format("client {}", client.number)
                           : fmt::format("{} {}", escape_controls(program), client.pid);
}

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
    Impl(net::io_context& context, Fd fd, Options options, CallHandler handler)
        : settings(std::make_shared<ServerSettings>(
              ServerSettings{context, std::move(options), std::move(handler), {}})),
          listener(context, fd.get()),
          pause(context),
          idle(context) {
        fd.release();  // the descriptor object owns it now
    }

    void await_client() {
        listener.async_wait(net::posix::stream_descriptor::wait_read,
                            [self = shared_from_this()](const boost::system::error_code& error) {
                                if (!error && self->listener.is_open()) self->accept_clients();
                            });
    }

    void accept_clients() {
        for (;;) {
            Fd socket(::accept4(listener.native_handle(), nullptr, nullptr, SOCK_CLOEXEC));
            if (socket) {
                welcome(std::move(socket));
                continue;
            }
            if (errno == EINTR || errno == ECONNABORTED) continue;
            if (errno == EAGAIN || errno == EWOULDBLOCK) return await_client();
            return try_later();
        }
    }

    /// Out of descriptors or memory: the client stays in the queue, so that waiting for input would spin.
    void try_later() {
        pause.expires_after(accept_pause);
        pause.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
            if (!error && self->listener.is_open()) self->accept_clients();
        });
    }

    void welcome(Fd socket) {
        ucred peer{};
        socklen_t size = sizeof(peer);
        if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return;
        ClientInfo client;
        client.number = ++last_number;
        client.pid = peer.pid;
        client.uid = peer.uid;
        client.label = label_of(client);
        const auto connection = std::make_shared<ServerConnection>(
            settings, std::move(socket), client, [weak = weak_from_this()](std::uint64_t number) {
                if (const auto self = weak.lock()) self->rest(number);
            });
        connections.emplace(client.number, connection);
        connection->start();
    }

    /// A client has nothing to do for us now, or has gone.
    void rest(std::uint64_t number) {
        const auto found = connections.find(number);
        if (found != connections.end() && !found->second->is_open()) {
            connections.erase(found);
            watch(number, false);
            if (listener.is_open() && settings->options.gone) settings->options.gone(number);
        }
        idle.notify();
    }

    void broadcast(const Event& event) {
        if (connections.empty()) return;
        const auto bytes = wire_text(event.to_json());
        for (const auto& connection : everyone()) connection->send_event(bytes);
    }

    bool send(std::uint64_t number, const Event& event) {
        const auto found = connections.find(number);
        if (found == connections.end()) return false;
        const auto connection = found->second;
        return connection->send_event(wire_text(event.to_json()));
    }

    void watch(std::uint64_t number, bool enable) {
        if (enable)
            watchers.insert(number);
        else
            watchers.erase(number);
        settings->watched = nullptr;
        if (!watchers.empty()) settings->watched = [this](const Traffic& traffic) { show(traffic); };
    }

    void show(const Traffic& traffic) {
        const bool for_others = watchers.size() > watchers.count(traffic.client.number);
        if (!for_others || !settings->options.show) return;
        const auto bytes = wire_text(settings->options.show(traffic).to_json());
        const auto all = watchers;
        for (const auto number : all) {
            const auto found = connections.find(number);
            if (number == traffic.client.number || found == connections.end()) continue;
            const auto connection = found->second;
            connection->send_event(bytes);
        }
    }

    /// A copy: whoever is found gone while we go through them leaves the map.
    std::vector<std::shared_ptr<ServerConnection>> everyone() const {
        std::vector<std::shared_ptr<ServerConnection>> all;
        for (const auto& [number, connection] : connections) all.push_back(connection);
        return all;
    }

    bool busy() const {
        return std::any_of(connections.begin(), connections.end(),
                           [](const auto& each) { return each.second->busy(); });
    }

    static net::awaitable<void> stop(std::shared_ptr<Impl> self) {
        self->stop_listening();
        for (const auto& connection : self->everyone()) connection->stop_reading();
        const auto until = deadline_after(stop_patience);
        while (self->busy()) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
            if (left <= std::chrono::milliseconds::zero()) break;
            auto change = self->idle.wait_for(left);
            co_await std::move(change);
        }
        self->close_all();
    }

    void stop_listening() {
        boost::system::error_code ignored;
        listener.close(ignored);
        pause.cancel();
    }

    void close_all() {
        for (const auto& connection : everyone()) connection->close();
    }

    std::shared_ptr<ServerSettings> settings;
    net::posix::stream_descriptor listener;
    net::steady_timer pause;
    Signal idle;  ///< a connection has become idle, or has ended
    std::map<std::uint64_t, std::shared_ptr<ServerConnection>> connections;
    std::uint64_t last_number = 0;
    std::set<std::uint64_t> watchers;
};

Server::Server(net::io_context& context, Fd listener, Options options, CallHandler handler) {
    // accept4() must not block when a client has gone again before we look.
    const int flags = ::fcntl(listener.get(), F_GETFL);
    if (flags < 0 || ::fcntl(listener.get(), F_SETFL, flags | O_NONBLOCK) < 0) throw_errno("serve a socket");
    impl_ = std::make_shared<Impl>(context, std::move(listener), std::move(options), std::move(handler));
    impl_->await_client();
}

Server::~Server() {
    impl_->stop_listening();
    impl_->close_all();
    end_watches();
}

void Server::broadcast(const Event& event) {
    impl_->broadcast(event);
}

bool Server::send(std::uint64_t client_number, const Event& event) {
    return impl_->send(client_number, event);
}

void Server::watch(std::uint64_t client_number, bool enable) {
    impl_->watch(client_number, enable);
}

void Server::end_watches() {
    impl_->watchers.clear();
    impl_->settings->watched = nullptr;
}

std::size_t Server::client_count() const {
    return impl_->connections.size();
}

net::awaitable<void> Server::stop() {
    return Impl::stop(impl_);
}

}  // namespace qvm::qmp
