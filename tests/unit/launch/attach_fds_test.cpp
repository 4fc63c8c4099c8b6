// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/attach_fds.hpp"

#include "support/catch.hpp"

namespace qvm::launch {
namespace {

Json json(const char* text) {
    return Json::parse(text);
}

/// `client` runs a command that succeeds.
Json run(AttachFds& fds, std::uint64_t client, const char* command, const char* arguments,
         const char* reply = "{}") {
    Json sent = fds.to_qemu(client, command, json(arguments));
    const auto left = fds.note(client, command, json(arguments), json(reply));
    CHECK(left.names.empty());
    CHECK(left.sets.empty());
    return sent;
}

}  // namespace

TEST_CASE("each client's names are its own") {
    AttachFds fds;
    CHECK(run(fds, 1, "getfd", R"({"fdname": "net"})") == json(R"({"fdname": "client1-net"})"));
    CHECK(run(fds, 2, "getfd", R"({"fdname": "net"})") == json(R"({"fdname": "client2-net"})"));
    CHECK(run(fds, 2, "getfd", R"({"fdname": "second"})") == json(R"({"fdname": "client2-second"})"));
    CHECK(fds.passed_by(1).names == std::set<std::string>{"net"});
    const auto sent = [&](const char* command, const char* arguments) {
        return fds.to_qemu(2, command, json(arguments));
    };
    CHECK(sent("netdev_add", R"({"fds": "net:second", "id": "net"})") ==
          json(R"({"fds": "client2-net:client2-second", "id": "net"})"));
    CHECK(sent("netdev_add", R"({"addr": {"type": "fd", "str": "net"}})") ==
          json(R"({"addr": {"type": "fd", "str": "client2-net"}})"));
    CHECK(
        sent(
            "chardev-add",
            R"({"backend": {"type": "socket", "data": {"addr": {"type": "fd", "data": {"str": "net"}}}}})") ==
        json(
            R"({"backend": {"type": "socket", "data": {"addr": {"type": "fd", "data": {"str": "client2-net"}}}}})"));
    CHECK(sent("migrate", R"({"uri": "fd:net"})") == json(R"({"uri": "fd:client2-net"})"));
    CHECK(sent("netdev_add", R"({"dnssearch": [{"str": "net"}]})") ==
          json(R"({"dnssearch": [{"str": "net"}]})"));
    CHECK(sent("netdev_add", R"({"fd": "unknown"})") == json(R"({"fd": "unknown"})"));
    CHECK(sent("getfd", R"({"fdname": "7"})") == json(R"({"fdname": "7"})"));  // QEMU refuses a digit
    CHECK(run(fds, 1, "closefd", R"({"fdname": "net"})") == json(R"({"fdname": "client1-net"})"));
    CHECK(fds.passed_by(1).names.empty());
}

TEST_CASE("sets are told apart by who made them") {
    AttachFds fds;
    run(fds, 1, "add-fd", R"({"fdset-id": 100000})", R"({"fdset-id": 100000, "fd": 20})");
    run(fds, 2, "add-fd", "{}", R"({"fdset-id": 4, "fd": 21})");
    CHECK(fds.passed_by(1).sets == std::set<std::int64_t>{100'000});
    CHECK(fds.passed_by(1).foreign_sets == std::set<std::int64_t>{4});
    CHECK(fds.passed_by(3).foreign_sets == std::set<std::int64_t>{4, 100'000});
    SECTION("one descriptor taken out leaves the set") {
        run(fds, 2, "remove-fd", R"({"fdset-id": 4, "fd": 21})");
        CHECK(fds.passed_by(2).sets.contains(4));
        run(fds, 2, "remove-fd", R"({"fdset-id": 4})");
        CHECK(fds.passed_by(2).sets.empty());
    }
    SECTION("a number that QEMU gives out again has a new owner") {
        run(fds, 1, "add-fd", "{}", R"({"fdset-id": 4, "fd": 22})");
        CHECK(fds.passed_by(2).sets.empty());
        CHECK(fds.passed_by(1).sets == std::set<std::int64_t>{4, 100'000});
    }
}

TEST_CASE("nothing stays when its client has gone") {
    AttachFds fds;
    run(fds, 1, "getfd", R"({"fdname": "net"})");
    run(fds, 1, "add-fd", "{}", R"({"fdset-id": 4, "fd": 21})");
    const auto left = fds.gone(1);
    CHECK(left.names == std::vector<std::string>{"client1-net"});
    CHECK(left.sets == std::vector<std::int64_t>{4});
    CHECK(fds.gone(1).sets.empty());
    CHECK(fds.gone(2).names.empty());
}

TEST_CASE("what was on its way when its client went is taken back too") {
    AttachFds fds;
    CHECK(fds.to_qemu(1, "add-fd", json("{}")) == json("{}"));
    CHECK(fds.gone(1).sets.empty());
    CHECK(fds.note(1, "add-fd", json("{}"), json(R"({"fdset-id": 4, "fd": 21})")).sets ==
          std::vector<std::int64_t>{4});
    CHECK(fds.passed_by(1).sets.empty());
    CHECK(fds.note(1, "stop", json("{}"), json("{}")).names.empty());
}

}  // namespace qvm::launch
