// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/fake_qmp_server.hpp"

#include <algorithm>
#include <iterator>
#include <sys/socket.h>
#include <utility>

#include <boost/asio/post.hpp>

#include "qmp/transport.hpp"

namespace qvm::test {

using Descriptor = boost::asio::posix::stream_descriptor;

FakeQmpServer::FakeQmpServer(boost::asio::io_context& context)
    : context_(context),
      socket_(context),
      framer_(qmp::default_message_limit, qmp::Framer::InvalidByte::Reset) {
    SocketPair pair(SOCK_STREAM);
    socket_.assign(pair.first.release());
    client_end_ = std::move(pair.second);
    await_input();
}

FakeQmpServer::FakeQmpServer(boost::asio::io_context& context, Fd connection)
    : context_(context),
      socket_(context, connection.release()),
      framer_(qmp::default_message_limit, qmp::Framer::InvalidByte::Reset) {
    await_input();
}

FakeQmpServer::~FakeQmpServer() = default;

Fd FakeQmpServer::client_end() {
    return std::move(client_end_);
}

// ---- The script.

FakeQmpServer& FakeQmpServer::add(Step step) {
    steps_.push_back(std::move(step));
    // Not now: the test may still be adding, and expects nothing to happen before it runs the context.
    boost::asio::post(context_, [this, alive = std::weak_ptr<int>(alive_)] {
        if (!alive.expired()) advance();
    });
    return *this;
}

void FakeQmpServer::advance() {
    while (!steps_.empty() && steps_.front()()) steps_.pop_front();
    if (steps_.empty()) answer_unscripted();
}

FakeQmpServer& FakeQmpServer::greet(const std::vector<std::string>& capabilities) {
    qmp::Greeting greeting;
    greeting.major = 7;
    greeting.minor = 2;
    greeting.micro = 22;
    greeting.package = "Debian 1:7.2+dfsg-7+deb12u18";
    greeting.capabilities = capabilities;
    return raw(greeting.to_json().dump() + "\r\n");
}

FakeQmpServer& FakeQmpServer::negotiate() {
    return greet({"oob"}).expect("qmp_capabilities").reply();
}

FakeQmpServer& FakeQmpServer::expect(std::string command) {
    return add([this, command = std::move(command)] { return meet(command, std::nullopt); });
}

FakeQmpServer& FakeQmpServer::expect(std::string command, Json arguments) {
    return add([this, command = std::move(command), arguments = std::optional(std::move(arguments))] {
        return meet(command, arguments);
    });
}

FakeQmpServer& FakeQmpServer::reply(Json value) {
    return add([this, value = std::move(value)] {
        Json response = Json::object();
        response["return"] = value;
        respond(std::nullopt, std::move(response));
        return true;
    });
}

FakeQmpServer& FakeQmpServer::reply() {
    return reply(Json::object());
}

FakeQmpServer& FakeQmpServer::reply_to(std::string command, Json value) {
    return add([this, command = std::move(command), value = std::move(value)] {
        Json response = Json::object();
        response["return"] = value;
        respond(command, std::move(response));
        return true;
    });
}

namespace {

Json error_response(const std::string& error_class, const std::string& description) {
    Json response = Json::object();
    response["error"]["class"] = error_class;
    response["error"]["desc"] = description;
    return response;
}

}  // namespace

FakeQmpServer& FakeQmpServer::fail(std::string error_class, std::string description) {
    return add([this, error_class = std::move(error_class), description = std::move(description)] {
        respond(std::nullopt, error_response(error_class, description));
        return true;
    });
}

FakeQmpServer& FakeQmpServer::event(std::string name, Json data) {
    qmp::Event event;
    event.name = std::move(name);
    event.data = std::move(data);
    event.seconds = 1700000000;
    return raw(event.to_json().dump() + "\r\n");
}

FakeQmpServer& FakeQmpServer::event(std::string name) {
    return event(std::move(name), Json::object());
}

FakeQmpServer& FakeQmpServer::raw(std::string bytes) {
    return add([this, bytes = std::move(bytes)] {
        write(bytes);
        return true;
    });
}

FakeQmpServer& FakeQmpServer::call(std::function<void()> action) {
    return add([action = std::move(action)] {
        action();
        return true;
    });
}

FakeQmpServer& FakeQmpServer::close() {
    return add([this] {
        close_when_written_ = true;
        write_some();
        return true;
    });
}

FakeQmpServer& FakeQmpServer::answer_rest(std::function<Json(const Received&)> answer) {
    answer_rest_ = std::move(answer);
    return call([] {});  // what came already is looked at again
}

// ---- Input.

void FakeQmpServer::await_input() {
    socket_.async_wait(Descriptor::wait_read, [this](const boost::system::error_code& error) {
        if (error) return;  // perhaps destroyed: nothing of this may be touched
        read_some();
        if (socket_.is_open()) await_input();
    });
}

void FakeQmpServer::read_some() {
    std::string input;
    bool would_block = false;
    bool more = false;
    try {
        more = qmp::receive_some(socket_.native_handle(), input, fds_, would_block);
    } catch (const SystemError&) {
        more = false;  // the client closed with something of ours unread
    }
    framer_.feed(input);
    while (const auto frame = framer_.next()) take(*frame);
    advance();
    if (!more) socket_.close();
}

void FakeQmpServer::take(const qmp::Framer::Frame& frame) {
    const Json message = Json::parse(frame.bytes, nullptr, false);
    if (!frame.error.empty() || !message.is_object()) return complain("no command came: " + frame.bytes);
    Received command;
    command.oob = message.contains("exec-oob");
    command.command = message.value(command.oob ? "exec-oob" : "execute", "");
    command.arguments = message.value("arguments", Json::object());
    command.id = message.value("id", Json());
    // One read may bring a command without a descriptor before the one that has it.
    if (command.command == "add-fd" || command.command == "getfd") command.fds = std::exchange(fds_, {});
    unanswered_.push_back(received_.size());
    received_.push_back(std::move(command));
}

bool FakeQmpServer::meet(const std::string& command, const std::optional<Json>& arguments) {
    if (met_ == received_.size()) return false;
    const auto& came = received_[met_++];
    if (came.command != command) {
        complain("expected '" + command + "', and '" + came.command + "' came");
    } else if (arguments && came.arguments != *arguments) {
        complain("expected '" + command + "' with " + arguments->dump() + ", and it came with " +
                 came.arguments.dump());
    }
    return true;
}

void FakeQmpServer::answer_unscripted() {
    while (answer_rest_ && steps_.empty() && met_ < received_.size()) {
        const std::size_t present = met_++;
        const std::string command = received_[present].command;
        Json response = Json::object();
        try {
            response["return"] = answer_rest_(received_[present]);
        } catch (const qmp::ExecuteError& error) {
            response = error_response(error.error_class(), error.description());
        }
        respond(command, std::move(response));
    }
}

// ---- Output.

void FakeQmpServer::respond(std::optional<std::string> command, Json response) {
    const auto found = std::find_if(unanswered_.begin(), unanswered_.end(), [&](std::size_t i) {
        return !command || received_[i].command == *command;
    });
    if (found == unanswered_.end()) return complain("there is no command to answer: " + response.dump());
    response["id"] = received_[*found].id;
    unanswered_.erase(found);
    write(response.dump() + "\r\n");
}

void FakeQmpServer::write(std::string_view bytes) {
    output_ += bytes;
    write_some();
}

void FakeQmpServer::write_some() {
    if (writing_ || !socket_.is_open()) return;
    try {
        while (!output_.empty()) {
            const auto sent = qmp::send_some(socket_.native_handle(), output_, -1);
            output_.erase(0, sent);
            if (sent > 0) continue;
            writing_ = true;
            socket_.async_wait(Descriptor::wait_write, [this](const boost::system::error_code& error) {
                if (error) return;  // perhaps destroyed: nothing of this may be touched
                writing_ = false;
                write_some();
            });
            return;
        }
    } catch (const SystemError&) {
        output_.clear();  // the client has gone, which is its right
    }
    if (close_when_written_) socket_.close();
}

void FakeQmpServer::complain(const std::string& what) {
    if (complaint_.empty()) complaint_ = what;
}

}  // namespace qvm::test
