// SPDX-License-Identifier: GPL-3.0-or-later
// A process in a reduced jail: without namespaces, and with everything else. Runs a second time as an
// ordinary user (ordinary_user_test.cpp).
#include "jail/reduced.hpp"

#include <algorithm>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "contained.hpp"
#include "jail/landlock.hpp"
#include "jail/path_rules.hpp"
#include "jail/verdict.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::jail;
using namespace qvm::jail::test;
namespace fs = std::filesystem;

namespace {

constexpr auto say_and_wait = "echo here >&5; read -u 5 line";

Spec reduced_and_filtered(const std::string& script) {
    auto spec = reduced(shell(script));
    spec.may_execute = false;
    spec.filter = shell_filter({.mode = Mode::Reduced});
    return spec;
}

bool has_landlock() {
    if (landlock_abi() > 0) return true;
    WARN("skipped: this kernel has no Landlock");
    return false;
}

}  // namespace

TEST_CASE("a reduced jail is in the host's namespaces and has no rights there", "[jail]") {
    const Waiting waiting(reduced_and_filtered(say_and_wait));
    REQUIRE(waiting.hear() == "here\n");
    const auto ours = read_facts(::getpid());
    Promise promise{.role = Role::Contained, .uid = as_root() ? jail_uid : ::geteuid()};
    promise.no_groups = as_root();
    promise.reduced = true;
    for (const pid_t pid : {waiting.child.process_pid(), waiting.child.stub_pid()}) {
        promise.role = pid == waiting.child.stub_pid() ? Role::Stub : Role::Contained;
        const auto facts = read_facts(pid);
        for (const auto& finding : judge(facts, ours, promise)) {
            if (finding.property == "core dumps") continue;  // the shell's limits are not QEMU's
            INFO(finding.property << ": " << finding.says << ' ' << finding.why);
            CHECK(finding.verdict != Verdict::Broken);
        }
        CHECK(facts.status.at("NoNewPrivs") == "1");
        CHECK(facts.status.at("Seccomp") == "2");
        if (facts.error_of("ns") == 0) CHECK(facts.namespaces == ours.namespaces);
        if (as_root()) CHECK(facts.status.at("CapBnd") == "0000000000000000");
    }
    std::error_code ignored;
    CHECK(fs::read_symlink(waiting.proc("cwd"), ignored) == "/");
    waiting.go_on();
}

TEST_CASE("a reduced jail of root's has the group that it was given", "[jail]") {
    if (!as_root()) return;
    auto spec = reduced_and_filtered(say_and_wait);
    spec.host_gid = jail_uid + 1;
    const Waiting waiting(spec);
    REQUIRE(waiting.hear() == "here\n");
    for (const pid_t pid : {waiting.child.process_pid(), waiting.child.stub_pid()}) {
        const auto status = read_facts(pid).status;
        CHECK(status.at("Uid").starts_with(std::to_string(jail_uid) + ' '));
        CHECK(status.at("Gid").starts_with(std::to_string(jail_uid + 1) + ' '));
        CHECK(status.at("Groups").empty());
    }
    waiting.go_on();
}

TEST_CASE("output, status, streams and descriptors of a reduced jail are as in a strict one", "[jail]") {
    const Fd three = memory_file("three\n");
    const Fd report = memory_file();
    auto spec = reduced_and_filtered("read -u 3 word; echo $word; umask; echo $HOME; read line || exit 7");
    spec.fds = {{three.get(), 3}};
    spec.stub.exit_report = report.get();
    const auto outcome = run(std::move(spec));
    CHECK(outcome.output == "three\n0077\n\n");
    CHECK(outcome.status.to_string() == "exited with status 7");
    CHECK(content_of(report.get()) == "{\"exited\": 7}\n");
}

TEST_CASE("in a reduced jail a process dies with its stub", "[jail]") {
    Waiting waiting(reduced_and_filtered(say_and_wait));
    REQUIRE(waiting.hear() == "here\n");
    const auto process = PidFd::open(waiting.child.process_pid());
    REQUIRE(process);
    SECTION("killed as qvm kills it") {
        waiting.child.kill();
    }
    SECTION("killed by somebody") {
        waiting.child.stub().send(SIGKILL);
    }
    CHECK(process.wait_ended(10'000));
}

TEST_CASE("what a process leaves behind ends with it", "[jail]") {
    Waiting waiting(reduced(shell("busybox sh -c 'busybox sleep 600 & echo $! >&5' & read -u 5 line")));
    const auto left = std::stoi(waiting.hear());
    const auto process = PidFd::open(left);
    REQUIRE(process);
    waiting.go_on();
    CHECK(waiting.child.wait(-1)->code == 0);
    CHECK(process.wait_ended(0));
    process.send(SIGKILL);  // nothing of a failed test is to stay
}

TEST_CASE("Landlock leaves of the host what a reduced jail was given", "[jail]") {
    if (!has_landlock()) return;
    const TempDir directory;
    if (as_root()) REQUIRE(::chown(directory.path().c_str(), jail_uid, jail_uid) == 0);
    const auto place = directory.path().string();
    std::ofstream(directory.path() / "given") << "given\n";
    auto spec = reduced(shell("busybox cat /etc/passwd; busybox ls /; echo x >" + place +
                              "/new; /usr/bin/env; "
                              "busybox cat " +
                              place + "/given; echo x >/dev/null"));
    spec.binds.push_back({.source = place + "/given", .target = place + "/given"});
    const auto output = run(spec).output;
    CHECK_THAT(output, ContainsSubstring("can't open '/etc/passwd': Permission denied"));
    CHECK_THAT(output, ContainsSubstring("/': Permission denied"));
    CHECK_THAT(output, ContainsSubstring("can't create " + place + "/new"));
    CHECK_THAT(output, ContainsSubstring("/usr/bin/env: Permission denied"));
    CHECK_THAT(output, ContainsSubstring("\ngiven\n"));
    spec.binds.push_back({.source = place, .target = place, .writable = true});
    run(spec);
    CHECK(fs::exists(directory.path() / "new"));
}

TEST_CASE("copies of a reduced jail are files in memory that can only be read", "[jail]") {
    const TempDir directory;  // nobody else can enter it
    const auto path = (directory.path() / "kernel").string();
    std::ofstream(path) << "the kernel\n";
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    auto spec = reduced(shell("busybox cat /proc/self/fd/4; echo x >/proc/self/fd/4"));
    spec.copies = {{file.get(), "/proc/self/fd/4", "the kernel", 4}};
    const auto output = run(spec).output;
    CHECK(output.starts_with("the kernel\n"));
    CHECK_THAT(output, ContainsSubstring("ermi"));
    CHECK(content_of(path) == "the kernel\n");
    CHECK(::lseek(file.get(), 0, SEEK_CUR) == 0);
}

TEST_CASE("a reduced jail's rules name one thing of the host after the other", "[jail]") {
    using R = PathRights;
    Spec spec;
    spec.binds = {{.source = "/a", .target = "/a"}, {.source = "/b", .target = "/b", .writable = true}};
    spec.devices = {Device::Null};
    spec.tmpfs = {"/tmp"};
    spec.proc = true;
    reduce(spec);
    const auto rules = path_rules(spec, -1);
    REQUIRE(rules.size() == 3);
    CHECK((rules[0].path == "/a" && rules[0].rights == R::read));
    CHECK((rules[1].path == "/b" && (rules[1].rights & R::make_file) != 0));
    CHECK((rules[1].rights & R::execute) == 0);
    CHECK(rules[2].path == "/dev/null");
    spec.limits = {{RLIMIT_CORE, 0}, {RLIMIT_NPROC, 1}};
    reduce(spec);
    CHECK(spec.limits.size() == (as_root() ? 2 : 1));  // a user's other processes would count
    const auto scope = landlock_scope(spec);
    CHECK((scope.tcp && scope.signals && scope.abstract_sockets));
    spec.internet = true;
    const auto networked = landlock_scope(spec);
    CHECK((!networked.tcp && networked.signals && networked.abstract_sockets));
}

TEST_CASE("whether namespaces can be made is found out without making any here", "[jail]") {
    const auto before = fs::read_symlink("/proc/self/ns/user");
    may_make_namespaces(::geteuid());
    CHECK(fs::read_symlink("/proc/self/ns/user") == before);
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
}
