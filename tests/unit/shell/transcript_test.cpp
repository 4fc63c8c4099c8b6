// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/transcript.hpp"

#include "support/catch.hpp"

using namespace qvm::shell;

namespace {

Item event(std::string name, std::int64_t began) {
    Item item;
    item.kind = ItemKind::Event;
    item.name = std::move(name);
    item.began = began;
    return item;
}

Item command(std::string name) {
    Item item;
    item.kind = ItemKind::Command;
    item.state = ItemState::Pending;
    item.name = std::move(name);
    return item;
}

}  // namespace

TEST_CASE("A reply is put to its command, wherever that is by then") {
    Transcript transcript;
    const auto number = transcript.append(command("query-status")).number;
    transcript.append(event("STOP", 1));
    CHECK(transcript.pending() == 1);
    const auto* item = transcript.finish(number, ItemState::Ok, R"({"return": {}})", 5);
    REQUIRE(item != nullptr);
    CHECK(item->name == "query-status");
    CHECK(item->ended() == 5);
    CHECK(transcript.pending() == 0);
    CHECK(transcript.finish(99, ItemState::Ok, "", 5) == nullptr);
}

TEST_CASE("The oldest items go, by number and by size") {
    Transcript few({.items = 3, .bytes = 1000});
    for (int i = 0; i < 5; ++i) few.append(event("E", 10'000'000L * i));
    CHECK(few.items().size() == 3);
    CHECK(few.first() == 3);
    CHECK(few.dropped() == 2);
    CHECK(few.find(2) == nullptr);
    CHECK(few.find(3)->number == 3);

    const auto large = few.append(command("x")).number;
    few.finish(large, ItemState::Ok, std::string(5000, 'x'), 1);
    CHECK(few.items().size() == 1);  // the newest stays, however large
    CHECK(few.find(large) != nullptr);
    CHECK(few.bytes() > 5000);
}

TEST_CASE("A million items pass through the ring") {
    Transcript transcript({.items = 1000, .bytes = 1U << 20U});
    for (std::int64_t i = 0; i < 1'000'000; ++i) transcript.append(event("E", i));
    CHECK(transcript.items().size() == 1000);
    CHECK(transcript.next() == 1'000'001);
    CHECK(transcript.bytes() == 1000);
}

TEST_CASE("An event takes little more than its text") {
    CHECK(sizeof(Item) <= 104);  // a hundred thousand of them: 40 MB with their texts
}

TEST_CASE("Alike events in a row are one run, two taking turns as well") {
    Transcript transcript;
    transcript.append(event("RESET", 0));
    for (int i = 0; i < 3; ++i) {
        transcript.append(event("STOP", 1000 + i * 20));
        transcript.append(event("RESUME", 1010 + i * 20));
    }
    CHECK(transcript.find(1)->run == 0);
    for (std::uint64_t number = 2; number <= 7; ++number) CHECK(transcript.find(number)->run == 2);
    transcript.append(event("STOP", 9'000'000));  // much later
    CHECK(transcript.find(8)->run == 0);
    transcript.append(command("query-status"));
    transcript.append(event("STOP", 9'000'001));  // not in a row
    CHECK(transcript.find(10)->run == 0);
}

TEST_CASE("What is pending when the connection ends is lost") {
    Transcript transcript;
    const auto number = transcript.append(command("stop")).number;
    transcript.append(event("STOP", 1));
    transcript.lose_pending(7);
    CHECK(transcript.find(number)->state == ItemState::Lost);
    CHECK(transcript.find(number)->ended() == 7);
    CHECK(transcript.find(2)->state == ItemState::Ok);
    CHECK(transcript.pending() == 0);
}
