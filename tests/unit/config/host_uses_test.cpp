// SPDX-License-Identifier: GPL-3.0-or-later
// Paths and descriptors of the host; the goldens of lower_test show the rest of the table.
#include "config/host_uses.hpp"

#include "base/json.hpp"
#include "config/lower.hpp"
#include "support/catch.hpp"
#include "unit/config/vm_json.hpp"

namespace qvm::config {
namespace {

struct Found {
    Diagnostics diagnostics;
    Document document;
    Vm vm;
    const HostUse& only(const char* id, Kind kind = Kind::Blockdev) const {
        const Resource* resource = vm.find({kind, id});
        REQUIRE(resource != nullptr);
        REQUIRE(resource->host_uses.size() == 1);
        return resource->host_uses.front();
    }
};

Found found(const std::string& text) {
    Found result;
    result.document = load({{"a.toml", "/vm/a.toml", text}}, {}, result.diagnostics);
    result.vm = lower(result.document, result.diagnostics);
    find_host_uses(result.vm, result.document, result.diagnostics);
    return result;
}

DiagnosticKind kind_of(const std::string& text) {
    const auto result = found(text);
    REQUIRE(result.diagnostics.size() == 1);
    return result.diagnostics.list().front().kind;
}

TEST_CASE(
    "a file is opened as its node is: read-only if the node or its parent says so, or if it is a backing "
    "file") {
    const std::string file = "{ driver = 'file', filename = 'f' }";
    CHECK(found("blockdev.a = { driver = 'raw', file = " + file + " }").only("a").access ==
          Access::ReadWrite);
    CHECK(found("blockdev.a = { driver = 'raw', read-only = true, file = " + file + " }").only("a").access ==
          Access::ReadOnly);
    CHECK(found("blockdev.a = { driver = 'qcow2', file = 'b', backing = { driver = 'raw', file = " + file +
                " } }")
              .only("a")
              .access == Access::ReadOnly);
    const auto own = found(
        "blockdev.a = { driver = 'raw', read-only = true, file = { driver = 'file', read-only = false, "
        "filename = 'f' } }");
    CHECK(own.only("a").access == Access::ReadWrite);
    CHECK(own.only("a").path == "/vm/f");
    CHECK(own.only("a").member == std::vector<std::string>{"file", "filename"});
}

TEST_CASE("a second look changes nothing") {
    auto result = found("disk.a = { file = 'a.raw' }\nnet.b = { type = 'user' }");
    const Json before = vm_json(result.vm);
    find_host_uses(result.vm, result.document, result.diagnostics);
    CHECK(vm_json(result.vm) == before);
    CHECK(result.diagnostics.size() == 0);
}

TEST_CASE("what has no way in is said, unless there is no jail") {
    const std::string unix_socket =
        "chardev.c = { backend = { type = 'socket', data = { addr = { type = 'unix', data = { path = "
        "'/run/x' } } } } }";
    CHECK(kind_of(unix_socket) == DiagnosticKind::PathInJail);
    CHECK(found(unix_socket + "\njail.mode = 'off'").diagnostics.size() == 0);
    CHECK(kind_of("device.d = { driver = 'x', some = '/etc' }") == DiagnosticKind::PathInJail);
    CHECK(found("device.d = { driver = 'x', some = '/no/such/path' }").diagnostics.size() == 0);
    CHECK(found("blockdev.n = { driver = 'nfs', path = '/etc' }").diagnostics.size() == 0);
    CHECK(kind_of("machine = { made-up = '/etc' }") == DiagnosticKind::PathInJail);
}

TEST_CASE("the socket of a switch is shown in a strict jail, and no other socket") {
    const std::string chardev =
        "chardev.c.backend = { type = 'socket', data = { server = false, addr = { type = 'unix', data = { "
        "path = '/run/x' } } } }\n";
    const auto result = found(chardev + "netdev.n = { type = 'vhost-user', chardev = 'c' }");
    CHECK(result.diagnostics.size() == 0);
    CHECK(result.only("c", Kind::Chardev).entrance == Entrance::Bind);
    CHECK(result.only("c", Kind::Chardev).path == "/run/x");
    const auto listening = found(
        "chardev.c.backend = { type = 'socket', data = { wait = false, addr = { type = 'unix', data = { "
        "path = '/run/x' } } } }\nnetdev.n = { type = 'vhost-user', chardev = 'c' }");
    CHECK(listening.diagnostics.size() == 0);
    CHECK(listening.only("c", Kind::Chardev).entrance == Entrance::Listen);
    CHECK(kind_of(chardev + "device.d = { driver = 'vhost-user-blk-pci', chardev = 'c' }") ==
          DiagnosticKind::PathInJail);
    CHECK(kind_of(chardev + "netdev.n = { type = 'vhost-user', chardev = 'other' }") ==
          DiagnosticKind::PathInJail);
    CHECK(kind_of(chardev + "netdev.n = { type = 'vhost-user', chardev = 'c' }\njail.mode = 'reduced'") ==
          DiagnosticKind::PathInJail);
}

TEST_CASE("@X is a descriptor of the right kind in a member that takes one") {
    CHECK(kind_of("blockdev.a = { driver = 'file', filename = '@x' }") == DiagnosticKind::BadRef);
    CHECK(kind_of(
              "blockdev.a = { driver = 'file', filename = '@x' }\nhost.x = { kind = 'tap', ifname = 't' }") ==
          DiagnosticKind::WrongRefType);
    CHECK(kind_of("device.a = { driver = 'y', serial = '@x' }\nhost.x = { kind = 'tap', ifname = 't' }") ==
          DiagnosticKind::WrongRefType);
    CHECK(kind_of("netdev.a = { type = 'tap', fd = '7' }") == DiagnosticKind::BadRef);
    const auto result = found(
        "blockdev.a = { driver = 'file', read-only = true, filename = '@x' }\nhost.x = { kind = 'file', path "
        "= "
        "'f', access = 'ro' }");
    CHECK(result.diagnostics.size() == 0);
    CHECK(result.only("a").host == "x");
    CHECK(result.only("a").access == Access::ReadOnly);
    CHECK(result.only("a").entrance == Entrance::Fdset);
    CHECK(found("device.a = { driver = 'y', serial = '@' }").diagnostics.size() == 0);
}

TEST_CASE("a descriptor that only reads is no way to write") {
    const std::string host = "\nhost.x = { kind = 'file', path = 'f', access = 'ro' }";
    CHECK(kind_of("blockdev.a = { driver = 'file', filename = '@x' }" + host) == DiagnosticKind::Conflict);
    CHECK(kind_of("chardev.a.backend = { type = 'file', data.out = '@x' }" + host) ==
          DiagnosticKind::Conflict);
    CHECK(
        found(
            "blockdev.a = { driver = 'qcow2', file = 'b', backing = { driver = 'file', filename = '@x' } }" +
            host)
            .diagnostics.size() == 0);
}

TEST_CASE("a node that others lie over is only read, unless something writes it") {
    const std::string base =
        "blockdev.base = { driver = 'raw', file = { driver = 'file', filename = 'b' } }\n";
    const std::string over =
        "blockdev.over = { driver = 'qcow2', file = 'x', backing = 'base' }\n"
        "device.d = { driver = 'virtio-blk-pci', drive = 'over' }\n";
    CHECK(found(base + over).only("base").access == Access::ReadOnly);
    CHECK(to_json(found(base + over).vm.find({Kind::Blockdev, "base"})->properties)["read-only"] == true);
    CHECK(
        found(base + over + "device.e = { driver = 'virtio-blk-pci', drive = 'base' }").only("base").access ==
        Access::ReadWrite);
    CHECK(found(base + "device.e = { driver = 'virtio-blk-pci', drive = 'base' }").only("base").access ==
          Access::ReadWrite);
    CHECK(
        found(
            "blockdev.base = { driver = 'raw', read-only = false, file = { driver = 'file', filename = 'b' } "
            "}\n" +
            over)
            .only("base")
            .access == Access::ReadWrite);
    SECTION("and so is what it lies on") {
        const std::string low =
            "blockdev.low = { driver = 'file', filename = 'b' }\n"
            "blockdev.base = { driver = 'raw', file = 'low' }\n";
        CHECK(found(low + over).only("low").access == Access::ReadOnly);
        CHECK(found(low + over + "blockdev.more = { driver = 'raw', file = 'base' }").only("low").access ==
              Access::ReadWrite);
    }
}

}  // namespace
}  // namespace qvm::config
