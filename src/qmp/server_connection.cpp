// SPDX-License-Identifier: GPL-3.0-or-later
#include "qmp/server_connection.hpp"

#include <algorithm>
#include <poll.h>
#include <utility>

#include <fmt/format.h>

#include "qmp/async.hpp"
#include "qmp/transport.hpp"

namespace qvm::qmp {
namespace {

/// Commands of one client that wait or run; with more, it is not read until some are done. More than the 7
/// that clients send ahead, so that out-of-band commands still get through.
constexpr std::size_t calls_limit = 16;

constexpr const char* generic = "GenericError";

Json error_response(const std::string& error_class, const std::string& description) {
    Json error = Json::object();
    error["class"] = error_class;
    error["desc"] = description;
    Json response = Json::object();
    response["error"] = std::move(error);
    return response;
}

/// What is wrong with a command's outer form, in QEMU's own words; empty if nothing is.
std::string complaint_about(const Json& message, bool oob_enabled) {
    bool named = false;
    for (const auto& [key, value] : message.items()) {
        if (key == "execute" || (key == "exec-oob" && oob_enabled)) {
            if (!value.is_string()) return fmt::format("QMP input member '{}' must be a string", key);
            if (named) return "QMP input member 'exec-oob' clashes with 'execute'";
            named = true;
        } else if (key == "arguments") {
            if (!value.is_object()) return "QMP input member 'arguments' must be an object";
        } else if (key != "id") {
            return fmt::format("QMP input member '{}' is unexpected", key);
        }
    }
    return named ? "" : "QMP input lacks member 'execute'";
}

}  // namespace

std::shared_ptr<const std::string> wire_text(const Json& message) {
    return std::make_shared<const std::string>(message.dump(-1, ' ', false, Json::error_handler_t::replace) +
                                               "\r\n");
}

ServerConnection::ServerConnection(std::shared_ptr<const ServerSettings> settings, Fd socket,
                                   ClientInfo client, std::function<void(std::uint64_t)> idle)
    : settings_(std::move(settings)),
      socket_(settings_->context, socket.get()),
      client_(client),
      idle_(std::move(idle)),
      framer_(settings_->options.message_limit, Framer::InvalidByte::Reset) {
    socket.release();  // the descriptor object owns it now
}

void ServerConnection::start() {
    enqueue(wire_text(settings_->options.greeting.to_json()), Kind::Reply);
    if (open_) await_input();
}

bool ServerConnection::busy() const {
    return turns_run_ || oob_calls_ > 0 || !output_.empty();
}

void ServerConnection::stop_reading() {
    accepting_ = false;
    turns_.clear();
}

void ServerConnection::close() {
    if (!open_) return;
    open_ = false;
    boost::system::error_code ignored;
    socket_.close(ignored);
    output_.clear();
    turns_.clear();
    fds_.clear();
    idle_(client_.number);
}

// ---- Input.

void ServerConnection::await_input() {
    if (reading_ || input_ended_ || !accepting_ || full()) return;
    reading_ = true;
    socket_.async_wait(net::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                           self->reading_ = false;
                           if (error || !self->open_ || !self->accepting_) return;
                           self->read_some();
                           if (self->open_) self->await_input();
                       });
}

void ServerConnection::read_some() {
    std::vector<Fd> fds;
    bool would_block = false;
    bool more = true;
    input_.clear();
    try {
        more = receive_some(socket_.native_handle(), input_, fds, would_block);
    } catch (const SystemError&) {
        return close();  // the client has gone; nobody is there to be told
    }
    // As in QEMU, what no command took is closed when new ones come.
    if (!fds.empty()) fds_ = std::move(fds);
    framer_.feed(input_);
    take_messages();
    if (!more && open_) end_of_input();
}

void ServerConnection::take_messages() {
    while (open_ && accepting_ && !full()) {
        const auto frame = framer_.next();
        if (!frame) return;
        take(*frame);
    }
}

bool ServerConnection::full() const {
    return turns_.size() + oob_calls_ >= calls_limit;
}

void ServerConnection::take(const Framer::Frame& frame) {
    if (!frame.error.empty()) return refuse({}, generic, "QMP input is no message: " + frame.error);
    Json message = Json::parse(frame.bytes, nullptr, false);
    if (!message.is_object()) return refuse({}, generic, "QMP input is not valid JSON");
    Turn turn;
    if (settings_->watched) {
        turn.sent = message;
        show(turn.sent, nullptr);
    }
    if (message.contains("id")) turn.id = std::move(message["id"]);
    const std::string complaint = complaint_about(message, oob_enabled_);
    if (!complaint.empty()) return refuse(std::move(turn), generic, complaint);
    Call call;
    call.client = client_;
    call.oob = message.contains("exec-oob");
    call.command = message[call.oob ? "exec-oob" : "execute"].get<std::string>();
    call.arguments = message.contains("arguments") ? std::move(message["arguments"]) : Json::object();
    call.bytes = frame.bytes.size();
    take_command(std::move(turn), std::move(call));
}

void ServerConnection::take_command(Turn turn, Call call) {
    if (!negotiated_) {
        if (call.command == "qmp_capabilities") return negotiate(std::move(turn), call.arguments);
        return refuse(std::move(turn), "CommandNotFound",
                      "Expecting capabilities negotiation with 'qmp_capabilities'");
    }
    if (call.command == "qmp_capabilities") {
        return refuse(std::move(turn), "CommandNotFound",
                      "Capabilities negotiation is already complete, command ignored");
    }
    const auto& takers = settings_->options.fd_commands;
    if (std::find(takers.begin(), takers.end(), call.command) != takers.end())
        call.fds = std::exchange(fds_, {});
    turn.call = std::move(call);
    begin(std::move(turn));
}

void ServerConnection::end_of_input() {
    if (hung_up(socket_.native_handle())) return close();
    input_ended_ = true;
    leave_if_done();
}

/// A client that closed its sending side stays until it has its answers.
void ServerConnection::leave_if_done() {
    if (open_ && input_ended_ && turns_.empty() && !busy()) close();
}

// ---- Calls.

void ServerConnection::negotiate(Turn turn, const Json& arguments) {
    const auto& offered = settings_->options.greeting.capabilities;
    const Json enable = arguments.value("enable", Json::array());
    if (!enable.is_array()) {
        return refuse(std::move(turn), generic, "Invalid parameter type for 'enable', expected: array");
    }
    for (const auto& wanted : enable) {
        const auto known =
            wanted.is_string() ? std::find(offered.begin(), offered.end(), wanted) : offered.end();
        if (known == offered.end())
            return refuse(std::move(turn), generic, "Capability not available: " + wanted.dump());
    }
    oob_enabled_ = std::find(enable.begin(), enable.end(), "oob") != enable.end();
    negotiated_ = true;
    Json response = Json::object();
    response["return"] = Json::object();
    reply(turn, std::move(response));
}

void ServerConnection::refuse(Turn turn, const std::string& error_class, const std::string& description) {
    turn.refusal = error_response(error_class, description);
    begin(std::move(turn));
}

void ServerConnection::begin(Turn turn) {
    if (!turn.call && !turns_run_) return reply(turn, std::move(turn.refusal));
    if (turn.call && turn.call->oob) {
        ++oob_calls_;
        return start_task(run_oob(shared_from_this(), std::move(turn)));
    }
    turns_.push_back(std::move(turn));
    if (turns_run_) return;
    turns_run_ = true;
    start_task(run_turns(shared_from_this()));
}

void ServerConnection::start_task(net::awaitable<void> task) {
    spawn(settings_->context, std::move(task),
          [self = shared_from_this()](const std::exception_ptr&) { self->close(); });
}

net::awaitable<void> ServerConnection::run_turns(std::shared_ptr<ServerConnection> self) {
    while (!self->turns_.empty()) {
        Turn turn = std::move(self->turns_.front());
        self->turns_.pop_front();
        if (turn.call) {
            auto answered = answer(self, std::move(turn));
            co_await std::move(answered);
        } else {
            self->reply(turn, std::move(turn.refusal));
        }
        if (!self->open_) break;
        self->take_messages();
        if (self->open_) self->await_input();
    }
    self->turns_run_ = false;
    self->leave_if_done();
    self->idle_(self->client_.number);
}

net::awaitable<void> ServerConnection::run_oob(std::shared_ptr<ServerConnection> self, Turn turn) {
    auto answered = answer(self, std::move(turn));
    co_await std::move(answered);
    --self->oob_calls_;
    if (self->open_) self->take_messages();
    if (self->open_) self->await_input();
    self->leave_if_done();
    self->idle_(self->client_.number);
}

net::awaitable<void> ServerConnection::answer(std::shared_ptr<ServerConnection> self, Turn turn) {
    Json response = Json::object();
    try {
        auto result = self->settings_->handler(std::move(*turn.call));
        Json value = co_await std::move(result);
        response["return"] = std::move(value);
    } catch (const ExecuteError& error) {
        response = error_response(error.error_class(), error.description());
    } catch (const std::exception& error) {
        response = error_response(generic, error.what());
    }
    self->reply(turn, std::move(response));
}

// ---- Output.

void ServerConnection::reply(const Turn& turn, Json response) {
    if (!turn.id.is_null()) response["id"] = turn.id;
    // What answers a command that nobody saw may hold a secret which only the command tells of.
    if (!turn.sent.is_null() || response.contains("error")) show(turn.sent, &response);
    enqueue(wire_text(response), Kind::Reply);
}

void ServerConnection::show(const Json& command, const Json* reply) const {
    const auto watched = settings_->watched;  // a watcher that is found gone may be the last
    if (watched) watched(Traffic{client_, command, reply});
}

bool ServerConnection::send_event(const std::shared_ptr<const std::string>& bytes) {
    if (!open_ || !negotiated_) return false;
    if (event_bytes_ + bytes->size() > settings_->options.queued_event_bytes) {
        ++events_dropped_;
        return true;
    }
    announce_dropped();
    enqueue(bytes, Kind::Event);
    return true;
}

/// Stands in the stream where the lost events would have stood.
void ServerConnection::announce_dropped() {
    if (events_dropped_ == 0) return;
    Json data = Json::object();
    data["count"] = std::exchange(events_dropped_, 0);
    const auto notice = Event::now("__org.qvm_EVENTS_DROPPED", std::move(data));
    push(wire_text(notice.to_json()), Kind::Event);
}

void ServerConnection::enqueue(std::shared_ptr<const std::string> bytes, Kind kind) {
    if (!open_) return;
    if (kind == Kind::Reply && reply_bytes_ > settings_->options.queued_bytes) return close();
    push(std::move(bytes), kind);
    if (!writing_) write_some();
}

void ServerConnection::push(std::shared_ptr<const std::string> bytes, Kind kind) {
    (kind == Kind::Reply ? reply_bytes_ : event_bytes_) += bytes->size();
    output_.push_back(Chunk{std::move(bytes), kind});
}

void ServerConnection::write_some() {
    try {
        while (!output_.empty()) {
            const auto& chunk = output_.front();
            const auto rest = std::string_view(*chunk.bytes).substr(written_);
            const auto sent = send_some(socket_.native_handle(), rest, -1);
            if (sent == 0) return await_output();
            written_ += sent;
            if (written_ < chunk.bytes->size()) continue;
            (chunk.kind == Kind::Reply ? reply_bytes_ : event_bytes_) -= chunk.bytes->size();
            written_ = 0;
            output_.pop_front();
            if (output_.empty()) announce_dropped();
        }
    } catch (const SystemError&) {
        close();  // the client has gone; nobody is there to be told
    }
}

void ServerConnection::await_output() {
    writing_ = true;
    socket_.async_wait(net::posix::stream_descriptor::wait_write,
                       [self = shared_from_this()](const boost::system::error_code& error) {
                           self->writing_ = false;
                           if (error || !self->open_) return;
                           self->write_some();
                           if (self->writing_ || !self->open_) return;
                           self->leave_if_done();
                           self->idle_(self->client_.number);
                       });
}

}  // namespace qvm::qmp
