// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/console.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "launch/capped_log.hpp"
#include "qmp/transport.hpp"

namespace qvm::launch {
namespace {

using Socket = net::local::stream_protocol::socket;
using Acceptor = net::local::stream_protocol::acceptor;

constexpr std::size_t replay_bytes = std::size_t{64} << 10U;
constexpr std::size_t client_backlog = std::size_t{1} << 20U;
constexpr std::size_t guest_backlog = std::size_t{64} << 10U;
constexpr std::size_t most_clients = 64;
constexpr std::chrono::milliseconds accept_again{100};

/// The last `replay_bytes` of what the guest wrote.
class Tail {
  public:
    explicit Tail(const Fd& log) {
        struct stat status {};
        if (!log || ::fstat(log.get(), &status) != 0) return;
        text_.resize(std::min(replay_bytes, static_cast<std::size_t>(status.st_size)));
        const auto got =
            ::pread(log.get(), text_.data(), text_.size(), status.st_size - static_cast<off_t>(text_.size()));
        text_.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    }
    void append(std::string_view bytes) {
        text_ += bytes;
        if (text_.size() > 2 * replay_bytes) text_.erase(0, text_.size() - replay_bytes);
    }
    std::string_view last() const {
        const std::string_view all = text_;
        return all.size() > replay_bytes ? all.substr(all.size() - replay_bytes) : all;
    }

  private:
    std::string text_;
};

}  // namespace

struct ConsoleRelay::Impl : std::enable_shared_from_this<ConsoleRelay::Impl> {
    struct Client {
        explicit Client(Socket s) : socket(std::move(s)) {}
        Socket socket;
        std::string out;  ///< not yet given to the socket's kernel buffer
        std::array<char, 4096> in{};
        bool writing = false;
        bool reading = false;
    };
    using ClientPtr = std::shared_ptr<Client>;

    Impl(net::io_context& context, Fd qemu_fd, Fd listener_fd, Files files)
        : qemu(context, net::local::stream_protocol(), qemu_fd.release()),
          listener(context, net::local::stream_protocol(), listener_fd.release()),
          retry(context),
          tail(files.log),
          log(std::move(files.log), std::move(files.log_previous)) {}

    void start() {
        read_guest();
        accept();
    }

    void accept() {
        listener.async_accept([self = shared_from_this()](boost::system::error_code error, Socket socket) {
            if (error == net::error::operation_aborted || !self->listener.is_open()) return;
            if (error) return self->accept_later();
            self->admit(std::move(socket));
            self->accept();
        });
    }

    /// No descriptor left, for one: trying again at once would be all that we do.
    void accept_later() {
        retry.expires_after(accept_again);
        retry.async_wait([self = shared_from_this()](boost::system::error_code error) {
            if (!error && self->listener.is_open()) self->accept();
        });
    }

    void admit(Socket socket) {
        if (clients.size() >= most_clients) return;
        auto client = std::make_shared<Client>(std::move(socket));
        client->out = tail.last();
        clients.push_back(client);
        flush(client);
        read_client(client);
    }

    void drop(const ClientPtr& client) {
        boost::system::error_code ignored;
        client->socket.close(ignored);
        std::erase(clients, client);
    }

    void read_guest() {
        qemu.async_read_some(net::buffer(guest_in),
                             [self = shared_from_this()](boost::system::error_code error, std::size_t bytes) {
                                 if (error) return;
                                 self->from_guest({self->guest_in.data(), bytes});
                                 self->read_guest();
                             });
    }

    void from_guest(std::string_view bytes) {
        tail.append(bytes);
        log.append(bytes);
        const auto everyone = clients;  // a copy: flush() may drop one
        for (const auto& client : everyone) {
            if (client->out.size() + bytes.size() > client_backlog) {
                drop(client);
                continue;
            }
            client->out += bytes;
            flush(client);
        }
    }

    void flush(const ClientPtr& client) {
        if (client->writing || client->out.empty()) return;
        client->writing = true;
        auto chunk = std::make_shared<std::string>(std::move(client->out));
        client->out.clear();
        net::async_write(
            client->socket, net::buffer(*chunk),
            [self = shared_from_this(), client, chunk](boost::system::error_code error, std::size_t) {
                client->writing = false;
                if (error)
                    self->drop(client);
                else
                    self->flush(client);
            });
    }

    void read_client(const ClientPtr& client) {
        if (client->reading || guest_out.size() > guest_backlog) return;
        client->reading = true;
        client->socket.async_read_some(
            net::buffer(client->in),
            [self = shared_from_this(), client](boost::system::error_code error, std::size_t bytes) {
                client->reading = false;
                if (error == net::error::eof) return self->watches(client);
                if (error) return self->drop(client);
                self->guest_out.append(client->in.data(), bytes);
                self->flush_guest();
                self->read_client(client);
            });
    }

    /// It has ended its input. It may still listen, until it hangs up.
    void watches(const ClientPtr& client) {
        if (qmp::hung_up(client->socket.native_handle())) return drop(client);
        client->socket.async_wait(Socket::wait_error,
                                  [self = shared_from_this(), client](boost::system::error_code error) {
                                      if (!error) self->drop(client);
                                  });
    }

    void flush_guest() {
        if (guest_writing || guest_out.empty()) return;
        guest_writing = true;
        auto chunk = std::make_shared<std::string>(std::move(guest_out));
        guest_out.clear();
        net::async_write(qemu, net::buffer(*chunk),
                         [self = shared_from_this(), chunk](boost::system::error_code error, std::size_t) {
                             self->guest_writing = false;
                             if (error) return;
                             self->flush_guest();
                             for (const auto& client : self->clients) self->read_client(client);
                         });
    }

    void finish() {
        boost::system::error_code error;
        qemu.non_blocking(true, error);
        while (!error) {
            const auto bytes = qemu.read_some(net::buffer(guest_in), error);
            if (!error) from_guest({guest_in.data(), bytes});
        }
        listener.close(error);
        retry.cancel();
        for (const auto& client : clients) {
            if (!client->writing && !client->out.empty()) {
                client->socket.non_blocking(true, error);
                client->socket.write_some(net::buffer(client->out), error);
            }
            client->socket.shutdown(Socket::shutdown_send, error);
            client->socket.close(error);
        }
        clients.clear();
        qemu.close(error);
    }

    Socket qemu;
    Acceptor listener;
    net::steady_timer retry;
    Tail tail;
    CappedLog log;
    std::vector<ClientPtr> clients;
    std::array<char, 65536> guest_in{};
    std::string guest_out;
    bool guest_writing = false;
};

ConsoleRelay::ConsoleRelay(net::io_context& context, Fd qemu, Fd listener, Files files)
    : impl_(std::make_shared<Impl>(context, std::move(qemu), std::move(listener), std::move(files))) {
    impl_->start();
}

ConsoleRelay::~ConsoleRelay() {
    impl_->finish();
}

void ConsoleRelay::finish() {
    impl_->finish();
}

}  // namespace qvm::launch
