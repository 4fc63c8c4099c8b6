// SPDX-License-Identifier: GPL-3.0-or-later
// What cannot be done: refused before the clone where it can be, named by stage and subject where not, and
// nothing is left behind.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <sys/stat.h>
#include <sys/wait.h>

#include "contained.hpp"
#include "jail/stage.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::jail;
using namespace qvm::jail::test;
namespace fs = std::filesystem;

namespace {

struct Refusal {
    std::string stage, text, advice;
    int error = 0;
};

Refusal refusal_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const SetupError& error) {
        CHECK(error.exit_code() == ExitCode::HostCannot);
        return {error.stage(), error.what(), error.advice(), error.error()};
    }
    FAIL("nothing was refused");
    return {};
}
Refusal refusal_of(const Spec& spec) {
    return refusal_of([&] { spawn(spec); });
}

std::size_t open_descriptors() {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), {}));
}
std::size_t mounts() {
    const auto text = content_of("/proc/self/mountinfo");
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("every stage has a name, an action and takes any error", "[jail]") {
    for (std::size_t i = 0; i < stage_count; ++i) {
        const auto stage = static_cast<Stage>(i);
        CHECK_FALSE(stage_name(stage).empty());
        CHECK_FALSE(stage_action(stage).empty());
        for (const int error : {EPERM, ENOENT, ENOSYS, EINVAL, ENOSPC, EACCES}) stage_advice(stage, error);
    }
    CHECK_THAT(stage_advice(Stage::Clone, ENOSPC), ContainsSubstring("user.max_user_namespaces"));
    CHECK_THAT(stage_advice(Stage::Clone, EPERM), ContainsSubstring("unprivileged_userns_clone"));
    for (const int error : {ENOSPC, EPERM, EINVAL})
        CHECK_THAT(stage_advice(Stage::Clone, error), ContainsSubstring("jail.mode = \"reduced\""));
    CHECK_THAT(stage_advice(Stage::Clone, ENOSYS), !ContainsSubstring("reduced"));
    CHECK_THAT(stage_advice(Stage::Ids, EPERM), ContainsSubstring("CAP_SETUID"));
    CHECK_THAT(stage_advice(Stage::Root, EPERM), ContainsSubstring("apparmor_restrict_unprivileged_userns"));
}

TEST_CASE("each stage of the child that fails is named, and nothing is left behind", "[jail]") {
    auto spec = filtered_shell("true");
    spec.tmpfs = {"/tmp"};
    spec.proc = true;
    spec.end_with_parent = true;
    const Fd file = memory_file("x");
    spec.copies = {{file.get(), "/k/file", "the file"}};
    spec.limits = {{RLIMIT_CORE, 0}};
    const auto descriptors = open_descriptors();
    const auto mounted = mounts();
    for (auto i = static_cast<std::size_t>(Stage::Go); i < stage_count; ++i) {
        const auto stage = static_cast<Stage>(i);
        // Not a step of a list, and one of a reduced jail's.
        if (stage == Stage::Fork || stage == Stage::LeaveCaller) continue;
        INFO(stage_name(stage));
        const auto refusal = refusal_of([&] { spawn_with_fault(spec, stage, EIO); });
        CHECK(refusal.stage == stage_name(stage));
        CHECK(refusal.error == EIO);
        CHECK_THAT(refusal.text, ContainsSubstring("jail 'test': cannot "));
        CHECK_THAT(refusal.text, ContainsSubstring("Input/output error"));
        CHECK(refusal.text.find("{}") == std::string::npos);
        CHECK((::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD));
        CHECK(open_descriptors() == descriptors);
        CHECK(mounts() == mounted);
    }
    CHECK(run(spec).status.code == 0);
    CHECK(open_descriptors() == descriptors);
    CHECK(mounts() == mounted);
}

TEST_CASE("each stage of a reduced jail that fails is named, too", "[jail]") {
    const Fd file = memory_file("x");
    auto spec = reduced(shell("true"));
    spec.copies = {{file.get(), "/proc/self/fd/4", "the file", 4}};
    const auto descriptors = open_descriptors();
    for (const auto stage : {Stage::Go, Stage::Ids, Stage::DeathSignal, Stage::Session, Stage::LeaveCaller,
                             Stage::Capabilities, Stage::NoNewPrivileges, Stage::Announce, Stage::Descriptors,
                             Stage::Landlock, Stage::Filter, Stage::Execute}) {
        INFO(stage_name(stage));
        const auto refusal = refusal_of([&] { spawn_with_fault(spec, stage, EIO); });
        CHECK(refusal.stage == stage_name(stage));
        CHECK_THAT(refusal.text, ContainsSubstring("Input/output error"));
        CHECK(open_descriptors() == descriptors);
    }
    CHECK(run(spec).status.code == 0);
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("what only a root and namespaces of its own could give is refused to a reduced jail", "[jail]") {
    auto spec = reduced(filtered_shell("true"));
    const auto because = [&](const char* why) { CHECK_THAT(refusal_of(spec).text, ContainsSubstring(why)); };
    SECTION("a filter that relies on them") {
        because("the filter is not one for a reduced jail");
    }
    spec.may_execute = true;
    SECTION("a namespace") {
        spec.namespaces.net = true;
        because("no namespace of its own");
    }
    SECTION("a directory to write in") {
        spec.tmpfs = {"/tmp"};
        because("no root of its own");
    }
    SECTION("another place") {
        spec.binds.push_back({.source = "/usr", .target = "/data"});
        because("'/usr' cannot appear at '/data' in a reduced jail");
    }
    SECTION("what is not there") {
        spec.binds.push_back({.source = "/nonexistent", .target = "/nonexistent"});
        because("cannot get to '/nonexistent': No such file");
    }
    SECTION("a copy without a number") {
        const Fd file = memory_file("x");
        spec.copies = {{file.get(), "/proc/self/fd/4", "the file"}};
        because("descriptor -1 is taken");
    }
    SECTION("root") {
        if (!as_root()) return;
        spec.host_uid = 0;
        because("root cannot be the user of a jail");
    }
}

TEST_CASE("a missing source names itself", "[jail]") {
    auto spec = shell("true");
    spec.binds.push_back({.source = "/nonexistent/data", .target = "/data"});
    const auto refusal = refusal_of(spec);
    CHECK_THAT(refusal.text, ContainsSubstring("'/nonexistent/data'"));
    CHECK_THAT(refusal.text, ContainsSubstring("No such file or directory"));
    CHECK(refusal.advice == "it does not exist on the host");
}

TEST_CASE("a program without its interpreter in the jail says so", "[jail]") {
    auto spec = shell("true");
    spec.executable = "/usr/bin/env";  // dynamic, and the jail has no library
    const auto refusal = refusal_of(spec);
    CHECK(refusal.stage == "execute");
    CHECK(refusal.text == "jail 'test': cannot execute '/usr/bin/env': No such file or directory");
    CHECK_THAT(refusal.advice, ContainsSubstring("loader"));
}

TEST_CASE("what can be refused before the clone is", "[jail]") {
    auto spec = shell("true");
    const auto because = [&](const std::string& why) {
        const auto refusal = refusal_of(spec);
        CHECK(refusal.stage == "check");
        CHECK_THAT(refusal.text, ContainsSubstring(why));
    };
    const Fd file = memory_file("x");
    SECTION("no program") {
        spec.executable = "/nonexistent/qemu";
        because("cannot find the program '/nonexistent/qemu': No such file or directory");
    }
    SECTION("a relative program") {
        spec.executable = "bin/busybox";
        because("'bin/busybox' is not an absolute path");
    }
    SECTION("a directory as program") {
        spec.executable = "/bin";
        because("'/bin' is not a file");
    }
    SECTION("a program that is not executable") {
        spec.executable = "/etc/passwd";
        because("'/etc/passwd' is not executable");
    }
    SECTION("a script") {
        const TempDir directory;
        spec.executable = directory.path() / "script";
        std::ofstream(spec.executable) << "#!/bin/sh\n";
        fs::permissions(spec.executable, fs::perms(0755));
        because("is a script");
        CHECK_THAT(refusal_of(spec).advice, ContainsSubstring("loader"));
    }
    SECTION("argv") {
        spec.argv.clear();
        because("argv is empty");
    }
    SECTION("a null byte") {
        spec.argv.back() = std::string("a\0b", 3);
        because("an argument holds a null byte");
    }
    SECTION("the environment") {
        spec.env = {"NOVALUE"};
        because("'NOVALUE', which is not NAME=value");
    }
    SECTION("a low descriptor") {
        spec.fds = {{file.get(), 2}};
        because("descriptor 2 is taken");
    }
    SECTION("a descriptor twice") {
        spec.fds = {{file.get(), 4}, {file.get(), 4}};
        because("descriptor 4 is given twice");
    }
    SECTION("a closed descriptor") {
        spec.fds = {{-1, 4}};
        because("what shall be descriptor 4 is not an open descriptor");
    }
    SECTION("a descriptor above the ceiling") {
        spec = filtered_shell("true");
        spec.fds = {{file.get(), spec.filter.exec_fd}};
        because("is too high");
    }
    SECTION("no filter") {
        spec.may_execute = false;
        because("without a filter");
    }
    SECTION("a filter that is none") {
        spec.filter.program.resize(7);
        because("the filter of 7 bytes");
    }
    SECTION("a bind with dots") {
        spec.binds.push_back({.source = "/usr", .target = "/a/../b"});
        because("'/a/../b' must be an absolute path without");
    }
    SECTION("a bind over the root") {
        spec.binds.push_back({.source = "/usr", .target = "/"});
        because("'/' must be");
    }
    SECTION("a relative source") {
        spec.binds.push_back({.source = "usr", .target = "/usr"});
        because("'usr' cannot be bound");
    }
    SECTION("a copy below a bind") {
        spec.binds.push_back({.source = "/usr", .target = "/usr"});
        spec.copies = {{file.get(), "/usr/x", "the x"}};
        because("would lie below the bind '/usr'");
    }
    SECTION("two copies at one place") {
        spec.copies = {{file.get(), "/x", "one"}, {file.get(), "/x", "two"}};
        because("two copies at '/x'");
    }
    SECTION("a copy of a directory") {
        const Fd directory(::open("/", O_RDONLY | O_CLOEXEC));
        spec.copies = {{directory.get(), "/x", "the kernel"}};
        because("the kernel is not a regular file");
    }
    SECTION("a copy without a jail") {
        spec.mode = Mode::Off;
        spec.copies = {{file.get(), "/x", "the kernel"}};
        because("the kernel cannot be copied to '/x' without a jail");
    }
    SECTION("a log that cannot be read back") {
        const TempDir directory;
        const Fd log(::open((directory.path() / "log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        spec.stub.log = log.get();
        because("the log cannot be written, or not be read back");
    }
    SECTION("an unknown limit") {
        spec.limits = {{99, 1}};
        because("no resource limit 99");
    }
    SECTION("root") {
        if (!as_root()) return;
        spec.host_uid = 0;
        because("root cannot be the user of a jail");
        spec.host_uid.reset();
        because("as root, the user of the jail must be given");
        spec.host_uid = jail_uid;
        spec.uid_map = {{5, 0, 1}};
        because("root cannot be a user of a jail");
        spec.uid_map = {{5, 6, 1}};
        spec.mode = Mode::Reduced;
        because("only root can give a jail more than one user");
    }
}
