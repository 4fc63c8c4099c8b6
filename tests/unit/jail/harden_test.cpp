// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/harden.hpp"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "contained.hpp"
#include "jail/cgroup.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::jail;
using qvm::jail::test::TempDir;

namespace {

/// Is `holds` true in a process that has hardened itself with `paths`?
bool hardened(const std::vector<PathRule>& paths, const std::function<bool()>& holds) {
    const pid_t child = ::fork();
    if (child == 0) {
        bool result = false;
        try {
            harden({.paths = paths, .signals = ::geteuid() == 0});
            result = holds();
        } catch (const std::exception&) {
        }
        ::_exit(result ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool refused(long result, int error = EPERM) {
    return result < 0 && errno == error;
}

}  // namespace

TEST_CASE("a hardened process makes no process, executes nothing and gains nothing", "[jail]") {
    CHECK(hardened({}, [] { return refused(::fork()); }));
    CHECK(hardened({}, [] {
        const char* words[] = {"/bin/true", nullptr};
        return refused(::execve(words[0], const_cast<char**>(words), nullptr));
    }));
    CHECK(hardened({}, [] { return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1; }));
    CHECK(hardened({}, [] { return ::prctl(PR_GET_DUMPABLE) == 0; }));
    CHECK(hardened({}, [] { return refused(::setuid(1)); }));
    CHECK(hardened({}, [] { return refused(::unshare(CLONE_NEWNS)); }));
}

TEST_CASE("a hardened process still has its threads, sockets and signals", "[jail]") {
    CHECK(hardened({}, [] {
        bool ran = false;
        std::thread([&] { ran = true; }).join();
        return ran;
    }));
    CHECK(hardened({}, [] { return ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }));
    const pid_t victim = ::fork();
    if (victim == 0) {
        if (::geteuid() == 0 && ::setuid(test::jail_uid) != 0) ::_exit(1);
        for (;;) ::pause();
    }
    CHECK(hardened({}, [&] { return ::kill(victim, SIGKILL) == 0; }));
    int status = 0;
    ::waitpid(victim, &status, 0);
    CHECK(WIFSIGNALED(status));
}

TEST_CASE("a hardened process opens only what it named", "[jail]") {
    if (landlock_abi() == 0) {
        WARN("skipped: this kernel has no Landlock");
        return;
    }
    const TempDir directory;
    const auto file = directory.path() / "state";
    const std::vector<PathRule> paths{{directory.path().string(), PathRights::read | PathRights::change}};
    CHECK(hardened(paths, [&] {
        const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        const auto moved = file.string() + ".old";
        return fd >= 0 && ::rename(file.c_str(), moved.c_str()) == 0 && ::unlink(moved.c_str()) == 0;
    }));
    CHECK(hardened(paths, [] { return refused(::open("/etc/passwd", O_RDONLY), EACCES); }));
    CHECK(hardened(paths,
                   [] { return refused(::open("/tmp/qvm-harden-test", O_WRONLY | O_CREAT, 0600), EACCES); }));
    CHECK(hardened({{"/nowhere/at/all", PathRights::read}}, [] { return true; }));
}

TEST_CASE("a hardened process ends and removes the cgroup that it named", "[jail]") {
    CgroupLimits limits;
    limits.pids = 20;
    const auto name = "qvm-harden-test-" + std::to_string(::getpid());
    auto group = Cgroup::make(own_cgroup_places(), name, limits, CgroupMode::Auto);
    if (group.record().version == 0) {
        WARN("skipped: " + group.record().missing.front());
        return;
    }
    const pid_t member = ::fork();
    if (member == 0)
        for (;;) ::pause();
    group.add("process", member);
    const auto record = group.record();
    CHECK(record.missing == std::vector<std::string>());
    if (landlock_abi() > 0) {
        CHECK(hardened({}, [&] { return !remove_cgroup(record); }));
        CHECK(std::filesystem::exists(record.directories.front()));
    }
    CHECK(hardened(paths_of_cgroup(record),
                   [&] { return !reached_memory_limit(record) && read_limits(record).pids == 20U; }));
    CHECK(hardened(paths_of_cgroup(record), [&] { return remove_cgroup(record); }));
    CHECK(!std::filesystem::exists(record.directories.front()));
    int status = 0;
    ::waitpid(member, &status, 0);
    CHECK(WIFSIGNALED(status));
}
