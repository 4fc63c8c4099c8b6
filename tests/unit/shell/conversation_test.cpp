// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/conversation.hpp"

#include <algorithm>
#include <cstdlib>

#include "base/error.hpp"
#include "support/catch.hpp"
#include "unit/shell/listening.hpp"

using namespace qvm;
using namespace qvm::shell;
using test::Listening;

namespace {

using Received = test::FakeQmpServer::Received;

struct Talk : Listening {
    Talk() {
        ::setenv("XDG_CACHE_HOME", directory.path().c_str(), 1);
        answers["query-commands"] = Json::parse(R"([{"name": "stop"}, {"name": "cont"}])");
        answers["query-status"] = Json::parse(R"({"status": "running", "running": true})");
        answers["query-jobs"] = Json::array();
        answers["query-migrate"] = Json::object();
        script = [this](auto& server) { server.negotiate().answer_rest(answerer()); };
    }

    std::function<Json(const Received&)> answerer() {
        return [this](const Received& request) {
            ++asked[request.command];
            const auto found = answers.find(request.command);
            if (found == answers.end())
                throw qmp::ExecuteError(request.command, "CommandNotFound", "there is no " + request.command);
            return found->second;
        };
    }

    Conversation& begin() {
        talk.emplace(context, target_of(path(), false), TranscriptLimits(),
                     Conversation::Handler{.changed = [this] { ++changes; },
                                           .item =
                                               [this](Conversation&, const Item& item) {
                                                   told.push_back(item.name + " " + name_of(item.state));
                                               },
                                           .learned = [this] { ++learned; },
                                           .builtins = [] { return std::vector<Vocabulary::Builtin>(); }});
        return *talk;
    }
    Conversation& begin_connected() {
        listen();
        auto& conversation = begin();
        REQUIRE(until([&] { return conversation.status().run_state == "running"; }));
        REQUIRE(until([&] { return !conversation.command_names().empty(); }));
        return conversation;
    }
    std::uint64_t run(const std::string& command) {
        Request request;
        request.command = command;
        return talk->run(request, command);
    }
    /// Of notices alone.
    std::vector<std::string> notices() const {
        std::vector<std::string> texts;
        for (const auto& item : talk->transcript().items())
            if (item.kind == ItemKind::Notice) texts.push_back(item.name);
        return texts;
    }
    std::size_t notices_with(const std::string& text) const {
        const auto all = notices();
        return static_cast<std::size_t>(
            std::ranges::count_if(all, [&](const auto& one) { return one.find(text) != std::string::npos; }));
    }
    const Item& item(std::uint64_t number) const { return *talk->transcript().find(number); }
    bool until_state(std::uint64_t number, ItemState state) {
        return until([&] { return item(number).state == state; });
    }
    bool was_told(const std::string& what) const { return std::ranges::find(told, what) != told.end(); }

    std::map<std::string, Json> answers;
    std::map<std::string, int> asked;
    std::vector<std::string> told;
    int changes = 0, learned = 0;
    std::optional<Conversation> talk;
};

}  // namespace

TEST_CASE("A conversation begins with what the server is and can do") {
    Talk it;
    auto& talk = it.begin_connected();
    CHECK(it.notices_with("connected to " + it.path() + ": QEMU 7.2.22") == 1);
    CHECK(talk.command_names() == std::vector<std::string>{"cont", "stop"});
    CHECK(talk.schema() == nullptr);
    // Nothing of that was typed, nor is it shown.
    CHECK(talk.transcript().items().size() == 1);
}

TEST_CASE("A command is an item, from its sending to its reply") {
    Talk it;
    it.answers["stop"] = Json::object();
    auto& talk = it.begin_connected();
    const auto number = it.run("stop");
    CHECK(it.item(number).state == ItemState::Pending);
    CHECK(it.item(number).sent().find(R"("execute":"stop")") != std::string::npos);
    CHECK(talk.transcript().pending() == 1);
    REQUIRE(it.until_state(number, ItemState::Ok));
    CHECK(it.item(number).received.starts_with(R"({"return")"));
    CHECK(it.was_told("stop Pending"));
    CHECK(it.was_told("stop OK"));
    const auto wrong = it.run("sotp");
    REQUIRE(it.until_state(wrong, ItemState::Error));
    CHECK(talk.transcript().pending() == 0);
    RawMessage raw;
    raw.object = Json::parse(R"({"execute": "stop", "id": 7})");
    REQUIRE(it.until_state(talk.run(raw, "{...}"), ItemState::Ok));
    CHECK(talk.transcript().items().back().name == "stop");
}

TEST_CASE("What is pending when the connection ends is lost, and everybody is told") {
    Talk it;
    it.script = [&it](auto& server) {
        server.negotiate();
        for (const auto* first : {"query-commands", "query-status", "query-jobs", "query-migrate"})
            server.expect(first).reply(it.answers[first]);
        server.expect("stop").close();
    };
    auto& talk = it.begin_connected();
    bool answered = false;
    Request request;
    request.command = "stop";
    const auto number = talk.run(request, "stop", [&](const qmp::Answer& answer) {
        answered = std::holds_alternative<qmp::InterruptedError::Why>(answer.outcome);
    });
    REQUIRE(it.until_state(number, ItemState::Lost));
    CHECK(answered);
    CHECK(it.was_told("stop LOST"));
    CHECK(talk.transcript().pending() == 0);
    REQUIRE(it.until([&] { return talk.link().state() == LinkState::Waiting; }));
    CHECK(talk.status().run_state.empty());
    CHECK(it.notices_with("not connected: the other side closed the connection") == 1);
    // Nothing can be sent now; that is an item as well, and nothing waits for it.
    const auto unsent = it.run("cont");
    CHECK(it.item(unsent).state == ItemState::Error);
    CHECK(it.item(unsent).received.find("NotSent") != std::string::npos);
    bool asked = false;
    talk.ask("query-status", Json::object(), [&](const qmp::Answer& answer) {
        asked = std::holds_alternative<qmp::InterruptedError::Why>(answer.outcome);
    });
    CHECK(asked);
}

TEST_CASE("Why it is not connected is said once, and again to who asks") {
    Talk it;
    auto& talk = it.begin();
    REQUIRE(it.until([&] { return it.notices_with("not connected") == 1; }));
    CHECK(it.notices().back().find("/reconnect") != std::string::npos);
    const auto changes = it.changes;
    REQUIRE(it.until([&] { return it.changes > changes + 4; }));
    CHECK(it.notices_with("not connected") == 1);
    std::vector<bool> done;
    talk.reconnect([&](bool connected) { done.push_back(connected); });
    REQUIRE(it.until([&] { return !done.empty(); }));
    CHECK(done == std::vector{false});
    CHECK(it.notices_with("not connected") == 2);
    const auto said = it.notices().back();
    CHECK(said.find(it.path()) != std::string::npos);
    CHECK(said.find("the next try is in 100ms") != std::string::npos);
    CHECK(it.talk->transcript().items().back().state == ItemState::Error);

    it.listen();
    REQUIRE(it.until([&] { return talk.link().state() == LinkState::Connected; }));
    // A connection that is there is ended for it; that is no failure.
    talk.reconnect([&](bool connected) { done.push_back(connected); });
    REQUIRE(it.until([&] { return done.size() == 2; }));
    CHECK(done.back());
    CHECK(it.servers.size() == 2);
    CHECK(it.notices_with("not connected") == 2);
    CHECK(it.notices_with("connected to") == 2);
}

TEST_CASE("There is nothing to reconnect to where a log is looked at") {
    Talk it;
    it.talk.emplace(it.context, target_of_log(it.directory.write("log.jsonl", "")), TranscriptLimits(),
                    Conversation::Handler{.changed = [] {},
                                          .item = [](Conversation&, const Item&) {},
                                          .learned = [] {},
                                          .builtins = [] { return std::vector<Vocabulary::Builtin>(); }});
    bool done = true;
    it.talk->reconnect([&](bool connected) { done = connected; });
    CHECK_FALSE(done);
    CHECK(it.notices_with("there is no server") == 1);
    CHECK_THROWS_AS(it.talk->load((it.directory.path() / "none").string()), Error);
}

TEST_CASE("Events are items, and tell of the run state") {
    Talk it;
    auto& talk = it.begin_connected();
    int heard = 0;
    talk.on_event([&](const qmp::Event&) { return ++heard < 2; });
    it.answers["query-status"] = Json::parse(R"({"status": "paused"})");
    it.newest().event("STOP").event("X").event("Y");
    REQUIRE(it.until([&] { return talk.status().run_state == "paused"; }));
    CHECK(heard == 2);
    CHECK(talk.events_per_second() == 3);
    CHECK(it.was_told("STOP OK"));
    CHECK(talk.transcript().items()[1].began == 1'700'000'000'000'000);
}

TEST_CASE("Jobs and a migration are followed until they end") {
    Talk it;
    it.answers["query-jobs"] =
        Json::parse(R"([{"id": "j0", "type": "mirror", "current-progress": 21, "total-progress": 50}, 7])");
    it.answers["query-migrate"] =
        Json::parse(R"({"status": "active", "ram": {"total": 200, "remaining": 150}})");
    auto& talk = it.begin_connected();
    REQUIRE(it.until([&] { return !talk.status().jobs.empty() && !talk.status().migration.empty(); }));
    CHECK(talk.status().jobs.at("j0") == "mirror 42%");
    CHECK(talk.status().migration == "migration active 25%");
    it.answers["query-jobs"] = Json::array();
    it.answers["query-migrate"] = Json::parse(R"({"status": "completed"})");
    // A thousand events are no thousand questions.
    const auto before = it.asked["query-jobs"];
    for (int i = 0; i < 1000; ++i) it.newest().event("JOB_STATUS_CHANGE");
    REQUIRE(it.until([&] { return talk.status().jobs.empty() && talk.status().migration.empty(); }));
    CHECK(it.asked["query-jobs"] <= before + 3);
}

TEST_CASE("What other clients say is shown with their name, and goes where one's own does") {
    Talk it;
    auto& talk = it.begin_connected();
    const auto traffic = [&](const char* direction, const char* message) {
        Json data = Json::parse(R"({"client": "other"})");
        data["direction"] = direction;
        data["message"] = Json::parse(message);
        it.newest().event("__ORG.QVM_TRAFFIC", data);
    };
    traffic("client", R"({"execute": "cont", "id": 1})");
    traffic("client", R"({"execute": "stop", "id": 2})");
    traffic("server", R"({"error": {"class": "GenericError", "desc": "no"}, "id": 1})");
    traffic("server", R"({"return": {}, "id": 3})");
    REQUIRE(it.until([&] { return it.was_told("cont ERR"); }));
    CHECK(talk.transcript().items().back().client() == "other");
    CHECK(talk.transcript().pending() == 1);
    it.newest().close();
    REQUIRE(it.until([&] { return it.was_told("stop LOST"); }));
    CHECK(talk.transcript().pending() == 0);
}

TEST_CASE("The schema is fetched once it is wanted, once, and whoever waits is told") {
    Talk it;
    auto& talk = it.begin_connected();
    CHECK_FALSE(talk.schema_is_settled());
    int ready = 0;
    it.answers["query-qmp-schema"] = Json::parse(
        R"([{"name": "stop", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
            {"name": "0", "meta-type": "object", "members": []}])");
    talk.with_schema([&] { ++ready; });
    talk.with_schema([&] { ++ready; });
    REQUIRE(it.until([&] { return ready == 2; }));
    CHECK(it.asked["query-qmp-schema"] == 1);
    REQUIRE(talk.schema() != nullptr);
    CHECK(talk.schema()->command("stop") != nullptr);
    talk.with_schema([&] { ++ready; });
    CHECK(ready == 3);
    // The next connection to the same QEMU finds it saved.
    it.newest().close();
    REQUIRE(it.until([&] { return it.servers.size() == 2 && talk.status().run_state == "running"; }));
    REQUIRE(it.until([&] { return !talk.command_names().empty(); }));
    talk.want_schema();
    CHECK(talk.schema() != nullptr);
    CHECK(it.asked["query-qmp-schema"] == 1);
}

TEST_CASE("A server without a schema, or with one that is none, keeps nobody waiting") {
    Talk it;
    auto& talk = it.begin_connected();
    bool ready = false;
    talk.with_schema([&] { ready = true; });
    REQUIRE(it.until([&] { return ready; }));
    CHECK(talk.schema() == nullptr);
    CHECK(talk.schema_is_settled());

    it.answers["query-qmp-schema"] = Json::parse(R"([{"name": 7}])");
    it.newest().close();
    REQUIRE(it.until([&] { return it.servers.size() == 2 && talk.status().run_state == "running"; }));
    ready = false;
    talk.with_schema([&] { ready = true; });
    REQUIRE(it.until([&] { return ready; }));
    REQUIRE(it.until([&] { return it.notices_with("schema cannot be read") == 1; }));
}

TEST_CASE("Who waits for the schema does not wait for a connection that ends") {
    Talk it;
    it.script = [&it](auto& server) {
        server.negotiate();
        for (const auto* first : {"query-commands", "query-status", "query-jobs", "query-migrate"})
            server.expect(first).reply(it.answers[first]);
        server.expect("query-qmp-schema").close();
    };
    auto& talk = it.begin_connected();
    bool ready = false;
    talk.with_schema([&] { ready = true; });
    CHECK_FALSE(ready);
    REQUIRE(it.until([&] { return ready; }));
    CHECK(talk.schema_is_settled());
}

TEST_CASE("Names are asked for once they are wanted, and their coming is told") {
    Talk it;
    it.answers["query-chardev"] = Json::parse(R"([{"label": "serial0"}])");
    auto& talk = it.begin_connected();
    const auto learned = it.learned;
    CHECK_FALSE(talk.names(NameKind::Chardev, ""));
    CHECK_FALSE(talk.names(NameKind::Chardev, ""));
    REQUIRE(it.until([&] { return it.learned > learned; }));
    CHECK(talk.names(NameKind::Chardev, "") == std::vector<std::string>{"serial0"});
    CHECK(it.asked["query-chardev"] == 1);
    // What the server does not know has no names.
    CHECK_FALSE(talk.names(NameKind::Memdev, ""));
    REQUIRE(it.until([&] { return talk.names(NameKind::Memdev, "").has_value(); }));
    CHECK(talk.names(NameKind::Memdev, "")->empty());
    // Somebody changes them.
    it.answers["chardev-remove"] = Json::object();
    REQUIRE(it.until_state(it.run("chardev-remove"), ItemState::Ok));
    CHECK_FALSE(talk.names(NameKind::Chardev, ""));
}
