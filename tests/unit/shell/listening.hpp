// SPDX-License-Identifier: GPL-3.0-or-later
// A socket where a QEMU that follows a script listens, goes away, and listens again.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "support/fake_qmp_server.hpp"
#include "support/temporary_directory.hpp"

namespace qvm::test {

struct Listening {
    using Protocol = boost::asio::local::stream_protocol;

    std::string path() const { return (directory.path() / "qmp.sock").string(); }

    /// Every connection gets a server of its own, to which `script` is told.
    void listen() {
        acceptor.emplace(context, Protocol::endpoint(path()));
        accept();
    }
    void leave() {
        acceptor.reset();
        std::filesystem::remove(path());
        for (auto& server : servers) server->close();
    }

    FakeQmpServer& newest() { return *servers.back(); }

    /// Lets everything run until that is so; false after some seconds.
    bool until(const std::function<bool()>& condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition() && std::chrono::steady_clock::now() < end) {
            context.restart();
            context.run_one_until(end);
        }
        return condition();
    }
    /// Lets everything run that is due.
    void settle() {
        context.restart();
        context.poll();
    }

    boost::asio::io_context context;
    std::function<void(FakeQmpServer&)> script = [](FakeQmpServer& server) { server.negotiate(); };
    TemporaryDirectory directory;
    std::optional<Protocol::acceptor> acceptor;
    std::vector<std::unique_ptr<FakeQmpServer>> servers;

  private:
    void accept() {
        acceptor->async_accept([this](const boost::system::error_code& error, Protocol::socket connection) {
            if (error) return;
            servers.push_back(std::make_unique<FakeQmpServer>(context, Fd(connection.release())));
            script(*servers.back());
            accept();
        });
    }
};

}  // namespace qvm::test
