// SPDX-License-Identifier: GPL-3.0-or-later
#include "qmp/server.hpp"

#include <fcntl.h>
#include <map>
#include <sys/socket.h>
#include <unistd.h>

#include "qmp/async.hpp"
#include "qmp/client.hpp"
#include "qmp/session.hpp"
#include "qmp/transport.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::qmp;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds long_enough{60'000};

net::awaitable<Json> give(Json value) {
    co_return value;
}

net::awaitable<Json> fail(std::string command) {
    throw ExecuteError(std::move(command), "DeviceNotFound", "no such device");
    co_return Json();
}

net::awaitable<Json> break_down() {
    throw std::runtime_error("the engine is on fire");
    co_return Json();
}

net::awaitable<Json> hold(Signal& gate, std::vector<std::string>& done, Call call) {
    auto opened = gate.wait();
    co_await std::move(opened);
    done.push_back(std::to_string(call.client.number) + ":" + call.command);
    co_return Json(call.command);
}

net::awaitable<void> shake_hands(Client& client) {
    auto greeted = client.handshake(long_enough);
    co_await std::move(greeted);
}

net::awaitable<void> execute(Client& client, std::string command, ExecuteOptions options, Json& value) {
    try {
        auto reply = client.execute(std::move(command), Json::object(), options);
        value = co_await std::move(reply);
    } catch (const ExecuteError& error) {
        value = error.error_class() + ": " + error.description();
    } catch (const InterruptedError&) {
        value = "interrupted";
    }
}

net::awaitable<void> take_event(EventQueue& queue, std::string& text) {
    auto next = queue.next(long_enough);
    const auto event = co_await std::move(next);
    text = event ? event->name + " " + event->data.dump() : "(end)";
}

void ignore(const std::exception_ptr&) {}

Event event_named(std::string name, Json data = Json::object()) {
    Event event;
    event.name = std::move(name);
    event.data = std::move(data);
    return event;
}

/// A server on a socket of its own, which runs these commands:
/// who, echo, size, label, fail, break, hold (until `gate`), add-fd (the number of descriptors it got).
struct House {
    explicit House(Server::Options options = {})
        : gate(context),
          server(std::make_unique<Server>(context, listen_unix(path()), std::move(options),
                                          [this](Call call) { return answer(std::move(call)); })) {}

    std::string path() const { return directory.path().string() + "/qmp.sock"; }

    net::awaitable<Json> answer(Call call) {
        calls.push_back(call.command);
        if (call.command == "echo") return give(std::move(call.arguments));
        if (call.command == "fail") return fail(call.command);
        if (call.command == "break") return break_down();
        if (call.command == "add-fd") return give(Json(call.fds.size()));
        if (call.command == "size") return give(Json(call.bytes));
        if (call.command == "label") return give(Json(call.client.label));
        if (call.command == "large") return give(Json(std::string(std::size_t{1} << 20U, 'x')));
        if (call.command.starts_with("hold")) return hold(gate, done, std::move(call));
        Json who = Json::object();
        who["number"] = call.client.number;
        who["pid"] = call.client.pid;
        who["uid"] = call.client.uid;
        return give(std::move(who));
    }

    Client connect() {
        Client client = Client::connect_unix(context, path());
        qmp::run(context, shake_hands(client));
        return client;
    }
    Json run(Client& client, std::string command) {
        Json value;
        ExecuteOptions options;
        qmp::run(context, execute(client, std::move(command), options, value));
        return value;
    }
    void start(Client& client, std::string command, Json& value, bool oob = false) {
        ExecuteOptions options;
        options.oob = oob;
        spawn(context, execute(client, std::move(command), options, value), ignore);
    }
    void settle() {
        context.restart();
        while (context.poll() > 0) continue;
    }

    test::TemporaryDirectory directory;
    net::io_context context{1};
    Signal gate;
    std::vector<std::string> calls;
    std::vector<std::string> done;
    std::unique_ptr<Server> server;
};

/// A client nobody here wrote: bytes out, bytes in.
struct RawClient {
    explicit RawClient(House& h) : house(h), socket(connect_unix(h.path())) {}

    void send(std::string_view bytes, int fd = -1) {
        REQUIRE(send_some(socket.get(), bytes, fd) == bytes.size());
    }
    /// The messages that have come.
    std::vector<Json> receive() {
        house.settle();
        std::string bytes;
        std::vector<Fd> fds;
        bool would_block = false;
        while (!would_block && !ended) {
            try {
                ended = !receive_some(socket.get(), bytes, fds, would_block);
            } catch (const SystemError&) {
                ended = true;
            }
            house.settle();
        }
        framer.feed(bytes);
        std::vector<Json> messages;
        while (const auto frame = framer.next()) messages.push_back(Json::parse(frame->bytes));
        return messages;
    }
    Json receive_one() {
        const auto messages = receive();
        REQUIRE(messages.size() == 1);
        return messages[0];
    }
    void negotiate() {
        receive();
        send(R"({"execute": "qmp_capabilities"})");
        CHECK(receive_one().dump() == R"({"return":{}})");
    }

    House& house;
    Fd socket;
    Framer framer{std::size_t{64} << 20U};
    bool ended = false;
};

std::string description(const Json& message) {
    return message["error"]["desc"].get<std::string>();
}

}  // namespace

TEST_CASE("a server speaks to our client") {
    House house;
    Client client = house.connect();
    CHECK(house.run(client, "echo") == Json::object());
    CHECK(house.run(client, "fail") == "DeviceNotFound: no such device");
    CHECK(house.run(client, "break") == "GenericError: the engine is on fire");
    const Json who = house.run(client, "who");
    CHECK(who["number"] == 1);
    CHECK(who["pid"] == ::getpid());
    CHECK(who["uid"] == ::getuid());
}

TEST_CASE("before the negotiation nothing else is accepted, and after it not again") {
    House house;
    RawClient raw(house);
    const Json greeting = raw.receive_one();
    CHECK(greeting["QMP"]["capabilities"] == Json::array());
    raw.send(R"({"execute": "who", "id": 1})");
    const Json early = raw.receive_one();
    CHECK(early["error"]["class"] == "CommandNotFound");
    CHECK(description(early) == "Expecting capabilities negotiation with 'qmp_capabilities'");
    CHECK(early["id"] == 1);
    raw.send(R"({"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}})");
    CHECK_THAT(description(raw.receive_one()), ContainsSubstring("not available"));
    raw.send(R"({"execute": "qmp_capabilities", "arguments": {"enable": 1}})");
    CHECK_THAT(description(raw.receive_one()), ContainsSubstring("expected: array"));
    raw.send(R"({"execute": "qmp_capabilities"})");
    CHECK(raw.receive_one().dump() == R"({"return":{}})");
    raw.send(R"({"execute": "qmp_capabilities"})");
    CHECK(raw.receive_one()["error"]["class"] == "CommandNotFound");
    CHECK(house.calls.empty());
}

TEST_CASE("ids come back verbatim, without line ends, in order") {
    House house;
    RawClient raw(house);
    raw.negotiate();
    const std::vector<std::string> ids = {"1", "\"x\"", "{\"a\":[null,{}]}", "[1,2]", "false", "1.5", "-3"};
    std::string bytes;
    for (const auto& id : ids)
        bytes += R"({"execute":"echo","arguments":{"v":)" + id + R"(},"id":)" + id + "}";
    raw.send(bytes);
    const auto answers = raw.receive();
    REQUIRE(answers.size() == ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) {
        CHECK(answers[i]["id"].dump() == ids[i]);
        CHECK(answers[i]["return"]["v"].dump() == ids[i]);
    }
}

TEST_CASE("bad input is an error, with its id if it has one, and the client is kept") {
    House house;
    RawClient raw(house);
    raw.negotiate();
    const std::vector<std::pair<std::string, std::string>> bad = {
        {R"({"id": 1})", "lacks member 'execute'"},
        {R"({"execute": 1, "id": 1})", "member 'execute' must be a string"},
        {R"({"execute": "who", "arguments": [], "id": 1})", "member 'arguments' must be an object"},
        {R"({"execute": "who", "argument": {}, "id": 1})", "member 'argument' is unexpected"},
        {R"({"exec-oob": "who", "id": 1})", "member 'exec-oob' is unexpected"},
    };
    for (const auto& [bytes, text] : bad) {
        INFO(bytes);
        raw.send(bytes);
        const Json answer = raw.receive_one();
        CHECK_THAT(description(answer), ContainsSubstring(text));
        CHECK(answer["error"]["class"] == "GenericError");
        CHECK(answer["id"] == 1);
    }
    const std::vector<std::string> no_message = {
        "{'execute': 'who'}",   "{\"execute\" \"who\"}", "nonsense\n", "[1]\n", "{\"execute\": \xff", "\xff",
        "{\"execute\": \"w\xff"};
    for (const auto& bytes : no_message) {
        INFO(bytes);
        raw.send(bytes);
        const Json answer = raw.receive_one();
        CHECK(answer.contains("error"));
        CHECK_FALSE(answer.contains("id"));
    }
    raw.send("{\"execute\": {\n{\"execute\": \"echo\"}\n");
    CHECK(raw.receive().size() == 2);
    CHECK(house.calls == std::vector<std::string>{"echo"});
}

TEST_CASE("a command over the limit is refused, and the client is kept") {
    Server::Options options;
    options.message_limit = 1000;
    House house(options);
    RawClient raw(house);
    raw.negotiate();
    raw.send(R"({"execute":"echo","arguments":{"v":")" + std::string(5000, 'x') + R"("},"id":1})");
    CHECK_THAT(description(raw.receive_one()), ContainsSubstring("longer than 1000 bytes"));
    raw.send(R"({"execute":"echo","id":2})");
    CHECK(raw.receive_one()["id"] == 2);
}

TEST_CASE("a call knows how long its message was") {
    House house;
    RawClient raw(house);
    raw.negotiate();
    const std::string text = R"({"execute":"size","arguments":{"v": [1, 2]},"id":1})";
    raw.send("  " + text + "\n");
    CHECK(raw.receive_one()["return"] == text.size());
}

TEST_CASE("calls of one client run in order, those of several at the same time") {
    House house;
    Client one = house.connect();
    Client two = house.connect();
    Json first, second, other, quick;
    house.start(one, "hold-a", first);
    house.start(one, "hold-b", second);
    house.start(two, "hold-c", other);
    house.settle();
    CHECK(house.calls == std::vector<std::string>{"hold-a", "hold-c"});
    house.gate.notify();
    house.settle();
    CHECK(first == "hold-a");
    CHECK(other == "hold-c");
    CHECK(second.is_null());
    house.start(two, "echo", quick);
    house.settle();
    CHECK(quick == Json::object());
    house.gate.notify();
    house.settle();
    CHECK(second == "hold-b");
}

TEST_CASE("a refusal waits for the answers before it") {
    House house;
    RawClient raw(house);
    raw.negotiate();
    raw.send(R"({"execute":"hold","id":1}{"execut":"echo","id":2}{"execute":"echo","id":3})");
    CHECK(raw.receive().empty());
    house.gate.notify();
    const auto answers = raw.receive();
    REQUIRE(answers.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) CHECK(answers[i]["id"] == i + 1);
}

TEST_CASE("out-of-band calls overtake, when the server offers it") {
    Server::Options options;
    options.greeting.capabilities = {"oob"};
    House house(options);
    Client client = house.connect();
    Json slow, fast;
    for (int i = 0; i < 12; ++i) house.start(client, "hold", slow);
    house.start(client, "echo", fast, true);
    house.settle();
    CHECK(fast == Json::object());
    CHECK(slow.is_null());
}

TEST_CASE("a client that sends without end is not read without end") {
    House house;
    RawClient raw(house);
    raw.negotiate();
    const std::string command = R"({"execute":"hold"})";
    std::size_t sent = 0;
    for (std::size_t i = 0; i < 100'000; ++i) {
        const auto part = send_some(raw.socket.get(), command, -1);
        if (part == 0) {
            house.settle();
            if (send_some(raw.socket.get(), command, -1) != command.size()) break;
        }
        ++sent;
    }
    CHECK(sent < 100'000);
    CHECK(house.calls.size() == 1);
}

TEST_CASE("all queued commands run when the client has stopped for a while") {
    House house;
    RawClient raw(house);
    raw.negotiate();
    std::string bytes = R"({"execute":"hold"})";
    for (int i = 0; i < 100; ++i) bytes += R"({"execute":"echo","id":)" + std::to_string(i) + "}";
    raw.send(bytes);
    CHECK(raw.receive().empty());
    house.gate.notify();
    const auto answers = raw.receive();
    REQUIRE(answers.size() == 101);
    CHECK(answers[100]["id"] == 99);
}

TEST_CASE("a client that goes away: its running call runs to the end, the others never begin") {
    House house;
    auto raw = std::make_unique<RawClient>(house);
    raw->negotiate();
    raw->send(R"({"execute":"hold-a"}{"execute":"hold-b"})");
    house.settle();
    CHECK(house.server->client_count() == 1);
    raw.reset();
    house.settle();
    CHECK(house.server->client_count() == 0);
    house.gate.notify();
    house.settle();
    house.gate.notify();
    house.settle();
    CHECK(house.done == std::vector<std::string>{"1:hold-a"});
    Client next = house.connect();
    CHECK(house.run(next, "who")["number"] == 2);
}

TEST_CASE("the server's owner hears once of each client that goes, not of those it sends away") {
    std::vector<std::uint64_t> gone;
    Server::Options options;
    options.gone = [&gone](std::uint64_t number) { gone.push_back(number); };
    House house(std::move(options));
    auto first = std::make_unique<RawClient>(house);
    auto second = std::make_unique<RawClient>(house);
    RawClient third(house);
    for (auto* client : {first.get(), second.get(), &third}) client->negotiate();
    second->send(R"({"execute":"hold-a"})");
    house.settle();
    CHECK(gone.empty());
    first.reset();
    second.reset();
    house.settle();
    CHECK(gone == std::vector<std::uint64_t>{1, 2});
    house.gate.notify();
    house.settle();
    spawn(house.context, house.server->stop(), ignore);
    house.settle();
    CHECK(third.receive().empty());
    CHECK(third.ended);
    CHECK(gone == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE("a client that closes only its sending side gets its answers") {
    House house;
    RawClient raw(house);
    raw.negotiate();
    raw.send(R"({"execute":"hold","id":1}{"execute":"echo","id":2})");
    REQUIRE(::shutdown(raw.socket.get(), SHUT_WR) == 0);
    CHECK(raw.receive().empty());
    CHECK_FALSE(raw.ended);
    house.gate.notify();
    CHECK(raw.receive().size() == 2);
    CHECK(raw.ended);
    CHECK(house.server->client_count() == 0);
}

TEST_CASE("events go to every client that has negotiated") {
    House house;
    Client one = house.connect();
    Client two = house.connect();
    RawClient early(house);
    CHECK(early.receive().size() == 1);
    auto first = one.subscribe({});
    auto second = two.subscribe({});
    house.server->broadcast(event_named("STOP"));
    CHECK(house.server->send(2, event_named("ONLY_TWO")));
    CHECK_FALSE(house.server->send(3, event_named("TOO_EARLY")));
    CHECK_FALSE(house.server->send(99, event_named("NOBODY")));
    std::string text;
    run(house.context, take_event(first, text));
    CHECK(text == "STOP {}");
    run(house.context, take_event(second, text));
    CHECK(text == "STOP {}");
    run(house.context, take_event(second, text));
    CHECK(text == "ONLY_TWO {}");
    CHECK(early.receive().empty());
}

TEST_CASE("a client that does not read loses events, is told how many, and holds up nobody") {
    Server::Options options;
    options.queued_event_bytes = 100'000;
    House house(options);
    RawClient lazy(house);
    lazy.negotiate();
    Json data = Json::object();
    data["text"] = std::string(1000, 'x');
    const int total = 2000;
    for (int i = 0; i < total; ++i) house.server->broadcast(event_named("NOISE", data));
    int noise = 0, dropped = 0;
    for (const auto& message : lazy.receive()) {
        if (message["event"] == "NOISE") ++noise;
        if (message["event"] == "__org.qvm_EVENTS_DROPPED") dropped += message["data"]["count"].get<int>();
    }
    CHECK(noise < total);
    CHECK(noise + dropped == total);
    house.server->broadcast(event_named("LATER"));
    CHECK(lazy.receive_one()["event"] == "LATER");
}

TEST_CASE("a client that does not read its replies is dropped") {
    Server::Options options;
    options.queued_bytes = std::size_t{3} << 20U;
    House house(options);
    RawClient lazy(house);
    lazy.negotiate();
    for (int i = 0; i < 12; ++i) lazy.send(R"({"execute":"large"})");
    house.settle();
    CHECK(house.server->client_count() == 0);
    RawClient patient(house);
    patient.negotiate();
    patient.send(R"({"execute":"large"}{"execute":"large"})");
    CHECK(patient.receive().size() == 2);
}

TEST_CASE("descriptors reach the command that takes them") {
    House house;
    RawClient raw(house);
    raw.negotiate();
    const Fd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
    raw.send(R"({"execute":"echo","id":1})");
    raw.send(R"({"execute":"add-fd","id":2})", file.get());
    const auto answers = raw.receive();
    REQUIRE(answers.size() == 2);
    CHECK(answers[1]["return"] == 1);
    raw.send(R"({"execute":"add-fd"})");
    CHECK(raw.receive_one()["return"] == 0);
    // qemu.qmp sends the descriptor with a byte of its own before the command.
    raw.send(" ", file.get());
    raw.send(R"({"execute":"add-fd"})");
    CHECK(raw.receive_one()["return"] == 1);
    raw.send(R"({"execute":)", file.get());
    CHECK(raw.receive().empty());
    raw.send(R"("add-fd"})");
    CHECK(raw.receive_one()["return"] == 1);
}

TEST_CASE("descriptors nobody takes are closed when others come") {
    House house;
    RawClient raw(house);
    raw.negotiate();
    Pipe pipe;
    raw.send(R"({"execute":"echo"})", pipe.write.get());
    raw.receive();
    const Fd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
    raw.send(R"({"execute":"add-fd"})", file.get());
    CHECK(raw.receive_one()["return"] == 1);
    pipe.write.reset();
    char byte = 0;
    CHECK(::read(pipe.read.get(), &byte, 1) == 0);  // no copy of the writing end is left
}

TEST_CASE("stopping lets running calls and their replies out") {
    House house;
    RawClient raw(house);
    raw.negotiate();
    raw.send(R"({"execute":"hold-a","id":1}{"execute":"hold-b","id":2})");
    house.settle();
    spawn(house.context, house.server->stop(), ignore);
    house.settle();
    CHECK(house.server->client_count() == 1);
    CHECK_THROWS_AS(connect_unix(house.path()), SystemError);
    house.gate.notify();
    const auto answers = raw.receive();
    REQUIRE(answers.size() == 1);
    CHECK(answers[0]["id"] == 1);
    CHECK(raw.ended);
    CHECK(house.server->client_count() == 0);
}

TEST_CASE("stopping does not wait for ever for a client that does not read") {
    House house;
    RawClient lazy(house);
    lazy.negotiate();
    lazy.send(R"({"execute":"large"})");
    house.settle();
    run(house.context, house.server->stop());
    CHECK(house.server->client_count() == 0);
}

TEST_CASE("a server may be destroyed while calls run and clients wait") {
    House house;
    Client client = house.connect();
    Json value;
    house.start(client, "hold", value);
    house.settle();
    house.server.reset();
    house.settle();
    CHECK(value == "interrupted");
    house.gate.notify();
    house.settle();
    CHECK(house.done == std::vector<std::string>{"1:hold"});
}

TEST_CASE("many clients come and go") {
    House house;
    std::vector<Client> clients;
    for (int i = 0; i < 50; ++i) clients.push_back(house.connect());
    CHECK(house.server->client_count() == 50);
    for (auto& client : clients) CHECK(house.run(client, "echo") == Json::object());
    clients.clear();
    house.settle();
    CHECK(house.server->client_count() == 0);
}

namespace {

/// {client, from, message} of each event that watchers of a house with show_all() get.
std::vector<std::string> watched(RawClient& watcher) {
    std::vector<std::string> all;
    for (const auto& message : watcher.receive())
        if (message.contains("event")) all.push_back(message["data"].dump());
    return all;
}

Server::Options show_all() {
    Server::Options options;
    options.show = [](const Traffic& traffic) {
        Json data = Json::object();
        data[traffic.reply == nullptr ? "said" : "told"] =
            traffic.reply == nullptr ? traffic.command : *traffic.reply;
        data["client"] = traffic.client.number;
        return event_named("TRAFFIC", std::move(data));
    };
    return options;
}

}  // namespace

TEST_CASE("who watches sees the commands and replies of all others") {
    House house(show_all());
    RawClient watcher(house);
    watcher.negotiate();
    RawClient other(house);
    other.negotiate();
    other.send(R"({"execute":"echo"})");
    CHECK(watched(watcher).empty());
    other.receive();
    house.server->watch(1, true);
    other.send(R"({"execute":"echo","arguments":{"a":1},"id":"x"})");
    other.receive();
    watcher.send(R"({"execute":"echo"})");
    CHECK(watched(watcher) ==
          std::vector<std::string>{R"({"said":{"execute":"echo","arguments":{"a":1},"id":"x"},"client":2})",
                                   R"({"told":{"return":{"a":1},"id":"x"},"client":2})"});
    other.send(R"({"bad":1})");
    other.send("[1]\n");
    other.receive();
    CHECK(watched(watcher).size() == 3);  // what is no object is only answered
    house.server->watch(1, false);
    other.send(R"({"execute":"echo"})");
    other.receive();
    CHECK(watched(watcher).empty());
}

TEST_CASE("watchers see each other, and one that goes takes nothing with it") {
    House house(show_all());
    RawClient one(house);
    one.negotiate();
    {
        RawClient two(house);
        two.negotiate();
        house.server->watch(1, true);
        house.server->watch(2, true);
        two.send(R"({"execute":"fail"})");
        CHECK(watched(two).empty());
        CHECK(watched(one).size() == 2);
    }
    house.settle();
    RawClient three(house);
    three.negotiate();
    CHECK(watched(one).size() == 2);  // its negotiation
    house.server->end_watches();
    three.send(R"({"execute":"echo"})");
    three.receive();
    CHECK(watched(one).empty());
}

TEST_CASE("a reply to what was said before somebody watched is not shown") {
    House house(show_all());
    RawClient watcher(house);
    watcher.negotiate();
    RawClient other(house);
    other.negotiate();
    other.send(R"({"execute":"hold"})");
    CHECK(other.receive().empty());
    house.server->watch(1, true);
    house.gate.notify();
    CHECK(other.receive().size() == 1);
    CHECK(watched(watcher).empty());
}

TEST_CASE("a watcher that does not read holds up nobody, and is told what it lost") {
    Server::Options options = show_all();
    options.queued_event_bytes = 100'000;
    House house(options);
    RawClient watcher(house);
    watcher.negotiate();
    RawClient other(house);
    other.negotiate();
    house.server->watch(1, true);
    const int total = 400;
    const auto command = R"({"execute":"echo","arguments":{"text":")" + std::string(1000, 'x') + R"("}})";
    for (int i = 0; i < total; ++i) {
        other.send(command);
        CHECK(other.receive().size() == 1);
    }
    int seen = 0, dropped = 0;
    for (const auto& message : watcher.receive()) {
        if (message["event"] == "TRAFFIC") ++seen;
        if (message["event"] == "__org.qvm_EVENTS_DROPPED") dropped += message["data"]["count"].get<int>();
    }
    CHECK(dropped > 0);
    CHECK(seen + dropped == 2 * total);
}

TEST_CASE("a client is named by its program") {
    House house(show_all());
    Client client = house.connect();
    CHECK(house.run(client, "label").get<std::string>().ends_with(" " + std::to_string(::getpid())));
}
