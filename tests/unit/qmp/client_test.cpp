// SPDX-License-Identifier: GPL-3.0-or-later
// The Client against a QEMU that follows a script: each trap of a QMP connection is a test.
#include "qmp/client.hpp"

#include <fcntl.h>
#include <set>
#include <sys/stat.h>

#include "qmp/async.hpp"
#include "support/catch.hpp"
#include "support/fake_qmp_server.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::qmp;
using std::chrono::milliseconds;
using test::FakeQmpServer;

namespace {

constexpr milliseconds long_enough{60'000};
constexpr milliseconds at_once{0};

/// How one command ended.
struct Outcome {
    Json value;
    std::string failure;  ///< "class: description", or the kind of exception
};

net::awaitable<void> shake_hands(Client& client, milliseconds deadline = long_enough) {
    auto greeted = client.handshake(deadline);
    co_await std::move(greeted);
}

net::awaitable<void> execute(Client& client, std::string command, Json arguments, ExecuteOptions options,
                             Outcome& outcome) {
    try {
        auto reply = client.execute(std::move(command), std::move(arguments), options);
        outcome.value = co_await std::move(reply);
        outcome.failure = "none";
    } catch (const ExecuteError& error) {
        outcome.failure = error.error_class() + ": " + error.description();
    } catch (const InterruptedError& error) {
        switch (error.why()) {
            case InterruptedError::Why::Disconnected:
                outcome.failure = "disconnected";
                break;
            case InterruptedError::Why::DeadlinePassed:
                outcome.failure = "deadline";
                break;
            case InterruptedError::Why::Abandoned:
                outcome.failure = "abandoned";
                break;
        }
    } catch (const StateError& error) {
        outcome.failure = std::string("state: ") + error.what();
    } catch (const ProtocolError& error) {
        outcome.failure = std::string("protocol: ") + error.what();
    } catch (const SystemError& error) {
        outcome.failure = std::string("system: ") + error.what();
    }
}

ExecuteOptions within(milliseconds deadline) {
    ExecuteOptions options;
    options.deadline = deadline;
    return options;
}

ExecuteOptions out_of_band() {
    ExecuteOptions options = within(long_enough);
    options.oob = true;
    return options;
}

ExecuteOptions passing(const Fd& file) {
    ExecuteOptions options = within(long_enough);
    options.fd = file.get();
    return options;
}

net::awaitable<void> wait_closed(Client& client) {
    auto over = client.closed();
    co_await std::move(over);
}

net::awaitable<void> take_event(EventQueue& queue, std::vector<std::string>& names) {
    auto next = queue.next(long_enough);
    const auto event = co_await std::move(next);
    names.push_back(event ? event->name : "(end)");
}

void ignore(const std::exception_ptr&) {}

/// A connection with both its ends, and the commands under way on it.
struct Connection {
    Connection() : server(context), client(context, server.client_end()) {
        client.on_notice([this](const std::string& notice) { notices.push_back(notice); });
    }

    void negotiate() {
        server.negotiate();
        qmp::run(context, shake_hands(client));
    }
    Outcome run(std::string command, Json arguments, ExecuteOptions options) {
        Outcome outcome;
        qmp::run(context, execute(client, std::move(command), std::move(arguments), options, outcome));
        return outcome;
    }
    Outcome run(std::string command) { return run(std::move(command), Json::object(), within(long_enough)); }
    Outcome& start(std::string command, ExecuteOptions options) {
        outcomes.push_back(std::make_unique<Outcome>());
        auto& outcome = *outcomes.back();
        spawn(context, execute(client, std::move(command), Json::object(), options, outcome), ignore);
        return outcome;
    }
    Outcome& start(std::string command) { return start(std::move(command), within(long_enough)); }
    /// Everything that can happen without time passing.
    void settle() {
        context.restart();
        while (context.poll() > 0) continue;
    }

    net::io_context context{1};
    FakeQmpServer server;
    Client client;
    std::vector<std::string> notices;
    std::vector<std::unique_ptr<Outcome>> outcomes;
};

}  // namespace

TEST_CASE("the handshake enables oob when it is offered, and only then") {
    Connection with;
    Json enable = Json::object();
    enable["enable"] = Json::array({"oob"});
    with.server.greet({"oob"}).expect("qmp_capabilities", enable).reply();
    CHECK(with.client.runstate() == Runstate::Idle);
    run(with.context, shake_hands(with.client));
    CHECK(with.client.runstate() == Runstate::Running);
    CHECK(with.server.complaint().empty());

    Connection without;
    without.server.greet({}).expect("qmp_capabilities", Json::object()).reply();
    run(without.context, shake_hands(without.client));
    CHECK(without.server.complaint().empty());
    CHECK_THAT(without.run("yank", Json::object(), out_of_band()).failure, ContainsSubstring("no such lane"));
    CHECK_THROWS_AS(run(without.context, shake_hands(without.client)), StateError);
}

TEST_CASE("events before the greeting and before the reply to qmp_capabilities are delivered") {
    Connection c;
    auto queue = c.client.subscribe({});
    c.server.event("RESUME")
        .greet({"oob"})
        .event("STOP")
        .expect("qmp_capabilities")
        .event("RTC_CHANGE")
        .reply();
    run(c.context, shake_hands(c.client));
    std::vector<std::string> names;
    for (int i = 0; i < 3; ++i) run(c.context, take_event(queue, names));
    CHECK(names == std::vector<std::string>{"RESUME", "STOP", "RTC_CHANGE"});
    CHECK(c.notices.empty());
}

TEST_CASE("noise before the greeting is told and survived") {
    Connection c;
    c.server.raw("Welcome!\n\xff{ \n").negotiate();
    run(c.context, shake_hands(c.client));
    CHECK(c.client.runstate() == Runstate::Running);
    CHECK(c.notices.size() == 3);
}

TEST_CASE("a greeting that does not come is an error with advice") {
    Connection c;
    try {
        run(c.context, shake_hands(c.client, at_once));
        FAIL("no error");
    } catch (const ConnectError& error) {
        CHECK(error.exit_code() == ExitCode::TimedOut);
        CHECK_THAT(error.what(), ContainsSubstring("no greeting came within"));
        CHECK_THAT(error.advice(), ContainsSubstring("one client at a time"));
    }
    CHECK(c.client.runstate() == Runstate::Disconnected);
}

TEST_CASE("replies, errors and arguments") {
    Connection c;
    c.negotiate();
    Json arguments = Json::object();
    arguments["id"] = "d0";
    c.server.expect("query-status").reply(Json("running"));
    CHECK(c.run("query-status").value == "running");
    c.server.expect("device_del", arguments).fail("DeviceNotFound", "Device 'd0' not found");
    CHECK(c.run("device_del", arguments, within(long_enough)).failure ==
          "DeviceNotFound: Device 'd0' not found");
    CHECK(c.server.complaint().empty());
    CHECK(c.server.finished());
}

TEST_CASE("replies pair by id, in whatever order they come") {
    Connection c;
    c.negotiate();
    auto& first = c.start("first");
    auto& second = c.start("second");
    c.server.expect("first").expect("second").reply_to("second", Json(2)).reply_to("first", Json(1));
    c.settle();
    CHECK(first.value == 1);
    CHECK(second.value == 2);
}

TEST_CASE("seven commands are in flight, the others wait their turn, out-of-band ones do not") {
    Connection c;
    c.negotiate();
    std::vector<Outcome*> slow;
    for (int i = 0; i < 20; ++i) slow.push_back(&c.start("slow-" + std::to_string(i)));
    auto& urgent = c.start("query-yank", out_of_band());
    c.settle();
    const auto& received = c.server.received();
    REQUIRE(received.size() == 1 + 7 + 1);
    CHECK(received[7].command == "slow-6");
    CHECK(received[8].command == "query-yank");
    CHECK(received[8].oob);
    for (int i = 0; i < 7; ++i) c.server.expect("slow-" + std::to_string(i));
    c.server.expect("query-yank").reply_to("query-yank", Json("at once"));
    c.settle();
    CHECK(urgent.value == "at once");
    CHECK(slow[0]->failure.empty());

    c.server.reply(Json(0));
    c.settle();
    CHECK(slow[0]->value == 0);
    REQUIRE(received.size() == 10);
    CHECK(received[9].command == "slow-7");

    c.server.answer_rest([](const auto& command) { return Json(command.command); });
    for (int i = 1; i < 7; ++i) c.server.reply(Json(i));
    c.settle();
    CHECK(slow[6]->value == 6);
    CHECK(slow[19]->value == "slow-19");
    for (int i = 0; i < 20; ++i)
        CHECK(received[i < 7 ? i + 1 : i + 2].command == "slow-" + std::to_string(i));
}

TEST_CASE("after its deadline a command has failed, and its late reply is swallowed") {
    Connection c;
    c.negotiate();
    c.server.expect("slow").expect("quick").reply_to("slow", Json("late")).reply_to("quick", Json("fine"));
    CHECK(c.run("slow", Json::object(), within(at_once)).failure == "deadline");
    CHECK(c.run("quick").value == "fine");
    CHECK(c.notices.empty());
}

TEST_CASE("an abandoned command holds its place in the window until its reply came") {
    Connection c;
    c.negotiate();
    for (int i = 0; i < 7; ++i) {
        c.server.expect("slow");
        CHECK(c.run("slow", Json::object(), within(at_once)).failure == "deadline");
    }
    auto& next = c.start("next");
    c.settle();
    CHECK(c.server.received().size() == 8);
    c.server.reply(Json("late")).expect("next").reply_to("next", Json("now"));
    c.settle();
    CHECK(next.value == "now");
    CHECK(c.notices.empty());
}

TEST_CASE("a command whose deadline passes before it was sent is never sent") {
    Connection c;
    c.negotiate();
    for (int i = 0; i < 7; ++i) c.start("slow");
    c.settle();
    CHECK(c.run("never", Json::object(), within(at_once)).failure == "deadline");
    for (int i = 0; i < 7; ++i) c.server.expect("slow").reply();
    c.server.expect("next").reply();
    CHECK(c.run("next").failure == "none");
    CHECK(c.server.complaint().empty());
    CHECK(c.server.finished());
}

TEST_CASE("errors without id and strays are told, and paired with nothing") {
    Connection c;
    c.negotiate();
    c.server.expect("query-status")
        .raw("{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, \x1b[31mstray\"}}\r\n")
        .raw("{\"return\": {}}{\"return\": {}, \"id\": \"q999\"}{\"return\": {}, \"id\": {\"a\": null}}")
        .raw("{\"error\": {\"class\": \"GenericError\", \"desc\": \"whose?\"}, \"id\": 7}")
        .raw("{\"QMP\": {\"version\": {}, \"capabilities\": []}}")
        .reply(Json("mine"));
    CHECK(c.run("query-status").value == "mine");
    REQUIRE(c.notices.size() == 6);
    CHECK_THAT(c.notices[0], ContainsSubstring("JSON parse error"));
    CHECK(c.notices[0].find('\x1b') == std::string::npos);
    CHECK_THAT(c.notices[2], ContainsSubstring("q999"));
    CHECK_THAT(c.notices[4], ContainsSubstring("whose?"));
}

TEST_CASE("a late second reply to the same id is a stray") {
    Connection c;
    c.negotiate();
    c.server.expect("query-status").reply().call([&c] {
        c.server.raw(R"({"return": 1, "id": )" + c.server.received().back().id.dump() + "}")
            .expect("query-status")
            .reply(Json(2));
    });
    CHECK(c.run("query-status").value == Json::object());
    CHECK(c.run("query-status").value == 2);
    CHECK(c.notices.size() == 1);
}

TEST_CASE("garbage, half messages and byte 0xFF never wedge the connection") {
    Connection c;
    c.negotiate();
    c.server.expect("query-status")
        .raw("\xff\xff nonsense { \"a\": { \n")
        .raw("[1, 2]\n{\"unended\": \"text\n")
        .raw("{\"event\": \"STOP\", \"data\": {\"text\": \"\xff\"}}")
        .reply(Json("fine"));
    auto queue = c.client.subscribe({});
    CHECK(c.run("query-status").value == "fine");
    std::vector<std::string> names;
    run(c.context, take_event(queue, names));
    CHECK(names == std::vector<std::string>{"STOP"});
    CHECK_FALSE(c.notices.empty());
}

TEST_CASE("when the connection ends, every request under way ends, and so do the queues") {
    Connection c;
    c.negotiate();
    std::vector<Outcome*> all;
    for (int i = 0; i < 10; ++i) all.push_back(&c.start("slow"));
    all.push_back(&c.start("yank", out_of_band()));
    auto queue = c.client.subscribe({});
    c.server.expect("slow").event("SHUTDOWN").close();
    c.settle();
    for (const auto* outcome : all) CHECK(outcome->failure == "disconnected");
    std::vector<std::string> names;
    for (int i = 0; i < 2; ++i) run(c.context, take_event(queue, names));
    CHECK(names == std::vector<std::string>{"SHUTDOWN", "(end)"});
    CHECK(queue.ended());
    CHECK(c.client.runstate() == Runstate::Disconnected);
    CHECK(c.client.closed_reason() == "the other side closed the connection");
    run(c.context, wait_closed(c.client));

    const auto late = c.run("query-status");
    CHECK_THAT(late.failure, ContainsSubstring("state: cannot run 'query-status': the connection has ended"));
    CHECK(c.client.subscribe({}).ended());
}

TEST_CASE("a reply that was sent before the end counts") {
    Connection c;
    c.negotiate();
    c.server.expect("quit").reply(Json("bye")).close();
    CHECK(c.run("quit").value == "bye");
    c.settle();
    CHECK(c.client.runstate() == Runstate::Disconnected);
}

TEST_CASE("what the other side said before it closed is read, even when writing fails first") {
    Connection c;
    c.negotiate();
    auto queue = c.client.subscribe({});
    c.server.event("SHUTDOWN").close();
    // Only the server's turn: the client must not have seen the end when it writes.
    c.context.restart();
    while (c.server.is_open()) c.context.poll_one();
    CHECK(c.run("query-status").failure != "none");
    std::vector<std::string> names;
    run(c.context, take_event(queue, names));
    CHECK(names == std::vector<std::string>{"SHUTDOWN"});
}

TEST_CASE("closing ends what is under way, and destroying too") {
    Connection c;
    c.negotiate();
    auto& closed = c.start("slow");
    c.settle();
    c.client.close();
    c.settle();
    CHECK(closed.failure == "disconnected");
    CHECK(c.client.closed_reason() == "closed by this side");

    net::io_context context(1);
    FakeQmpServer server(context);
    auto client = std::make_unique<Client>(context, server.client_end());
    server.negotiate();
    run(context, shake_hands(*client));
    Outcome outcome;
    spawn(context, execute(*client, "slow", Json::object(), within(long_enough), outcome), ignore);
    context.restart();
    context.poll();
    client.reset();
    context.run();
    CHECK(outcome.failure == "disconnected");
}

TEST_CASE("a client may be moved, and replaced, while it works") {
    Connection c;
    c.negotiate();
    auto& outcome = c.start("slow");
    c.settle();
    Client moved = std::move(c.client);
    c.server.expect("slow").reply(Json(1));
    c.settle();
    CHECK(outcome.value == 1);
    FakeQmpServer other(c.context);
    moved = Client(c.context, other.client_end());
    c.settle();
    CHECK_FALSE(c.server.is_open());
    CHECK(other.is_open());
}

TEST_CASE("nothing runs before the handshake") {
    Connection c;
    CHECK_THAT(c.run("query-status").failure, ContainsSubstring("before the handshake"));
}

TEST_CASE("a handshake that cannot succeed says why") {
    const auto failure = [](Connection& c) {
        try {
            run(c.context, shake_hands(c.client));
        } catch (const ConnectError& error) {
            return std::string(error.what());
        }
        return std::string("none");
    };
    Connection silent;
    silent.server.close();
    CHECK_THAT(failure(silent), ContainsSubstring("the other side closed the connection"));
    CHECK_THAT(failure(silent), ContainsSubstring("the other side closed the connection"));

    Connection refusing;
    refusing.server.greet({"oob"}).expect("qmp_capabilities").fail("GenericError", "not today");
    CHECK_THAT(failure(refusing), ContainsSubstring("not today"));
    CHECK(refusing.client.runstate() == Runstate::Disconnected);

    Connection gone;
    gone.server.greet({"oob"}).expect("qmp_capabilities").close();
    CHECK_THAT(failure(gone), ContainsSubstring("the other side closed the connection"));
}

TEST_CASE("a descriptor travels with its command, and only with that") {
    Connection c;
    c.negotiate();
    const Fd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
    auto& before = c.start("query-status");
    auto& passed = c.start("add-fd", passing(file));
    auto& after = c.start("query-name");
    c.server.expect("query-status").reply().expect("add-fd").reply(Json(3)).expect("query-name").reply();
    c.settle();
    CHECK(before.failure == "none");
    CHECK(passed.value == 3);
    CHECK(after.failure == "none");
    const auto& received = c.server.received();
    REQUIRE(received.size() == 4);
    REQUIRE(received[2].fds.size() == 1);
    CHECK(received[1].fds.empty());
    CHECK(received[3].fds.empty());
    struct stat ours {
    }, theirs{};
    REQUIRE(::fstat(file.get(), &ours) == 0);
    REQUIRE(::fstat(received[2].fds[0].get(), &theirs) == 0);
    CHECK(ours.st_rdev == theirs.st_rdev);
}

TEST_CASE("a descriptor waits until the one before it was taken") {
    Connection c;
    c.negotiate();
    const Fd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
    auto& first = c.start("add-fd", passing(file));
    auto& second = c.start("getfd", passing(file));
    auto& urgent = c.start("query-yank", out_of_band());
    c.settle();
    const auto& received = c.server.received();
    REQUIRE(received.size() == 1 + 2);
    CHECK(received[1].command == "add-fd");
    CHECK(received[2].command == "query-yank");
    c.server.expect("add-fd")
        .expect("query-yank")
        .reply_to("query-yank", Json(1))
        .reply_to("add-fd", Json(2));
    c.server.expect("getfd").reply(Json(3));
    c.settle();
    CHECK(urgent.value == 1);
    CHECK(first.value == 2);
    CHECK(second.value == 3);
    CHECK(received.at(3).fds.size() == 1);
}

TEST_CASE("bad arguments and bad descriptors fail alone") {
    Connection c;
    c.negotiate();
    ExecuteOptions closed = within(long_enough);
    closed.fd = 1'000'000;
    CHECK_THAT(c.run("add-fd", Json::object(), closed).failure,
               ContainsSubstring("descriptor 1000000 with 'add-fd'"));
    Json arguments = Json::object();
    arguments["text"] = "\xff";
    CHECK_THAT(c.run("ringbuf-write", arguments, within(long_enough)).failure,
               ContainsSubstring("not valid UTF-8"));
    CHECK_THAT(c.run("x", Json::array({1}), within(long_enough)).failure,
               ContainsSubstring("no JSON object"));
    c.server.expect("query-status").reply();
    CHECK(c.run("query-status").failure == "none");
}

TEST_CASE("messages larger than any socket buffer go both ways") {
    Connection c;
    c.negotiate();
    const std::string large(std::size_t{3} << 20U, 'x');
    Json arguments = Json::object();
    arguments["data"] = large;
    c.server.answer_rest([](const auto& command) { return command.arguments; });
    auto& first = c.start("small");
    auto& second = c.start("small");
    const auto echoed = c.run("echo", arguments, within(long_enough));
    CHECK(echoed.value == arguments);
    CHECK(first.failure == "none");
    CHECK(second.failure == "none");
    CHECK(c.run("query-status").failure == "none");
}

TEST_CASE("replies cut anywhere are read") {
    Connection c;
    c.negotiate();
    c.server.expect("query-status").call([&c] {
        const std::string reply =
            R"({"return": {"a": "}{"}, "id": )" + c.server.received().back().id.dump() + "}";
        for (const char byte : reply) c.server.raw(std::string(1, byte));
    });
    CHECK(c.run("query-status").value["a"] == "}{");
}

TEST_CASE("connecting by path") {
    const test::TemporaryDirectory directory;
    net::io_context context(1);
    const auto connect = [&] { return Client::connect_unix(context, directory.path().string() + "/none"); };
    CHECK_THROWS_WITH(connect(), ContainsSubstring(directory.path().string() + "/none"));
    CHECK_THROWS_AS(connect(), ConnectError);
}

TEST_CASE("What travelled can be kept: the command, its reply and the events, byte for byte") {
    net::io_context context;
    FakeQmpServer server(context);
    server.negotiate()
        .expect("query-status")
        .raw("{\"event\": \"STOP\",  \"data\": {}, \"timestamp\": {\"seconds\": 1, \"microseconds\": 2}}\n")
        .call([&server] {
            server.raw("{ \"return\": {\"running\":true}, \"id\": " + server.received().back().id.dump() +
                       " }\n");
        });
    Client client(context, server.client_end());
    run(context, shake_hands(client));
    std::string event_text;
    client.on_event([&event_text](const Event&, const std::string& text) { event_text = text; });
    std::optional<Answer> answer;
    const auto sent = client.send("query-status", Json::object(), false,
                                  [&answer](Answer came) { answer = std::move(came); });
    const auto id = Json::parse(sent).at("id").dump();
    CHECK(sent == R"({"execute":"query-status","id":)" + id + "}");
    while (!answer) context.run_one();
    CHECK(answer->text == R"({ "return": {"running":true}, "id": )" + id + " }");
    CHECK(std::get<Json>(answer->outcome).at("running") == true);
    CHECK(event_text.starts_with("{\"event\": \"STOP\",  "));
}

TEST_CASE("A command that is whole keeps its id, and its answer is told, an error as well") {
    net::io_context context;
    FakeQmpServer server(context);
    server.negotiate().expect("a").expect("b").call([&server] {
        server.raw(R"({"error": {"class": "CommandNotFound", "desc": "no b"}, "id": )" +
                   server.received().back().id.dump() + R"(}{"return": {}, "id": {"x": null}})");
    });
    Client client(context, server.client_end());
    run(context, shake_hands(client));
    std::vector<std::string> order;
    client.send(Json::parse(R"({"execute": "a", "id": {"x": null}})"),
                [&order](const Answer& came) { order.push_back("a " + came.text); });
    client.send(Json::parse(R"({"execute": "b"})"), [&order](const Answer& came) {
        order.push_back("b " + std::get<ErrorReply>(came.outcome).error_class);
    });
    while (order.size() < 2) context.run_one();
    CHECK(order == std::vector<std::string>{"b CommandNotFound", R"(a {"return": {}, "id": {"x": null}})"});
}

TEST_CASE("The end of the connection answers what is under way, once") {
    net::io_context context;
    FakeQmpServer server(context);
    server.negotiate().expect("quit").close();
    Client client(context, server.client_end());
    run(context, shake_hands(client));
    int answers = 0;
    client.send("quit", Json::object(), false, [&answers](const Answer& came) {
        ++answers;
        CHECK(std::get<InterruptedError::Why>(came.outcome) == InterruptedError::Why::Disconnected);
        CHECK(came.text.empty());
    });
    while (answers == 0) context.run_one();
    context.poll();
    CHECK(answers == 1);
    CHECK_THROWS_AS(client.send("cont", Json::object(), false, {}), StateError);
}

TEST_CASE(
    "Two clients never shake hands with the same id: a reply to the one before is not taken for one's own") {
    std::set<Json> ids;
    for (int i = 0; i < 8; ++i) {
        Connection c;
        c.negotiate();
        ids.insert(c.server.received().front().id);
    }
    CHECK(ids.size() == 8);
}

TEST_CASE("The ids of commands are short and differ: QEMU reads them byte by byte") {
    Connection c;
    c.negotiate();
    for (int id = 2; id <= 4; ++id) {
        c.server.expect("query-status").reply();
        CHECK(c.run("query-status").failure == "none");
        CHECK(c.server.received().back().id == id);
    }
}
