// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/link.hpp"

#include "base/error.hpp"
#include "base/json.hpp"
#include "support/catch.hpp"
#include "unit/shell/listening.hpp"

using namespace qvm;
using namespace qvm::shell;
using std::chrono::milliseconds;
using test::Listening;

namespace {

struct Linked : Listening {
    explicit Linked(bool agent = false) { target = target_of(path(), agent); }

    void connect() {
        link.emplace(context, target,
                     LinkHandler{.changed =
                                     [this] {
                                         states.push_back(link ? link->state() : LinkState::Connecting);
                                         if (states.back() != LinkState::Waiting) return;
                                         pauses.push_back(link->next_try());
                                     },
                                 .event =
                                     [this](const qmp::Event& event, const std::string& text) {
                                         events.push_back(event.name + " " + text);
                                     },
                                 .notice = [this](const std::string& said) { notices.push_back(said); }});
    }
    /// Its handler has heard it.
    bool until_state(LinkState state) {
        return until([&] { return !states.empty() && link->state() == state; });
    }

    Target target;
    std::vector<LinkState> states;
    std::vector<milliseconds> pauses;
    std::vector<std::string> events, notices;
    std::optional<Link> link;
};

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("A socket is a path, or a host and a port") {
    CHECK(target_of("/run/q.sock", false).path == "/run/q.sock");
    CHECK(target_of("q.sock", false).path == "q.sock");
    CHECK(target_of("./host:4444", false).path == "./host:4444");
    CHECK(target_of("4444", false).path == "4444");
    const auto tcp = target_of("[::1]:4444", true);
    CHECK(tcp.host == "::1");
    CHECK(tcp.port == "4444");
    CHECK(tcp.agent);
    CHECK(tcp.label == "[::1]:4444");
    CHECK(target_of(":4444", false).host == "localhost");
    for (const auto* word :
         {"host:", "host:ssh", "host:-1", "host:0", "host:65536", "host:99999", "host:123456"}) {
        CAPTURE(word);
        CHECK_THROWS_AS(target_of(word, false), Error);
    }
}

TEST_CASE("It is tried again, less and less often, until somebody listens") {
    Linked it;
    it.connect();
    REQUIRE(it.until([&] { return it.pauses.size() == 4; }));
    CHECK(holds(it.link->what(), it.path()));
    CHECK_FALSE(it.link->greeting());
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(it.pauses[i] <= milliseconds(100 << i));
        CHECK(it.pauses[i] > milliseconds(50 << i));
    }
    it.listen();
    REQUIRE(it.until_state(LinkState::Connected));
    CHECK(it.link->what().empty());
    CHECK(it.link->greeting()->major == 7);
    // What ends after a greeting is tried again soon.
    it.pauses.clear();
    it.newest().close();
    REQUIRE(it.until_state(LinkState::Waiting));
    CHECK(it.pauses.at(0) <= milliseconds(100));
    CHECK(holds(it.link->what(), "closed"));
    REQUIRE(it.until_state(LinkState::Connected));
    CHECK(it.servers.size() == 2);
}

TEST_CASE("What has no reply when the connection ends is told, and nothing is sent until it is back") {
    Linked it;
    it.script = [](auto& server) { server.negotiate().expect("stop").close(); };
    it.listen();
    it.connect();
    REQUIRE(it.until_state(LinkState::Connected));
    std::vector<qmp::Answer> answers;
    const auto take = [&](qmp::Answer answer) { answers.push_back(std::move(answer)); };
    CHECK(holds(it.link->send("stop", Json::object(), false, take), R"("execute":"stop")"));
    REQUIRE(it.until_state(LinkState::Waiting));
    REQUIRE(answers.size() == 1);
    CHECK(std::get<qmp::InterruptedError::Why>(answers[0].outcome) ==
          qmp::InterruptedError::Why::Disconnected);
    try {
        it.link->send("cont", Json::object(), false, take);
        FAIL("it was sent");
    } catch (const qmp::StateError& error) {
        CHECK(holds(error.what(), "not connected to " + it.path()));
    }
    it.script = [](auto& server) { server.negotiate(); };
    REQUIRE(it.until_state(LinkState::Connected));
    it.settle();
    CHECK(it.newest().received().size() == 1);
    CHECK(answers.size() == 1);
}

TEST_CASE("Reconnecting does not wait, and begins anew with short pauses") {
    Linked it;
    it.connect();
    REQUIRE(it.until([&] { return it.pauses.size() == 4; }));
    it.link->reconnect();
    CHECK(it.link->next_try() == milliseconds(0));
    it.pauses.clear();
    const auto began = std::chrono::steady_clock::now();
    REQUIRE(it.until([&] { return it.pauses.size() == 1; }));
    CHECK(std::chrono::steady_clock::now() - began < milliseconds(500));
    CHECK(it.pauses[0] <= milliseconds(100));
    CHECK(it.pauses[0] > milliseconds(50));

    it.listen();
    REQUIRE(it.until_state(LinkState::Connected));
    it.pauses.clear();
    it.link->reconnect();
    REQUIRE(it.until([&] { return it.servers.size() == 2 && it.link->state() == LinkState::Connected; }));
    CHECK(it.pauses == std::vector{milliseconds(0)});
}

TEST_CASE("Who greets in another language is told from who does not greet") {
    Linked it;
    it.script = [](auto& server) { server.raw("RFB 003.008\n"); };
    it.listen();
    it.connect();
    REQUIRE(it.until([&] { return !it.notices.empty(); }));
    CHECK(it.notices.size() == 1);
    CHECK(holds(it.notices[0], "no QMP server"));
    CHECK(holds(it.notices[0], "RFB 003.008"));
    CHECK(it.link->state() == LinkState::Connecting);
    // Another try, another server: what the first one said is forgotten.
    it.notices.clear();
    it.script = [](auto&) {};
    it.link->reconnect();
    REQUIRE(it.until([&] { return !it.notices.empty(); }));
    CHECK(holds(it.notices[0], "one client at a time"));
    // It may come late.
    it.newest().negotiate();
    REQUIRE(it.until_state(LinkState::Connected));
}

TEST_CASE("What was meant for the client before is not told where a greeting comes") {
    Linked it;
    it.script = [](auto& server) {
        server.raw("{\"return\": {}, \"id\": \"qvm-77\"}\r\n").event("STOP").negotiate();
    };
    it.listen();
    it.connect();
    REQUIRE(it.until_state(LinkState::Connected));
    CHECK(it.notices.empty());
    it.newest().raw("{\"return\": {}, \"id\": \"nobody\"}\r\n");
    REQUIRE(it.until([&] { return !it.notices.empty(); }));
    CHECK(it.notices.size() == 1);
    CHECK(holds(it.notices[0], "nobody"));
    REQUIRE(it.events.size() == 1);
    CHECK(it.events[0].starts_with("STOP {"));
}

TEST_CASE("A server that refuses to negotiate, or hangs up in the middle, is tried again") {
    Linked it;
    it.script = [](auto& server) {
        server.greet({}).expect("qmp_capabilities").fail("GenericError", "never");
    };
    it.listen();
    it.connect();
    REQUIRE(it.until([&] { return it.pauses.size() == 2; }));
    CHECK(holds(it.link->what(), "never"));
    // It has never been connected: the pauses grow.
    CHECK(it.pauses[1] > milliseconds(100));
    it.script = [](auto& server) { server.raw("{\"QMP\": {").close(); };
    REQUIRE(it.until([&] { return it.pauses.size() == 4; }));
    CHECK(holds(it.link->what(), "closed"));
    it.script = [](auto& server) { server.negotiate(); };
    REQUIRE(it.until_state(LinkState::Connected));
}

TEST_CASE("A guest agent greets nobody, and is none that does") {
    Linked it(true);
    it.script = [](auto& server) {
        server.greet({}).expect("guest-sync-delimited").fail("CommandNotFound", "Expecting negotiation");
    };
    it.listen();
    it.connect();
    REQUIRE(it.until_state(LinkState::Waiting));
    CHECK(holds(it.link->what(), "no guest agent"));
    CHECK(holds(it.link->what(), "Expecting negotiation"));
    it.script = [](auto& server) {
        server.answer_rest([](const auto& request) { return request.arguments.at("id"); });
    };
    REQUIRE(it.until_state(LinkState::Connected));
    CHECK_FALSE(it.link->greeting());
}

TEST_CASE("Who knows why the server has gone tells it") {
    Linked it;
    it.target.why_gone = [] { return std::string("the guest powered off"); };
    it.connect();
    REQUIRE(it.until_state(LinkState::Waiting));
    CHECK(it.link->what() == "the guest powered off");
}

TEST_CASE("A log has no server") {
    Linked it;
    it.target = target_of_log(it.directory.write("log.jsonl", ""));
    CHECK_THROWS_AS(target_of_log(it.path()), Error);
    it.connect();
    it.settle();
    CHECK(it.link->state() == LinkState::Offline);
    CHECK(it.states.empty());
    CHECK_THROWS_AS(it.link->send("stop", Json::object(), false, [](qmp::Answer) {}), qmp::StateError);
}

TEST_CASE("Nothing is told after the end, whatever it was doing") {
    for (const bool listens : {false, true}) {
        Linked it;
        if (listens) it.listen();
        it.connect();
        REQUIRE(it.until_state(listens ? LinkState::Connected : LinkState::Waiting));
        if (listens) it.link->send("stop", Json::object(), false, [](qmp::Answer) {});
        const auto told = it.states.size();
        it.link.reset();
        for (int i = 0; i < 5; ++i) it.settle();
        CHECK(it.states.size() == told);
    }
}
