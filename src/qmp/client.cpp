// SPDX-License-Identifier: GPL-3.0-or-later
#include "qmp/client.hpp"

#include <algorithm>
#include <deque>
#include <fcntl.h>
#include <random>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "qmp/async.hpp"
#include "qmp/event_source.hpp"
#include "qmp/session.hpp"
#include "qmp/transport.hpp"

namespace qvm::qmp {
namespace {

using Clock = std::chrono::steady_clock;
using Why = InterruptedError::Why;

/// QEMU stops reading a monitor, out-of-band commands too, while 8 commands wait in it.
constexpr std::size_t in_band_window = 7;

/// One command from execute() to its answer. Waiting (in a lane, nothing of it written), then in flight, then
/// answered. Given up while waiting, it is forgotten; given up in flight, it stays until its answer came.
struct Request {
    Request(net::io_context& context, std::string c) : command(std::move(c)), done(context) {}

    std::string command;
    Json id;
    std::string bytes;
    std::string reply;       ///< as it came, when somebody wants it
    AnswerHandler answered;  ///< who wants it; nobody waits for `done` then
    int fd = -1;
    bool oob = false;
    std::variant<std::monostate, Json, ErrorReply, Why> outcome;
    net::steady_timer done;  ///< expires at the deadline, is cut short by the answer

    void finish(std::variant<std::monostate, Json, ErrorReply, Why> how) {
        outcome = std::move(how);
        if (!answered) {
            done.cancel();
            return;
        }
        net::post(done.get_executor(), [handler = std::move(answered), answer = take_answer()]() mutable {
            handler(std::move(answer));
        });
    }

    Answer take_answer() {
        Answer answer;
        std::visit(
            [&answer](auto& how) {
                if constexpr (!std::is_same_v<std::decay_t<decltype(how)>, std::monostate>)
                    answer.outcome = std::move(how);
            },
            outcome);
        answer.text = std::move(reply);
        return answer;
    }
};

using RequestPtr = std::shared_ptr<Request>;

constexpr const char* negotiation = "qmp_capabilities";
constexpr const char* agent_sync = "guest-sync-delimited";

}  // namespace

struct Client::Impl : std::enable_shared_from_this<Client::Impl> {
    Impl(net::io_context& c, Fd fd) : context(c), socket(c, fd.get()), events(c), changed(c) {
        fd.release();  // the descriptor object owns it now
    }

    // ---- Input.

    void await_input() {
        socket.async_wait(net::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const boost::system::error_code& error) {
                              if (error || self->state == Runstate::Disconnected) return;
                              self->read_some();
                              if (self->state != Runstate::Disconnected) self->await_input();
                          });
    }

    /// Takes what has come, at most one chunk, so that others get their turn. False when nothing has.
    bool read_some() {
        std::vector<Fd> unwanted;
        bool would_block = false;
        bool open = true;
        input.clear();
        try {
            open = receive_some(socket.native_handle(), input, unwanted, would_block);
        } catch (const SystemError& error) {
            end(error.what());
            return false;
        }
        if (is_agent) std::erase(input, '\xff');  // what stands before the answer to guest-sync-delimited
        session.feed(input);
        while (state != Runstate::Disconnected) {
            auto message = session.next();
            if (!message) break;
            std::visit([this](auto& one) { take(one); }, *message);
        }
        if (!open) end("the other side closed the connection");
        return open && !would_block;
    }

    void take(Greeting& message) {
        if (greeting) return notice("a second greeting came and was ignored");
        greeting = std::move(message);
        changed.notify();
    }

    void take(Reply& message) {
        const auto request = answered(message.id);
        if (request) return request->finish(std::move(message.value));
        notice(fmt::format("a reply came that answers nothing (id {})", shown(message.id)));
    }

    void take(ErrorReply& message) {
        const auto request = answered(message.id);
        if (request) return request->finish(std::move(message));
        if (message.id.is_null()) {
            return notice(fmt::format("the other side could not read something: {}",
                                      escape_controls(message.description)));
        }
        notice(fmt::format("an error came that answers nothing (id {}): {}", shown(message.id),
                           escape_controls(message.description)));
    }

    void take(Event& message) {
        if (on_event) on_event(message, session.text());
        events.publish(message);
    }

    void take(Garbage& message) {
        notice(fmt::format("ignored what is no QMP message ({}): {}", message.why,
                           escape_controls(message.bytes)));
    }

    static std::string shown(const Json& id) {
        return escape_controls(id.dump(-1, ' ', false, Json::error_handler_t::replace));
    }

    /// The request in flight with this id, which leaves the window. There are few: nothing beats looking at
    /// each.
    RequestPtr answered(const Json& id) {
        if (id.is_null()) return nullptr;
        const auto found = std::find_if(in_flight.begin(), in_flight.end(),
                                        [&id](const auto& request) { return request->id == id; });
        if (found == in_flight.end()) return nullptr;
        auto request = std::move(*found);
        if (request->answered) request->reply = std::move(session.text());
        in_flight.erase(found);
        if (!request->oob) {
            --in_band_in_flight;
            write_some();
        }
        return request;
    }

    void notice(const std::string& sentence) const {
        if (on_notice) on_notice(sentence);
    }

    // ---- Output.

    void check_may_send(const std::string& command, bool oob) const {
        if (state == Runstate::Disconnected) {
            throw StateError(ExitCode::NoSuchVm,
                             fmt::format("cannot run '{}': the connection has ended ({})", command, reason));
        }
        if (state == Runstate::Idle || (state == Runstate::Connecting && !is_handshake(command))) {
            throw StateError(ExitCode::Usage, fmt::format("cannot run '{}' before the handshake", command));
        }
        if (oob && !has_oob) {
            throw StateError(
                ExitCode::Usage,
                fmt::format("cannot run '{}' out of band: this connection has no such lane", command));
        }
    }

    RequestPtr submit(std::string command, const Json& arguments, const ExecuteOptions& options) {
        check_may_send(command, options.oob);
        if (options.fd >= 0 && ::fcntl(options.fd, F_GETFD) < 0) {
            throw_errno(fmt::format("pass descriptor {} with '{}'", options.fd, command));
        }
        auto request = std::make_shared<Request>(context, std::move(command));
        request->id = next_id(request->command);
        request->bytes = Session::encode(request->command, arguments, request->id, options.oob);
        request->fd = options.fd;
        request->oob = options.oob;
        request->done.expires_at(deadline_after(options.deadline));
        enqueue(request);
        return request;
    }

    /// Short, because QEMU reads a monitor byte by byte, each in a turn of its loop. QEMU sends the reply to
    /// a command of a client that has left to the next one, but runs one command after the other: what comes
    /// after the answer to the handshake is ours, and the handshake's id is no other client's.
    Json next_id(std::string_view command) {
        ++last_id;
        if (!is_handshake(command)) return last_id;
        return fmt::format("q{:08x}.{}", std::random_device{}(), last_id);
    }

    static bool is_handshake(std::string_view command) {
        return command == negotiation || command == agent_sync;
    }

    void enqueue(const RequestPtr& request) {
        (request->oob ? oob_lane : in_band_lane).push_back(request);
        write_some();
    }

    std::string send(const RequestPtr& request, AnswerHandler answered) {
        request->answered = std::move(answered);
        auto text = request->bytes.substr(0, request->bytes.size() - 1);
        enqueue(request);
        return text;
    }

    std::string send(std::string command, const Json& arguments, bool oob, AnswerHandler answered) {
        check_may_send(command, oob);
        auto request = std::make_shared<Request>(context, std::move(command));
        request->id = next_id(request->command);
        request->bytes = Session::encode(request->command, arguments, request->id, oob);
        request->oob = oob;
        return send(request, std::move(answered));
    }

    std::string send(Json message, AnswerHandler answered) {
        const bool oob = message.contains("exec-oob");
        const auto name = message.value(oob ? "exec-oob" : "execute", Json());
        auto command = name.is_string() ? name.get<std::string>() : std::string("?");
        check_may_send(command, oob);
        auto request = std::make_shared<Request>(context, std::move(command));
        if (!message.contains("id") || message["id"].is_null()) message["id"] = next_id(request->command);
        request->id = message["id"];
        request->bytes = Session::encode(message);
        request->oob = oob;
        return send(request, std::move(answered));
    }

    /// Writes as much as the socket and the window take. A failure to write is no end yet: the other side may
    /// have said why before it closed.
    void write_some() {
        if (write_failed || writing) return;
        try {
            while (write_unfinished()) {
                auto& lane = oob_lane.empty() ? in_band_lane : oob_lane;
                if (lane.empty() || (!lane.front()->oob && in_band_in_flight == in_band_window)) return;
                const auto& request = lane.front();
                if (request->fd >= 0 && passes_descriptor()) return;
                const auto sent = send_some(socket.native_handle(), request->bytes, request->fd);
                if (sent == 0) return await_output();
                unfinished = sent == request->bytes.size() ? std::string() : std::move(request->bytes);
                unfinished_sent = sent;
                if (!request->oob) ++in_band_in_flight;
                in_flight.push_back(request);
                lane.pop_front();
            }
        } catch (const SystemError& error) {
            write_failed = true;
            net::post(context, [self = shared_from_this(), why = std::string(error.what())] {
                while (self->state != Runstate::Disconnected && self->read_some()) continue;
                self->end(why);
            });
        }
    }

    /// QEMU reads ahead and keeps only the newest descriptor: two on their way at once would be mixed up.
    bool passes_descriptor() const {
        return std::any_of(in_flight.begin(), in_flight.end(), [](const auto& r) { return r->fd >= 0; });
    }

    /// The rest of the command whose beginning is written. False when the socket takes no more now.
    bool write_unfinished() {
        while (unfinished_sent < unfinished.size()) {
            const auto rest = std::string_view(unfinished).substr(unfinished_sent);
            const auto sent = send_some(socket.native_handle(), rest, -1);
            if (sent == 0) {
                await_output();
                return false;
            }
            unfinished_sent += sent;
        }
        return true;
    }

    void await_output() {
        writing = true;
        socket.async_wait(net::posix::stream_descriptor::wait_write,
                          [self = shared_from_this()](const boost::system::error_code& error) {
                              self->writing = false;
                              if (!error && self->state != Runstate::Disconnected) self->write_some();
                          });
    }

    // ---- Requests.

    static net::awaitable<Json> execute(std::shared_ptr<Impl> self, std::string command, Json arguments,
                                        ExecuteOptions options) {
        const auto request = self->submit(std::move(command), arguments, options);
        boost::system::error_code error;
        auto over = request->done.async_wait(net::redirect_error(net::use_awaitable, error));
        co_await std::move(over);
        if (request->outcome.index() == 0) {
            self->give_up(request);
            request->outcome = error ? Why::Abandoned : Why::DeadlinePassed;
        }
        if (const auto* failure = std::get_if<ErrorReply>(&request->outcome)) {
            throw ExecuteError(request->command, failure->error_class, failure->description);
        }
        if (const auto* why = std::get_if<Why>(&request->outcome))
            throw InterruptedError(request->command, *why);
        co_return std::move(std::get<Json>(request->outcome));
    }

    /// In flight it stays, and holds its place in the window.
    void give_up(const RequestPtr& request) { std::erase(request->oob ? oob_lane : in_band_lane, request); }

    // ---- Beginning and end.

    static net::awaitable<Greeting> handshake(std::shared_ptr<Impl> self,
                                              std::chrono::milliseconds deadline) {
        if (self->state == Runstate::Running || self->state == Runstate::Connecting) {
            throw StateError(ExitCode::Usage, "the handshake was made already");
        }
        const auto until = deadline_after(deadline);
        if (self->state == Runstate::Idle) self->state = Runstate::Connecting;
        while (!self->greeting && self->state == Runstate::Connecting) {
            auto change = self->changed.wait_for(time_left(until));
            const bool came = co_await std::move(change);
            if (came) continue;
            self->end(fmt::format("no greeting came within {}", format_duration(deadline)));
            throw ConnectError(ExitCode::TimedOut, "no QMP connection: " + self->reason,
                               "a monitor of QEMU serves one client at a time: another may hold this one");
        }
        self->check_connected();
        auto answer = self->negotiate(time_left(until));
        std::string failure;
        try {
            co_await std::move(answer);
        } catch (const Error& error) {
            failure = error.what();
        }
        if (!failure.empty()) self->end(failure);
        self->check_connected();
        self->state = Runstate::Running;
        co_return *self->greeting;
    }

    static net::awaitable<void> handshake_agent(std::shared_ptr<Impl> self,
                                                std::chrono::milliseconds deadline) {
        if (self->state != Runstate::Idle)
            throw StateError(ExitCode::Usage, "the handshake was made already");
        self->state = Runstate::Connecting;
        self->is_agent = true;
        // The agent throws away half a command that somebody left, and answers with our number.
        self->unfinished = "\xff";
        self->unfinished_sent = 0;
        ExecuteOptions options;
        options.deadline = deadline;
        Json arguments = Json::object();
        arguments["id"] = ::getpid();
        auto answer = execute(self, agent_sync, std::move(arguments), options);
        std::string failure;
        try {
            co_await std::move(answer);
        } catch (const Error& error) {
            failure = error.what();
        }
        if (!failure.empty()) {
            self->end(failure);
            throw ConnectError(ExitCode::TimedOut, "no guest agent answers: " + self->reason,
                               "it runs inside the guest (package qemu-guest-agent)");
        }
        self->state = Runstate::Running;
    }

    void check_connected() const {
        if (state == Runstate::Disconnected) {
            throw ConnectError(ExitCode::NoSuchVm, "no QMP connection: " + reason);
        }
    }

    static std::chrono::milliseconds time_left(Clock::time_point until) {
        return std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    }

    net::awaitable<Json> negotiate(std::chrono::milliseconds deadline) {
        const auto& offered = greeting->capabilities;
        const bool offers_oob = std::find(offered.begin(), offered.end(), "oob") != offered.end();
        Json arguments = Json::object();
        if (offers_oob) arguments["enable"] = Json::array({"oob"});
        ExecuteOptions options;
        options.deadline = deadline;
        has_oob = offers_oob;
        return execute(shared_from_this(), negotiation, std::move(arguments), options);
    }

    void end(std::string why) {
        if (state == Runstate::Disconnected) return;
        state = Runstate::Disconnected;
        reason = std::move(why);
        boost::system::error_code ignored;
        socket.close(ignored);
        for (auto& request : std::exchange(in_flight, {})) request->finish(Why::Disconnected);
        for (auto& request : std::exchange(oob_lane, {})) request->finish(Why::Disconnected);
        for (auto& request : std::exchange(in_band_lane, {})) request->finish(Why::Disconnected);
        events.end();
        changed.notify();
    }

    static net::awaitable<void> closed(std::shared_ptr<Impl> self) {
        while (self->state != Runstate::Disconnected) {
            auto change = self->changed.wait();
            co_await std::move(change);
        }
    }

    net::io_context& context;
    net::posix::stream_descriptor socket;
    Session session;
    std::string input;
    EventSource events;
    Signal changed;  ///< the greeting came, or the connection ended
    std::function<void(const std::string&)> on_notice;
    std::function<void(const Event&, const std::string&)> on_event;

    Runstate state = Runstate::Idle;
    std::string reason;
    std::optional<Greeting> greeting;
    bool has_oob = false;
    bool is_agent = false;

    std::uint64_t last_id = 0;
    std::deque<RequestPtr> in_band_lane, oob_lane;
    std::vector<RequestPtr> in_flight;
    std::size_t in_band_in_flight = 0;
    std::string unfinished;  ///< a command of which only the first `unfinished_sent` bytes are written
    std::size_t unfinished_sent = 0;
    bool writing = false;  ///< the socket was full and is waited for
    bool write_failed = false;
};

Client::Client(net::io_context& context, Fd socket)
    : impl_(std::make_shared<Impl>(context, std::move(socket))) {
    impl_->await_input();
}

Client::Client(Client&&) noexcept = default;

Client& Client::operator=(Client&& other) noexcept {
    if (impl_ && impl_ != other.impl_) impl_->end("closed by this side");
    impl_ = std::move(other.impl_);
    return *this;
}

Client::~Client() {
    if (impl_) impl_->end("closed by this side");
}

Client Client::connect_unix(net::io_context& context, const std::string& path) {
    try {
        return Client(context, qmp::connect_unix(path));
    } catch (const SystemError& error) {
        throw ConnectError(ExitCode::NoSuchVm, error.what(), error.advice());
    }
}

net::awaitable<Greeting> Client::handshake(std::chrono::milliseconds deadline) {
    return Impl::handshake(impl_, deadline);
}

net::awaitable<Json> Client::execute(std::string command, Json arguments, ExecuteOptions options) {
    return Impl::execute(impl_, std::move(command), std::move(arguments), options);
}

net::awaitable<Json> Client::execute(std::string command, Json arguments) {
    return execute(std::move(command), std::move(arguments), ExecuteOptions());
}

net::awaitable<Json> Client::execute(std::string command) {
    return execute(std::move(command), Json::object(), ExecuteOptions());
}

std::string Client::send(std::string command, const Json& arguments, bool oob, AnswerHandler answered) {
    return impl_->send(std::move(command), arguments, oob, std::move(answered));
}

std::string Client::send(Json message, AnswerHandler answered) {
    return impl_->send(std::move(message), std::move(answered));
}

net::awaitable<void> Client::handshake_agent(std::chrono::milliseconds deadline) {
    return Impl::handshake_agent(impl_, deadline);
}

EventQueue Client::subscribe(EventFilter filter) {
    return impl_->events.subscribe(std::move(filter));
}

const std::optional<Greeting>& Client::greeting() const {
    return impl_->greeting;
}

Runstate Client::runstate() const {
    return impl_->state;
}

net::awaitable<void> Client::closed() {
    return Impl::closed(impl_);
}

std::string Client::closed_reason() const {
    return impl_->reason;
}

void Client::close() {
    impl_->end("closed by this side");
}

void Client::on_event(std::function<void(const Event&, const std::string&)> event) {
    impl_->on_event = std::move(event);
}

void Client::on_notice(std::function<void(const std::string&)> notice) {
    impl_->on_notice = std::move(notice);
}

}  // namespace qvm::qmp
