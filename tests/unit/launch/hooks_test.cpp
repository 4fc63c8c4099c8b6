// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/hooks.hpp"

#include <array>
#include <fstream>
#include <iterator>
#include <sys/socket.h>
#include <unistd.h>

#include "launch/hook_process.hpp"
#include "qmp/async.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

namespace qvm::launch {
namespace {

using config::HookEvent;
using Lines = std::vector<std::string>;

/// A supervisor's end, with the spawner's in the test's hands.
struct Line {
    Line()
        : hooks(context, std::move(pair.first), commands, [this](const auto& text) { log.push_back(text); }) {
    }

    std::string heard() {
        std::array<char, 4096> buffer{};
        const auto got = ::recv(pair.second.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        return got <= 0 ? "" : std::string(buffer.data(), static_cast<std::size_t>(got));
    }
    void say(const std::string& text) { REQUIRE(::send(pair.second.get(), text.data(), text.size(), 0) > 0); }
    void settle() {
        auto settled = hooks.settled();
        qmp::run(context, std::move(settled));
    }

    const std::vector<HookCommand> commands{{HookEvent::Started, {"/bin/true"}},
                                            {HookEvent::Stopped, {"/bin/false"}}};
    SocketPair pair{SOCK_SEQPACKET};
    Lines log;
    boost::asio::io_context context{1};
    HookLine hooks;
};

SpawnerOrder in(const test::TemporaryDirectory& directory) {
    return {{}, directory.path(), {{"QVM_NAME", "web"}}, {}};
}

/// How a shell's script ends as a hook.
std::string outcome_of(const test::TemporaryDirectory& directory, const Lines& argv, HookEvent event) {
    HookProcess process(in(directory), {event, argv}, {event, "died", "a b"});
    CHECK(process.event() == event);
    for (;;) {
        if (const auto outcome = process.outcome()) return *outcome;
        ::usleep(1000);
    }
}

std::string text_of(const std::filesystem::path& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace

TEST_CASE("an order survives the way to the spawner, and nothing else is one") {
    const HookOrder order{HookEvent::Stopped, "died", "QEMU \"x\"\n\xff"};
    const auto again = HookOrder::from_text(order.to_text());
    REQUIRE(again);
    CHECK(again->event == HookEvent::Stopped);
    CHECK(again->exit == "died");
    CHECK(again->detail.starts_with("QEMU \"x\"\n"));
    CHECK(HookOrder{HookEvent::Crashed, {}, std::string(100'000, 'x')}.to_text().size() < 4096);
    for (const char* text : {"", "{", "[]", "5", "{}", R"({"event":"paused"})", R"({"event":1})"})
        CHECK_FALSE(HookOrder::from_text(text));
}

TEST_CASE("what has no hook is not asked for, and what fails is known") {
    Line line;
    line.hooks.run({HookEvent::Crashed, {}, {}});
    CHECK(line.heard().empty());
    line.hooks.run({HookEvent::Started, {}, {}});
    line.hooks.run({HookEvent::Stopped, "guest", "it powered off"});
    CHECK(line.heard() == R"({"event":"started","exit":"","detail":""})");
    CHECK(line.heard() == R"({"event":"stopped","exit":"guest","detail":"it powered off"})");
    line.say("no answer");
    line.say(R"({"event":"started","failure":""})");
    line.say(R"({"event":"stopped","failure":"it exited with status 1"})");
    line.settle();
    CHECK(line.hooks.failures() ==
          std::map<std::string, std::string>{{"stopped", "it exited with status 1"}});
    CHECK(line.log.back() == "warning: hook stopped failed: it exited with status 1");
    line.hooks.run({HookEvent::Stopped, "guest", {}});
    line.say(R"({"event":"stopped","failure":""})");
    line.settle();
    CHECK(line.hooks.failures().empty());
}

TEST_CASE("nobody waits for a spawner that has gone") {
    Line line;
    line.hooks.run({HookEvent::Started, {}, {}});
    line.pair.second.reset();
    line.settle();
    CHECK(line.log.back() == "warning: hook: the process that ran it has ended");
    line.hooks.run({HookEvent::Stopped, "guest", {}});
    CHECK(line.hooks.failures().contains("stopped"));
    line.settle();
}

TEST_CASE("a hook has its arguments, its environment and its directory, and no shell between") {
    const test::TemporaryDirectory directory;
    const Lines argv{"/bin/sh", "-c",
                     "echo \"$1:$QVM_NAME:$QVM_EVENT:$QVM_EXIT:$QVM_DETAIL\" > out; cat >> out", "sh",
                     "$x *"};
    CHECK(outcome_of(directory, argv, HookEvent::Stopped).empty());
    CHECK(text_of(directory.path() / "out") == "$x *:web:stopped:died:a b\n");
    CHECK(outcome_of(directory, argv, HookEvent::Started).empty());
    CHECK(text_of(directory.path() / "out") == "$x *:web:started::a b\n");
}

TEST_CASE("how a hook failed is told") {
    const test::TemporaryDirectory directory;
    CHECK(outcome_of(directory, {"/bin/false"}, HookEvent::Started) == "it exited with status 1");
    CHECK(outcome_of(directory, {"/bin/sh", "-c", "kill -9 $$"}, HookEvent::Started) ==
          "it was killed by signal 9 (SIGKILL)");
    CHECK(outcome_of(directory, {"/nowhere/at/all"}, HookEvent::Started) == "it exited with status 127");
    const SpawnerOrder gone{{}, directory.path() / "gone", {}, {}};
    HookProcess process(gone, {HookEvent::Started, {"/bin/true"}}, {});
    CHECK(process.milliseconds_left() > 29'000);
}

TEST_CASE("what is told of a VM whose hooks must end") {
    Applied applied;
    CHECK(patience_for_end(applied, std::chrono::seconds(10)) == std::chrono::seconds(10));
    applied.hooks = {{HookEvent::Stopped, {"/bin/true"}}};
    CHECK(patience_for_end(applied, std::chrono::seconds(10)) > std::chrono::seconds(39));
    applied.origin = "/srv/web.toml";
    CHECK(needs_spawner(applied));
    CHECK(Applied::from_json(applied.to_json()).hooks.at(0).argv == Lines{"/bin/true"});
}

}  // namespace qvm::launch
