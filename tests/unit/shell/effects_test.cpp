// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/effects.hpp"

#include <sstream>

#include "base/json.hpp"
#include "qapi/schema.hpp"
#include "support/catch.hpp"
#include "support/saved_qemu.hpp"

using namespace qvm;
using namespace qvm::shell;

namespace {

struct Log {
    std::uint64_t command(const std::string& name, const std::string& arguments = "{}",
                          ItemState state = ItemState::Ok) {
        Item item;
        item.kind = ItemKind::Command;
        item.state = state;
        item.name = name;
        item.edit_command().sent = R"({"execute":")" + name + R"(","arguments":)" + arguments + "}";
        return transcript.append(std::move(item)).number;
    }
    std::uint64_t event(const std::string& name, const std::string& data = "{}") {
        Item item;
        item.kind = ItemKind::Event;
        item.name = name;
        item.received = R"({"event":")" + name + R"(","data":)" + data + "}";
        return transcript.append(std::move(item)).number;
    }
    std::optional<std::uint64_t> first(std::uint64_t command) const {
        return effect_after(transcript, command, command);
    }
    /// The event is the command's only one, and the command the event's.
    void check_pair(std::uint64_t command, std::uint64_t event) const {
        CAPTURE(command, event);
        CHECK(first(command) == event);
        CHECK(cause_of(transcript, event) == command);
        CHECK_FALSE(effect_after(transcript, command, event));
    }

    Transcript transcript;
};

std::vector<std::string> words_of(std::string_view text) {
    std::istringstream in{std::string(text)};
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    return words;
}

const qapi::Object& object_of(const qapi::Type* type) {
    return std::get<qapi::Object>(type->is);
}

/// What QEMU has had since a later version than the saved one.
bool is_newer(const std::string& name) {
    return name == "block-job-change" || name == "VFIO_MIGRATION";
}

void check_event(const Effect& row, const std::string& name, const qapi::Schema& schema) {
    CAPTURE(name);
    const auto* event = schema.event(name);
    if (is_newer(name)) return;
    REQUIRE(event != nullptr);
    std::istringstream path{std::string(row.member)};
    const auto* type = event->data;
    for (std::string member; std::getline(path, member, '.');) {
        CAPTURE(member);
        REQUIRE(object_of(type).member(member) != nullptr);
        type = object_of(type).member(member)->type;
    }
}

}  // namespace

TEST_CASE("The table speaks of commands, arguments, events and members that QEMU has") {
    const auto& schema = test::saved_qemu().schema;
    for (const auto& row : effects()) {
        CAPTURE(row.commands, row.events);
        const bool constant = row.argument.empty() || row.argument.starts_with('=');
        CHECK(row.argument.empty() == row.member.empty());
        for (const auto& name : words_of(row.commands)) {
            if (is_newer(name)) continue;
            CAPTURE(name);
            REQUIRE(schema.command(name) != nullptr);
            bool has_one = constant;
            for (const auto& argument : words_of(row.argument))
                has_one = has_one || object_of(schema.command(name)->arguments).member(argument) != nullptr;
            CHECK(has_one);
        }
        for (const auto& name : words_of(row.events)) {
            if (!name.ends_with('*')) {
                check_event(row, name, schema);
                continue;
            }
            bool begun = false;
            for (const auto& known : schema.event_names())
                begun = begun || known.starts_with(name.substr(0, name.size() - 1));
            CHECK(begun);
        }
    }
}

TEST_CASE("A command and the event of the thing it names") {
    Log log;
    const auto first = log.command("device_del", R"({"id":"d0"})");
    const auto second = log.command("device_del", R"({"id":"/machine/peripheral/d1"})");
    log.event("DEVICE_DELETED", R"({"path":"/machine/peripheral/d0/virtio-backend"})");
    const auto second_gone =
        log.event("DEVICE_DELETED", R"({"device":"d1","path":"/machine/peripheral/d1"})");
    const auto first_gone = log.event("DEVICE_DELETED", R"({"device":"d0","path":"/machine/peripheral/d0"})");
    log.check_pair(first, first_gone);
    log.check_pair(second, second_gone);

    const auto tray = log.command("eject", R"({"id":"cd0"})");
    const auto moved = log.event("DEVICE_TRAY_MOVED", R"({"device":"","id":"cd0","tray-open":true})");
    log.check_pair(tray, moved);
}

TEST_CASE("All events of a job are its command's, until another command has to do with the job") {
    Log log;
    const auto mirror = log.command("blockdev-mirror", R"({"job-id":"j0","device":"d0","target":"t"})");
    const auto created = log.event("JOB_STATUS_CHANGE", R"({"id":"j0","status":"created"})");
    log.event("JOB_STATUS_CHANGE", R"({"id":"j1","status":"created"})");
    const auto ready = log.event("BLOCK_JOB_READY", R"({"device":"j0","type":"mirror"})");
    const auto complete = log.command("job-complete", R"({"id":"j0"})");
    const auto completed = log.event("BLOCK_JOB_COMPLETED", R"({"device":"j0","type":"mirror"})");
    CHECK(log.first(mirror) == created);
    CHECK(effect_after(log.transcript, mirror, created) == ready);
    CHECK_FALSE(effect_after(log.transcript, mirror, ready));
    CHECK(cause_of(log.transcript, ready) == mirror);
    log.check_pair(complete, completed);
    // A job without a name has its device's.
    const auto stream = log.command("block-stream", R"({"device":"d0"})");
    const auto cancelled = log.event("BLOCK_JOB_CANCELLED", R"({"device":"d0"})");
    log.check_pair(stream, cancelled);
}

TEST_CASE("What happens once is not told twice") {
    Log log;
    const auto guests = log.event("STOP");
    const auto stop = log.command("stop");
    const auto stopped = log.event("STOP");
    const auto again = log.event("STOP");
    log.check_pair(stop, stopped);
    CHECK_FALSE(cause_of(log.transcript, guests));
    CHECK_FALSE(cause_of(log.transcript, again));
    const auto cont = log.command("cont");
    CHECK_FALSE(log.first(cont));
    CHECK_FALSE(log.first(guests));

    const auto reset = log.command("system_reset");
    log.event("RESET", R"({"guest":true,"reason":"guest-reset"})");
    const auto was_reset = log.event("RESET", R"({"guest":false,"reason":"host-qmp-system-reset"})");
    log.check_pair(reset, was_reset);
}

TEST_CASE("A command that failed has caused nothing, one that is pending or lost may have") {
    Log log;
    const auto lost = log.command("stop", "{}", ItemState::Lost);
    const auto failed = log.command("stop", "{}", ItemState::Error);
    const auto stopped = log.event("STOP");
    log.check_pair(lost, stopped);
    CHECK_FALSE(log.first(failed));
    const auto pending = log.command("balloon", R"({"value":1})", ItemState::Pending);
    const auto changed = log.event("BALLOON_CHANGE", R"({"actual":2})");
    const auto further = log.event("BALLOON_CHANGE", R"({"actual":1})");
    CHECK(log.first(pending) == changed);
    CHECK(effect_after(log.transcript, pending, changed) == further);
}

TEST_CASE("The commands of a transaction count") {
    Log log;
    const auto transaction = log.command("transaction",
                                         R"({"actions":[{"type":"blockdev-snapshot","data":{}}, 7,
                       {"type":"blockdev-backup","data":{"job-id":"b","device":"d0","target":"t"}}]})");
    const auto completed = log.event("BLOCK_JOB_COMPLETED", R"({"device":"b"})");
    log.check_pair(transaction, completed);
}

TEST_CASE("What is no command, or is not there, has neither") {
    Log log;
    const auto query = log.command("query-status");
    const auto stopped = log.event("STOP", "[]");
    Item notice;
    notice.name = "stop";
    const auto said = log.transcript.append(std::move(notice)).number;
    for (const auto number : {query, said, std::uint64_t{0}, std::uint64_t{99}}) {
        CHECK_FALSE(log.first(number));
        CHECK_FALSE(cause_of(log.transcript, number));
    }
    CHECK_FALSE(cause_of(log.transcript, stopped));
    // Messages that are none, as a log may hold.
    Item broken;
    broken.kind = ItemKind::Command;
    broken.name = "device_del";
    broken.edit_command().sent = "{";
    const auto number = log.transcript.append(std::move(broken)).number;
    broken = {};
    broken.kind = ItemKind::Event;
    broken.name = "DEVICE_DELETED";
    broken.received = "[7]";
    const auto event = log.transcript.append(std::move(broken)).number;
    CHECK_FALSE(log.first(number));
    CHECK_FALSE(cause_of(log.transcript, event));
}

TEST_CASE("A cause is looked for in a long log at once") {
    Log log;
    const auto stop = log.command("stop");
    const auto reset = log.command("system_reset");
    for (int i = 0; i < 50'000; ++i) log.event("RESET", R"({"guest":true,"reason":"guest-reset"})");
    CHECK_FALSE(log.first(reset));
    CHECK_FALSE(log.first(stop));
    const auto stopped = log.event("STOP");
    log.check_pair(stop, stopped);
}
