// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/names.hpp"

#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "support/catch.hpp"

using namespace qvm::jail;

TEST_CASE("numbers have the kernel's names") {
    CHECK(limit_name(RLIMIT_CORE) == "RLIMIT_CORE");
    CHECK(limit_name(99) == "99");
    CHECK(mount_options(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID) == "ro,nosuid");
    CHECK(mount_options(MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC) == "rw,nodev,noexec");
    CHECK(rule_text({"read", {}, 0, ""}) == "read");
    CHECK(rule_text({"socket", {{.index = 0, .value = AF_UNIX}}, 0, ""}) == "socket(domain = AF_UNIX)");
    CHECK(rule_text({"ioctl", {{.index = 1, .value = TIOCSTI}}, 1, ""}) == "ioctl(request = TIOCSTI)");
    CHECK(rule_text({"ioctl", {{.index = 1, .value = 0xae00, .mask = 0xff00}}, 0, ""}) ==
          "ioctl(request & 0xff00 = 0xae00)");
    CHECK(rule_text({"getsockopt", {{.index = 1, .value = 1}, {.index = 2, .value = 4}}, 0, ""}) ==
          "getsockopt(level = SOL_SOCKET, optname = SO_ERROR)");
    CHECK(rule_text({"getsockopt", {{.index = 1, .value = 6}, {.index = 2, .value = 4}}, 0, ""}) ==
          "getsockopt(level = IPPROTO_TCP, optname = TCP_KEEPIDLE)");
    CHECK(rule_text({"setsockopt", {{.index = 1, .value = 0}, {.index = 2, .value = 2}}, 0, ""}) ==
          "setsockopt(level = IPPROTO_IP, optname = IP_TTL)");
    CHECK(rule_text({"socket", {{.index = 1, .value = 1, .mask = 0xf}, {.index = 2, .value = 17}}, 0, ""}) ==
          "socket(type & 0xf = SOCK_STREAM, protocol = IPPROTO_UDP)");
    CHECK(right_names(PathRights::read) == std::vector<std::string>{"read_file", "read_dir"});
}

TEST_CASE("every argument that a filter looks at has a name") {
    auto rules = qemu_filter_rules(1000, {.internet = true, .io_uring = true});
    for (const auto& rule : command_filter_rules()) rules.push_back(rule);
    for (const auto& rule : rules) {
        INFO(rule_text(rule));
        CHECK(rule_text(rule).find("argument ") == std::string::npos);
        // A request or an option that has no name here tells a reviewer nothing.
        const bool named = rule.call == "ioctl" || rule.call == "fcntl" || rule.call == "prctl";
        if (named && rule.tests.front().mask == 0xffffffff) {
            const auto text = rule_text(rule);
            const auto value = text.substr(text.find("= ") + 2);
            CHECK_FALSE((value.front() >= '0' && value.front() <= '9'));
        }
    }
}
