// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/refusals.hpp"

#include "support/catch.hpp"

using namespace qvm::jail;

TEST_CASE("a refused call of the kernel's log") {
    const auto refusal = parse_refusal(
        "5,1234,98765432,-;audit: type=1326 audit(1700000000.123:45): auid=4294967295 uid=1879048200 "
        "gid=1879048200 ses=4294967295 subj=unconfined pid=4242 comm=\"4096\" exe=\"/usr/bin/qemu system\" "
        "sig=0 arch=c000003e syscall=165 compat=0 ip=0x7f code=0x50001\n");
    REQUIRE(refusal);
    CHECK(refusal->seconds == Approx(98.765432));
    CHECK(refusal->pid == 4242);
    CHECK(refusal->uid == 1879048200);
    CHECK(refusal->command == "4096");
    CHECK(refusal->program == "/usr/bin/qemu system");
    CHECK(refusal->call == "mount");
    CHECK_FALSE(refusal->killed);
    CHECK(refusal->to_string().find("mount was refused: mounts") == 0);
}

TEST_CASE("a process that was ended for a foreign architecture") {
    const auto refusal = parse_refusal(
        "5,1,2,-;audit: type=1326 audit(1.0:1): auid=1 uid=5 gid=5 ses=1 pid=7 comm=\"a\" exe=\"/a\" sig=31 "
        "arch=40000003 syscall=11 compat=1 ip=0x1 code=0x80000000");
    REQUIRE(refusal);
    CHECK(refusal->killed);
    CHECK(refusal->call == "execve");
    CHECK(refusal->to_string() == "execve ended the process: a system call of another architecture");
}

TEST_CASE("other lines and other numbers") {
    CHECK_FALSE(parse_refusal("6,1,2,-;usb 1-1: new device"));
    CHECK_FALSE(parse_refusal("5,1,2,-;audit: type=1400 audit(1.0:1): apparmor=\"DENIED\" pid=1"));
    const auto unknown =
        parse_refusal("5,1,2,-;audit: type=1326 audit(1.0:1): pid=1 arch=c000003e syscall=9999 code=0x50000");
    REQUIRE(unknown);
    CHECK(unknown->call == "call 9999");
    CHECK(unknown->to_string() == "call 9999 was refused");
}
