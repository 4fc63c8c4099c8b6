// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/proc_facts.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "jail/verdict.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::jail;

namespace {

/// As a QEMU of uid 70000 in its jail has it.
ProcFacts contained() {
    ProcFacts facts;
    facts.pid = 5;
    facts.status = parse_status(
        "Name:\t4096\nUid:\t70000\t70000\t70000\t70000\nGid:\t70000\t70000\t70000\t70000\nGroups:\t \n"
        "Threads:\t4\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
        "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"
        "Seccomp_filters:\t1\n");
    facts.limits = parse_limits(
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max core file size        0                    0                    bytes     \n"
        "Max open files            4096                 4096                 files     \n");
    facts.mounts = parse_mountinfo(
        "1 0 0:1 / / ro,nosuid shared:1 - tmpfs none rw,size=4k\n"
        "2 1 8:1 /usr/lib /usr/lib ro,nodev master:2 shared:1 - ext4 /dev/sda1 rw\n");
    facts.fds = {{.number = 0, .target = "/dev/null", .access = "rw"}};
    for (const char* name : {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"})
        facts.namespaces[name] = std::string(name) + ":[2]";
    return facts;
}

ProcFacts outside() {
    ProcFacts facts;
    for (const char* name : {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"})
        facts.namespaces[name] = std::string(name) + ":[1]";
    return facts;
}

const Promise promise{.role = Role::Contained, .uid = 70000};

/// The properties with that verdict.
std::vector<std::string> with(Verdict verdict, const ProcFacts& facts, const Promise& made = promise) {
    std::vector<std::string> names;
    for (const auto& finding : judge(facts, outside(), made))
        if (finding.verdict == verdict) names.push_back(finding.property);
    return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a contained process is as promised") {
    CHECK(with(Verdict::Broken, contained()).empty());
    CHECK(with(Verdict::Unread, contained()).empty());
    CHECK(with(Verdict::AsPromised, contained()).size() == 12);
}

TEST_CASE("each property that is broken is told") {
    auto facts = contained();
    SECTION("uid") {
        facts.status["Uid"] = "70000 0 70000 70000";
        CHECK(with(Verdict::Broken, facts) == Names{"uid"});
    }
    SECTION("groups") {
        facts.status["Groups"] = "4 27";
        CHECK(with(Verdict::Broken, facts) == Names{"groups"});
        CHECK(with(Verdict::Broken, facts, {.uid = 70000, .no_groups = false}).empty());
    }
    SECTION("capabilities") {
        facts.status["CapBnd"] = "0000000000000001";
        CHECK(with(Verdict::Broken, facts) == Names{"capabilities"});
        facts.status.erase("CapEff");
        CHECK(with(Verdict::Broken, facts) == Names{"capabilities"});
    }
    SECTION("no_new_privs and seccomp") {
        facts.status["NoNewPrivs"] = "0";
        facts.status["Seccomp"] = "0";
        CHECK(with(Verdict::Broken, facts) == Names{"no_new_privs", "seccomp"});
    }
    SECTION("namespaces") {
        facts.namespaces["net"] = "net:[1]";
        CHECK(with(Verdict::Broken, facts) == Names{"namespaces"});
        CHECK(with(Verdict::Broken, facts, {.uid = 70000, .network = true}).empty());
    }
    SECTION("mounts") {
        facts.mounts[1].writable = true;
        CHECK(with(Verdict::Broken, facts) == Names{"mounts"});
        facts.mounts[0].writable = true;
        CHECK(with(Verdict::Broken, facts) == Names{"root", "mounts"});
        facts.mounts.clear();
        CHECK(with(Verdict::Broken, facts) == Names{"root", "mounts"});
    }
    SECTION("a directory") {
        facts.fds.push_back({.number = 3, .target = "/", .access = "ro", .directory = true});
        CHECK(with(Verdict::Broken, facts) == Names{"descriptors"});
    }
    SECTION("limits") {
        facts.limits["Max core file size"] = "0 unlimited";
        facts.limits["Max open files"] = "1024 4096";
        CHECK(with(Verdict::Broken, facts) == Names{"core dumps", "open files"});
    }
}

TEST_CASE("a reduced jail promises less, and tells what it gives up") {
    auto facts = contained();
    facts.namespaces = outside().namespaces;
    facts.mounts[0].writable = true;
    Promise reduced = promise;
    reduced.reduced = true;
    CHECK(with(Verdict::Broken, facts, reduced).empty());
    CHECK(with(Verdict::AsPromised, facts, reduced).size() == 9);
    for (const auto& finding : judge(facts, outside(), reduced))
        if (finding.property == "namespaces" || finding.property == "root")
            CHECK(finding.says.find("(a reduced jail gives that up)") != std::string::npos);
    SECTION("as root the bounding set is empty, and the only group that of /dev/kvm") {
        facts.status["CapBnd"] = "0000000000000001";
        facts.status["Groups"] = "108";
        CHECK(with(Verdict::Broken, facts, reduced) == Names{"groups", "capabilities"});
        reduced.group = 108;
        CHECK(with(Verdict::Broken, facts, reduced) == Names{"capabilities"});
    }
    SECTION("a user cannot empty it") {
        reduced.no_groups = false;
        facts.status["CapBnd"] = "0000000000000001";
        CHECK(with(Verdict::Broken, facts, reduced).empty());
        facts.status["CapAmb"] = "0000000000000001";
        CHECK(with(Verdict::Broken, facts, reduced) == Names{"capabilities"});
    }
    SECTION("what is kept is judged") {
        facts.status["NoNewPrivs"] = "0";
        facts.status["Seccomp"] = "0";
        facts.status["Uid"] = "0";
        CHECK(with(Verdict::Broken, facts, reduced) == Names{"uid", "no_new_privs", "seccomp"});
    }
}

TEST_CASE("each kind of process has a promise of its own") {
    auto facts = contained();
    facts.limits.clear();
    CHECK(with(Verdict::Broken, facts, {.role = Role::Stub, .uid = 70000}).empty());
    facts.status["Seccomp"] = "0";
    CHECK(with(Verdict::Broken, facts, {.role = Role::Stub, .uid = 70000}) == Names{"seccomp"});

    facts = outside();  // where we are, as root's supervisor has it
    facts.status = parse_status(
        "CapInh:\t0000000000000000\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n"
        "CapBnd:\t0000000000000020\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n");
    CHECK(with(Verdict::Broken, facts, {.role = Role::Supervisor, .signals = true}).empty());
    CHECK(with(Verdict::Broken, facts, {.role = Role::Supervisor}) == Names{"capabilities"});
    facts.status["CapPrm"] = "0000000000000021";
    CHECK(with(Verdict::Broken, facts, {.role = Role::Supervisor, .signals = true}) == Names{"capabilities"});
}

TEST_CASE("only what may be writable is") {
    auto facts = contained();
    facts.mounts[1].writable = true;
    CHECK(with(Verdict::Broken, facts, {.uid = 70000, .writable = {"/usr/lib", "/tmp"}}).empty());
    CHECK(with(Verdict::Broken, facts, {.uid = 70000, .writable = {"/tmp"}}) == Names{"mounts"});
}

TEST_CASE("what the kernel does not show is told and not judged") {
    Promise told = promise;
    told.unseen = {{"landlock", "auto"}};
    CHECK(with(Verdict::Told, contained(), told) == Names{"landlock", "cgroup", "threads"});
}

TEST_CASE("what could not be read is neither kept nor broken") {
    auto facts = contained();
    facts.unread = {{"ns", EACCES}, {"fd", EACCES}};
    facts.fds.clear();
    facts.namespaces.clear();
    CHECK(with(Verdict::Broken, facts).empty());
    CHECK(with(Verdict::Unread, facts) == Names{"namespaces", "descriptors"});
}

TEST_CASE("mounts are writable when the mount and its file system are") {
    const auto mounts = parse_mountinfo(
        "1 0 0:1 / / rw,nosuid - tmpfs none ro\n2 1 0:2 / /a ro - ext4 /dev/sda rw\n"
        "3 1 0:3 / /b rw,noatime shared:1 master:2 - tmpfs none rw,size=1k\nnonsense\n");
    REQUIRE(mounts.size() == 3);
    CHECK_FALSE(mounts[0].writable);
    CHECK_FALSE(mounts[1].writable);
    CHECK(mounts[2].writable);
    CHECK(mounts[2].target == "/b");
    CHECK(mounts[2].type == "tmpfs");
}

TEST_CASE("the access mode of a descriptor is in its flags") {
    CHECK(parse_access("pos:\t0\nflags:\t0100000\n") == "ro");
    CHECK(parse_access("pos:\t0\nflags:\t02100001\n") == "wo");
    CHECK(parse_access("pos:\t0\nflags:\t02\n") == "rw");
    CHECK(parse_access("").empty());
}

TEST_CASE("our own facts can be read") {
    const Fd file(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    const auto facts = read_facts(::getpid());
    CHECK(facts.unread.empty());
    CHECK(facts.status.contains("NoNewPrivs"));
    CHECK(facts.namespaces.size() == 7);
    const auto found = std::ranges::find(facts.fds, file.get(), &FdFact::number);
    REQUIRE(found != facts.fds.end());
    CHECK(found->target == "/dev/null");
    CHECK(found->access == "wo");
    CHECK_FALSE(with(Verdict::Broken, facts).empty());
}
