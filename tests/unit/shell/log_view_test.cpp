// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/log_view.hpp"

#include <chrono>
#include <clocale>
#include <string>

#include "shell/page.hpp"
#include "support/catch.hpp"

using namespace qvm::shell;

namespace {

struct Log {
    explicit Log(TranscriptLimits limits = {}) : transcript(limits) {
        std::setlocale(LC_CTYPE, "C.UTF-8");
        view.set_clock(Clock::None);
    }

    std::uint64_t event(std::string name, std::string received = {}, std::int64_t began = 0) {
        Item item;
        item.kind = ItemKind::Event;
        // Far apart, unless it is said: alike ones would be shown as one.
        item.began = began != 0 ? began : (now += 10'000'000);
        item.name = std::move(name);
        item.received =
            received.empty() ? R"({"event": ")" + item.name + R"(", "data": {}})" : std::move(received);
        const auto& appended = transcript.append(std::move(item));
        view.changed(appended);
        return appended.number;
    }

    void flood(std::size_t pairs) {
        for (std::size_t i = 0; i < pairs; ++i) {
            event("STOP", {}, static_cast<std::int64_t>(1000 + 2 * i));
            event("RESUME", {}, static_cast<std::int64_t>(1001 + 2 * i));
        }
    }

    std::vector<std::string> shown(std::size_t rows = 5, std::size_t columns = 80) {
        std::vector<std::string> texts;
        for (const auto& line : view.lines(rows, columns)) texts.push_back(plain_text(line));
        return texts;
    }

    Transcript transcript;
    LogView view{transcript};
    std::int64_t now = 0;
};

std::size_t place_of(const std::vector<std::string>& lines, const std::string& text) {
    for (std::size_t i = 0; i < lines.size(); ++i)
        if (lines[i].find(text) != std::string::npos) return i;
    return lines.size();
}

}  // namespace

TEST_CASE("An empty log has no lines, nothing to select and nowhere to go") {
    Log log;
    CHECK(log.shown().empty());
    CHECK_FALSE(log.view.select_up());
    CHECK_FALSE(log.view.select_down());
    CHECK_FALSE(log.view.search("x", true));
    log.view.scroll(5);
    log.view.scroll(-5);
    log.view.to_top();
    log.view.go_to(7);
    CHECK(log.view.following());
    CHECK(log.view.below() == 0);
    CHECK_FALSE(log.view.item_at(0));
}

TEST_CASE("The newest lines are shown, and follow") {
    Log log;
    for (int i = 0; i < 10; ++i) log.event("E" + std::to_string(i));
    auto lines = log.shown(3);
    REQUIRE(lines.size() == 3);
    CHECK(lines[0].find("E7") != std::string::npos);
    CHECK(lines[2].find("E9") != std::string::npos);
    CHECK(log.view.item_at(2) == 10);
    log.event("LATER");
    CHECK(place_of(log.shown(3), "LATER") == 2);
}

TEST_CASE("20 000 alike events are one line, at once") {
    Log log;
    const auto began = std::chrono::steady_clock::now();
    log.flood(10'000);
    auto lines = log.shown(5);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].find("x20000") != std::string::npos);
    CHECK(lines[0].find("RESUME/STOP") != std::string::npos);
    log.event("POWERDOWN");
    for (int i = 0; i < 100; ++i) lines = log.shown(5);
    REQUIRE(lines.size() == 2);
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(2));
}

TEST_CASE("A run of events can be opened, walked through and folded") {
    Log log;
    log.event("BEFORE");
    log.flood(10);
    log.event("AFTER");
    REQUIRE(log.shown(50).size() == 3);
    REQUIRE(log.view.select_up());
    REQUIRE(log.view.select_up());
    const auto run = *log.view.selected();
    CHECK(log.view.toggle_run(run));
    CHECK(log.shown(50).size() == 22);
    REQUIRE(log.view.select_up());
    CHECK(*log.view.selected() == run - 1);
    CHECK(log.view.toggle_run(*log.view.selected()));
    CHECK(log.shown(50).size() == 3);
    // Folded again, the selected event is in the line of its run.
    REQUIRE(log.view.select_up());
    CHECK(*log.view.selected() == 1);
    CHECK_FALSE(log.view.toggle_run(1));
    CHECK_FALSE(log.view.select_up());
}

TEST_CASE("A run that a filter leaves few of is not folded") {
    Log log;
    log.flood(2);
    CHECK(log.shown().size() == 1);
    auto filter = Filter::parse("~e STOP");
    REQUIRE(std::holds_alternative<Filter>(filter));
    log.view.set_filter(std::get<Filter>(filter), "~e STOP");
    const auto lines = log.shown();
    CHECK(lines.size() == 2);
    for (const auto& line : lines) CHECK(line.find("RESUME") == std::string::npos);
}

TEST_CASE("A folded run has the names of what is shown of it, in one order") {
    Log log;
    log.flood(10);
    CHECK(place_of(log.shown(), "RESUME/STOP x20") == 0);
    log.event("STOP", {}, 1020);
    CHECK(place_of(log.shown(), "RESUME/STOP x21") == 0);
    log.view.set_filter(std::get<Filter>(Filter::parse("~e STOP")), "~e STOP");
    REQUIRE(log.shown().size() == 1);
    CHECK(place_of(log.shown(), "* STOP x11") == 0);
}

TEST_CASE("An item is revealed out of its folded run, unless it is not shown") {
    Log log;
    log.flood(10);
    log.event("AFTER");
    REQUIRE(log.shown(50).size() == 2);
    CHECK(log.view.reveal(5));
    CHECK(log.shown(50).size() == 21);
    CHECK(log.view.selected() == 5);
    CHECK_FALSE(log.view.reveal(99));
    log.view.set_filter(std::get<Filter>(Filter::parse("~e AFTER")), "~e AFTER");
    CHECK_FALSE(log.view.reveal(5));
    CHECK(log.view.reveal(21));
}

TEST_CASE("A filter shows what matches, what comes later as well") {
    Log log;
    for (int i = 0; i < 30; ++i) log.event(i % 10 == 0 ? "STOP" : "OTHER" + std::to_string(i));
    log.view.set_filter(std::get<Filter>(Filter::parse("~e STOP")), "~e STOP");
    CHECK(log.shown(10).size() == 3);
    log.event("NOISE");
    log.event("STOP");
    CHECK(log.shown(10).size() == 4);
    CHECK(log.view.below() == 0);
    REQUIRE(log.view.select_up());
    CHECK(*log.view.selected() == 32);
    REQUIRE(log.view.select_up());
    CHECK(*log.view.selected() == 21);
    log.view.set_filter(std::nullopt, {});
    CHECK(log.shown(50).size() == 32);
}

TEST_CASE("A command passes a filter when its state does") {
    Log log;
    log.view.set_filter(std::get<Filter>(Filter::parse("~err")), "~err");
    Item command;
    command.kind = ItemKind::Command;
    command.state = ItemState::Pending;
    command.name = "stop";
    const auto& appended = log.transcript.append(std::move(command));
    log.view.changed(appended);
    CHECK(log.shown().empty());
    const auto* finished = log.transcript.finish(appended.number, ItemState::Error, "{}", 1);
    log.view.changed(*finished);
    CHECK(log.shown().size() == 1);
}

TEST_CASE("What is past can be hidden") {
    Log log;
    for (int i = 0; i < 5; ++i) log.event("OLD");
    log.view.hide_past();
    CHECK(log.shown().empty());
    CHECK_FALSE(log.view.select_up());
    log.event("NEW");
    CHECK(log.shown().size() == 1);
    log.view.to_top();
    CHECK(log.shown().size() == 1);
    REQUIRE(log.view.select_up());
    CHECK_FALSE(log.view.select_up());
}

TEST_CASE("A scrolled view keeps its place while more comes") {
    Log log;
    for (int i = 0; i < 100; ++i) log.event("E" + std::to_string(i) + ".");
    (void)log.shown(10);
    log.view.scroll(20);
    const auto before = log.shown(10);
    CHECK(place_of(before, "E79.") == 9);
    CHECK(log.view.below() == 20);
    for (int i = 0; i < 50; ++i) log.event("LATER");
    CHECK(log.shown(10) == before);
    CHECK(log.view.below() == 70);
    log.view.follow();
    CHECK(log.view.below() == 0);
}

TEST_CASE("Lines go past one by one, items of several lines too") {
    Log log;
    for (int i = 0; i < 30; ++i)
        log.event("E" + std::to_string(i), R"({"event": "E)" + std::to_string(i) +
                                               R"(", "data": {"list": [[1, 2, 3], {"deep": [true, null]}], )"
                                               R"("number": )" +
                                               std::to_string(i) + "}}");
    log.view.set_mode(ViewMode::PrettyJson);
    constexpr std::size_t rows = 7;
    const auto newest = log.shown(rows, 30);
    REQUIRE(newest.size() == rows);
    std::vector<std::vector<std::string>> screens{newest};
    for (int i = 0; i < 2000; ++i) {
        log.view.scroll(1);
        auto next = log.shown(rows, 30);
        REQUIRE(next.size() == rows);
        if (next == screens.back()) break;
        // All but one line are those from before.
        CHECK(std::equal(next.begin() + 1, next.end(), screens.back().begin()));
        screens.push_back(std::move(next));
    }
    CHECK(screens.size() > 100);
    CHECK(place_of(screens.back(), "\"E0\"") == 1);
    log.view.to_top();
    CHECK(log.shown(rows, 30) == screens.back());
    // And back, step by step.
    for (auto screen = screens.rbegin() + 1; screen != screens.rend(); ++screen) {
        log.view.scroll(-1);
        REQUIRE(log.shown(rows, 30) == *screen);
    }
    CHECK(log.view.following());
    // By pages it comes to the same places.
    for (int i = 0; i < 4; ++i) log.view.scroll(rows);
    CHECK(log.shown(rows, 30) == screens[4 * rows]);
    for (int i = 0; i < 4; ++i) log.view.scroll(-static_cast<long>(rows));
    CHECK(log.view.following());
}

TEST_CASE("The selected item is in sight, however many lines it has") {
    Log log;
    std::string list = "[0";
    for (int i = 1; i < 60; ++i) list += ", " + std::to_string(i);
    for (int i = 0; i < 8; ++i)
        log.event("E" + std::to_string(i), R"({"event": "E)" + std::to_string(i) + R"(", "data": )" +
                                               (i % 3 == 0 ? list + "]" : "{}") + "}");
    log.view.set_mode(ViewMode::PrettyJson);
    const auto selected_in_sight = [&log] {
        for (const auto& line : log.view.lines(6, 40))
            for (const auto& span : line)
                if (span.selected) return true;
        return false;
    };
    (void)log.shown(6, 40);
    for (int i = 7; i >= 0; --i) {
        CAPTURE(i);
        REQUIRE(log.view.select_up());
        CHECK(*log.view.selected() == static_cast<std::uint64_t>(i + 1));
        CHECK(selected_in_sight());
    }
    CHECK_FALSE(log.view.select_up());
    for (int i = 1; i < 8; ++i) {
        REQUIRE(log.view.select_down());
        CHECK(selected_in_sight());
    }
    CHECK_FALSE(log.view.select_down());
}

TEST_CASE("A search selects, further up each time, and marks") {
    Log log;
    for (int i = 0; i < 50; ++i)
        log.event("E" + std::to_string(i), i % 20 == 5 ? R"({"event": "E", "data": {"a": "Needle"}})" : "{}");
    (void)log.shown(5);
    REQUIRE(log.view.search("needle", true));
    CHECK(*log.view.selected() == 46);
    REQUIRE(log.view.search("needle", true));
    CHECK(*log.view.selected() == 26);
    REQUIRE(log.view.search("needle", true));
    CHECK(*log.view.selected() == 6);
    CHECK_FALSE(log.view.search("needle", true));
    CHECK(*log.view.selected() == 6);
    REQUIRE(log.view.search("needle", false));
    CHECK(*log.view.selected() == 26);
    bool marked = false;
    for (const auto& line : log.view.lines(5, 80))
        for (const auto& span : line) marked = marked || span.role == Role::Match;
    CHECK(marked);
}

TEST_CASE("What is looked at may leave the ring: the oldest that is there takes its place") {
    Log log({.items = 50});
    for (int i = 0; i < 50; ++i) log.event("E" + std::to_string(i) + ".");
    (void)log.shown(10);
    log.view.scroll(30);
    REQUIRE(place_of(log.shown(10), "E19.") == 9);
    // Of ten lines eight have gone, and the rest of the screen is not left empty.
    for (int i = 0; i < 18; ++i) log.event("LATER" + std::to_string(i) + ".");
    auto lines = log.shown(10);
    REQUIRE(lines.size() == 10);
    CHECK(place_of(lines, "E18.") == 0);
    for (int i = 0; i < 500; ++i) log.event("MORE" + std::to_string(i) + ".");
    lines = log.shown(10);
    REQUIRE(lines.size() == 10);
    CHECK(place_of(lines, "MORE450.") == 0);
    CHECK_FALSE(log.view.following());
    log.view.scroll(-1000);
    CHECK(log.view.following());
}

TEST_CASE("A selected item may leave the ring") {
    Log log({.items = 20});
    for (int i = 0; i < 20; ++i) log.event("E" + std::to_string(i));
    (void)log.shown(5);
    REQUIRE(log.view.select_up());
    for (int i = 0; i < 100; ++i) log.event("MORE" + std::to_string(i));
    CHECK(log.shown(5).size() == 5);
    CHECK_FALSE(log.view.select_up());
    REQUIRE(log.view.select_down());
    CHECK(*log.view.selected() == log.transcript.first());
}

TEST_CASE("A run loses its beginning to the ring") {
    Log log({.items = 100});
    log.flood(500);
    const auto lines = log.shown(5);
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].find("x100") != std::string::npos);
}

TEST_CASE("A million items through the ring") {
    Log log({.items = 1000});
    log.view.set_filter(std::get<Filter>(Filter::parse("~e E7*")), "~e E7*");
    for (int i = 0; i < 1'000'000; ++i) log.event(i % 100 == 0 ? "E7" : "E1", "{}", 0);
    CHECK(log.transcript.items().size() == 1000);
    CHECK(log.shown(50).size() == 10);
}
