// SPDX-License-Identifier: GPL-3.0-or-later
// A process in the jail, seen from inside and from outside. Everything runs a second time as an ordinary user
// (ordinary_user_test.cpp).
#include "jail/spawn.hpp"

#include <algorithm>
#include <fcntl.h>
#include <poll.h>
#include <set>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "contained.hpp"
#include "jail/profile.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::jail;
using namespace qvm::jail::test;
namespace fs = std::filesystem;

namespace {

constexpr auto say_and_wait = "echo here >&5; read -u 5 line";

std::string link_of(const std::string& path) {
    std::error_code ignored;
    return fs::read_symlink(path, ignored).string();
}

std::string line_of(const std::string& text, const std::string& key) {
    const auto at = text.find("\n" + key + ":");
    if (at == std::string::npos) return {};
    const auto begin = text.find_first_not_of(" \t", at + key.size() + 2);
    return text.substr(begin, text.find('\n', begin) - begin);
}

std::set<std::string> names_in(const std::string& directory) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory)) names.insert(entry.path().filename());
    return names;
}

/// Without 10, where the shell puts a descriptor of its own away while it redirects.
std::set<std::string> descriptors_of(const Waiting& waiting) {
    auto names = names_in(waiting.proc("fd"));
    names.erase("10");
    return names;
}

/// Everyone in the pid namespace that `link` names.
std::vector<std::string> processes_in(const std::string& link) {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator("/proc"))
        if (link_of(entry.path() / "ns/pid") == link) found.push_back(entry.path().filename());
    return found;
}

}  // namespace

TEST_CASE("a process runs in the jail and its output and status come back", "[jail]") {
    const auto outcome = run(shell("echo hello; exit 7"));
    CHECK(outcome.output == "hello\n");
    CHECK(outcome.status.to_string() == "exited with status 7");
}

TEST_CASE("from outside, the process has no rights and namespaces of its own", "[jail]") {
    const Waiting waiting(filtered_shell(say_and_wait));
    REQUIRE(waiting.hear() == "here\n");
    const auto status = content_of(waiting.proc("status"));
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
        INFO(set);
        CHECK(line_of(status, set) == "0000000000000000");
    }
    CHECK(line_of(status, "NoNewPrivs") == "1");
    CHECK(line_of(status, "Seccomp") == "2");
    const auto uid = std::to_string(as_root() ? jail_uid : ::geteuid());
    CHECK(line_of(status, "Uid") == uid + '\t' + uid + '\t' + uid + '\t' + uid);
    if (as_root()) CHECK(line_of(status, "Groups").empty());
    for (const char* space : {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"}) {
        const auto theirs = link_of(waiting.proc("ns/") + space);
        INFO(space);
        CHECK_FALSE(theirs.empty());
        CHECK(theirs != link_of(std::string("/proc/self/ns/") + space));
    }
    waiting.go_on();
}

TEST_CASE("further users are there with capabilities of the process alone, in its user namespace", "[jail]") {
    if (!as_root()) return;
    auto spec = filtered_shell(say_and_wait);
    spec.uid_map = {{0, 64200, 10}, {1000, 64300, 1}};
    spec.gid_map = {{0, 64400, 10}};
    spec.host_uid = 64200;
    spec.host_gid = 64400;
    spec.capabilities = capabilities_to_serve;
    const Waiting waiting(std::move(spec));
    REQUIRE(waiting.hear() == "here\n");
    const auto status = content_of(waiting.proc("status"));
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
        INFO(set);
        CHECK(line_of(status, set) == "00000000000000db");
    }
    const auto stub = content_of("/proc/" + line_of(status, "PPid") + "/status");
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
        INFO(set);
        CHECK(line_of(stub, set) == "0000000000000000");
    }
    CHECK(line_of(status, "Uid") == "64200\t64200\t64200\t64200");
    CHECK(line_of(status, "Gid") == "64400\t64400\t64400\t64400");
    CHECK(line_of(status, "Groups").empty());
    const auto map = content_of(waiting.proc("uid_map"));
    CHECK_THAT(map, ContainsSubstring("64200         10"));
    CHECK_THAT(map, ContainsSubstring("64300          1"));
    waiting.go_on();
}

TEST_CASE("all mounts of the jail are without set-uid, and read-only unless asked", "[jail]") {
    auto spec = shell(say_and_wait);
    const TempDir writable;
    if (as_root()) REQUIRE(::chown(writable.path().c_str(), jail_uid, jail_uid) == 0);
    spec.binds.push_back({.source = writable.path(), .target = "/data", .writable = true});
    const Waiting waiting(std::move(spec));
    REQUIRE(waiting.hear() == "here\n");
    std::ifstream mounts(waiting.proc("mountinfo"));
    std::set<std::string> points;
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string id, parent, device, root, point, options;
        words >> id >> parent >> device >> root >> point >> options;
        INFO(line);
        points.insert(point);
        CHECK(options.find("nosuid") != std::string::npos);
        CHECK((options.starts_with("ro,") || point == "/data"));
        CHECK((options.find("noexec") != std::string::npos || point == "/bin/busybox"));
        CHECK((options.find("nodev") != std::string::npos || point.starts_with("/dev")));
        CHECK(line.find("shared:") == std::string::npos);
    }
    CHECK(points.count("/") == 1);
    CHECK(points.count("/data") == 1);
    waiting.go_on();
}

TEST_CASE("inside, only what was given can be seen and nothing can be changed", "[jail]") {
    const auto outcome =
        run(shell("cd /; echo *; cat /etc/passwd; echo x >/new; echo x >/bin/busybox; "
                  "mkdir /new; mount -t tmpfs none /bin; id -u; id -g; hostname; pwd; umask; "
                  "read line && echo stdin; env; ls /dev; echo $$"));
    CHECK_THAT(outcome.output, ContainsSubstring("bin dev\n"));
    CHECK_THAT(outcome.output, ContainsSubstring("can't open '/etc/passwd': No such file"));
    CHECK_THAT(outcome.output, ContainsSubstring("can't create /new: Read-only file system"));
    CHECK_THAT(outcome.output, ContainsSubstring("can't create /bin/busybox: Read-only file system"));
    CHECK_THAT(outcome.output, ContainsSubstring("can't create directory '/new': Read-only file system"));
    CHECK_THAT(outcome.output, ContainsSubstring("mount: permission denied"));
    CHECK_THAT(outcome.output, ContainsSubstring("\n1000\n1000\ntest\n/\n0077\n"));
    CHECK(outcome.output.find("stdin") == std::string::npos);
    CHECK_THAT(outcome.output, ContainsSubstring("\nPATH=/bin\n"));
    CHECK(outcome.output.find("HOME=") == std::string::npos);
    CHECK_THAT(outcome.output, ContainsSubstring("\nnull\n2\n"));
}

TEST_CASE("a second program is refused, however it is asked for", "[jail]") {
    const auto exec = run(filtered_shell("exec /bin/busybox true"));
    CHECK(exec.status.code != 0);
    CHECK_THAT(exec.output, ContainsSubstring("Operation not permitted"));
    const auto forked = run(filtered_shell("/bin/busybox true; echo went on"));
    CHECK_THAT(forked.output, ContainsSubstring("can't fork: Operation not permitted"));
    CHECK(run(shell("exec /bin/busybox true")).status.code == 0);
}

TEST_CASE("the process has the descriptors it was given, and no other", "[jail]") {
    const Fd seven = memory_file("seven");
    const Fd three = memory_file("three");
    const Fd stranger(::open("/dev/null", O_RDONLY));  // not close-on-exec: it must not come along
    auto spec = filtered_shell("read -u 3 word; echo $word >&5; read -u 5 line");
    // Crossed on purpose: the places of some are the sources of others.
    spec.fds = {{seven.get(), three.get()}, {three.get(), 3}, {three.get(), 70}};
    spec.fds[0].number = three.get() == 3 || three.get() == 5 ? 7 : three.get();
    const auto number = std::to_string(spec.fds[0].number);
    const Waiting waiting(std::move(spec));
    CHECK(waiting.hear() == "three\n");
    CHECK(descriptors_of(waiting) == std::set<std::string>{"0", "1", "2", "3", "5", "70", number});
    CHECK(link_of(waiting.proc("fd/0")) == "/dev/null");
    CHECK(content_of(waiting.proc("fd/") + number) == "seven");
    waiting.go_on();
}

TEST_CASE("limits are set, and the ceiling of descriptors closes exec for good", "[jail]") {
    auto spec = filtered_shell(say_and_wait);
    spec.limits = {{RLIMIT_CORE, 0}, {RLIMIT_NPROC, 77}};
    const auto ceiling = std::to_string(spec.filter.exec_fd);
    const Waiting waiting(std::move(spec));
    REQUIRE(waiting.hear() == "here\n");
    const auto limits = content_of(waiting.proc("limits"));
    const auto of = [&](const std::string& name) {
        std::istringstream words(limits.substr(limits.find(name) + name.size()));
        std::string soft, hard;
        words >> soft >> hard;
        return soft + ' ' + hard;
    };
    CHECK(of("Max core file size") == "0 0");
    CHECK(of("Max processes") == "77 77");
    CHECK(of("Max open files") == ceiling + ' ' + ceiling);
    waiting.go_on();
}

TEST_CASE("how the process ended is told truly, to the parent and in the report", "[jail]") {
    const auto report_of = [](const std::string& script, ExitStatus& status) {
        const Fd report = memory_file("{\"exited\": 1234567890}\n");
        auto spec = shell(script);
        spec.stub.exit_report = report.get();
        auto child = spawn(spec);
        status = child.wait(-1).value();
        CHECK(read_exit_report(report.get()).value().to_string() == status.to_string());
        return content_of(report.get());
    };
    ExitStatus status;
    CHECK(report_of("exit 0", status) == "{\"exited\": 0}\n");
    CHECK(report_of("exit 200", status) == "{\"exited\": 200}\n");
    CHECK(report_of("kill -SEGV $$", status) == "{\"signaled\": 11}\n");
    CHECK(status.to_string() == "was killed by signal 11 (SIGSEGV)");
    CHECK(report_of("kill -ABRT $$", status) == "{\"signaled\": 6}\n");
    // 139 is what a shell makes of SIGSEGV; here it is not one.
    CHECK(report_of("exit 139", status) == "{\"exited\": 139}\n");
    CHECK_FALSE(status.signaled);
}

TEST_CASE("an exit report that is empty or nonsense is none", "[jail]") {
    for (const char* text : {"", "{", "{\"exited\": }", "{\"exited\": 1", "{\"signaled\": x}", "what"}) {
        INFO(text);
        CHECK_FALSE(read_exit_report(memory_file(text).get()).has_value());
    }
    CHECK(read_exit_report(memory_file("{\"signaled\": 9}").get())->to_string() ==
          "was killed by signal 9 (SIGKILL)");
}

TEST_CASE("waiting for a process that runs on gives nothing", "[jail]") {
    Waiting waiting(shell(say_and_wait));
    REQUIRE(waiting.hear() == "here\n");
    CHECK_FALSE(waiting.child.wait(0).has_value());
    waiting.go_on();
    CHECK(waiting.child.wait(-1)->code == 0);
    CHECK(waiting.child.wait(-1)->code == 0);
}

TEST_CASE("the log has a limit; what was before goes to the previous log", "[jail]") {
    const Fd log = memory_file("old\n");
    const Fd previous = memory_file("very old\n");
    auto spec = shell("i=0; while [ $i -lt 1000 ]; do echo line $i; i=$((i+1)); done; echo the end >&2");
    spec.stub.log = log.get();
    spec.stub.log_previous = previous.get();
    spec.stub.log_limit = 2000;
    auto child = spawn(spec);
    REQUIRE(child.wait(-1)->code == 0);
    const auto now = content_of(log.get());
    const auto before = content_of(previous.get());
    CHECK(now.size() <= 2000);
    CHECK(before.size() <= 2000);
    CHECK_FALSE(now.empty());
    const auto both =
        before + now;  // the file changes where a read ended, which need not be the end of a line
    std::string tail;
    for (int i = 0; i < 1000; ++i) tail += "line " + std::to_string(i) + '\n';
    tail += "the end\n";
    CHECK(tail.ends_with(both));
    CHECK(both.size() > 1000);
}

TEST_CASE("a log is continued where it ends", "[jail]") {
    const Fd log = memory_file("first\n");
    auto spec = shell("echo second");
    spec.stub.log = log.get();
    spawn(spec).wait(-1);
    CHECK(content_of(log.get()) == "first\nsecond\n");
}

TEST_CASE("a lock that the stub holds lives exactly as long as the process", "[jail]") {
    const TempDir directory;
    const auto path = directory.path() / "lock";
    Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(::flock(lock.get(), LOCK_EX | LOCK_NB) == 0);
    auto spec = shell(say_and_wait);
    spec.stub.held = {lock.get()};
    Waiting waiting(std::move(spec));
    lock.reset();
    REQUIRE(waiting.hear() == "here\n");
    CHECK(descriptors_of(waiting).size() == 4);  // not in the process itself
    const Fd other(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    CHECK(::flock(other.get(), LOCK_EX | LOCK_NB) < 0);
    SECTION("when it ends by itself") {
        waiting.go_on();
    }
    SECTION("when it is killed") {
        CHECK(::kill(waiting.child.process_pid(), SIGKILL) == 0);
    }
    SECTION("when all is killed") {
        waiting.child.kill();
    }
    waiting.child.wait(-1);
    CHECK(::flock(other.get(), LOCK_EX | LOCK_NB) == 0);
}

TEST_CASE("copies are in the jail, whole, and cannot be changed", "[jail]") {
    std::string big(3'000'001, 'x');
    big.back() = 'y';
    const Fd kernel = memory_file(big);
    const Fd firmware = memory_file("firmware\n");
    REQUIRE(::lseek(firmware.get(), 4, SEEK_SET) == 4);
    auto spec = shell("wc -c </k/kernel; tail -c1 /k/kernel; cat /deep/er/firmware; echo x >/k/kernel");
    spec.copies = {{kernel.get(), "/k/kernel", "the kernel"},
                   {firmware.get(), "/deep/er/firmware", "the firmware"}};
    const auto outcome = run(std::move(spec));
    CHECK_THAT(outcome.output, ContainsSubstring("3000001\nyfirmware\n"));
    CHECK_THAT(outcome.output, ContainsSubstring("Read-only file system"));
    CHECK(::lseek(firmware.get(), 0, SEEK_CUR) == 4);  // the caller's position is left alone
}

TEST_CASE("what lies below a directory that only its owner enters can be given", "[jail]") {
    const TempDir directory;  // as root: 0700, and the jail's user is another
    const auto inner = directory.path() / "inner";
    fs::create_directory(inner);
    fs::permissions(inner, fs::perms(0755));
    std::ofstream(inner / "file") << "content\n";
    auto spec = shell("cat /given/file; echo x >/given/file");
    spec.binds.push_back({.source = inner, .target = "/given"});
    const auto outcome = run(std::move(spec));
    CHECK_THAT(outcome.output, ContainsSubstring("content\n"));
    CHECK_THAT(outcome.output, ContainsSubstring("Read-only file system"));
}

TEST_CASE("binds are not executable unless asked, and optional ones may be missing", "[jail]") {
    auto spec = shell("/other/busybox true; ls /missing");
    spec.binds.push_back({.source = "/bin/busybox", .target = "/other/busybox"});
    spec.binds.push_back({.source = "/nonexistent", .target = "/missing", .optional = true});
    const auto outcome = run(std::move(spec));
    CHECK_THAT(outcome.output, ContainsSubstring("/other/busybox: Permission denied"));
    CHECK_THAT(outcome.output, ContainsSubstring("/missing: No such file or directory"));
}

TEST_CASE("further device files of the host's are where they are there", "[jail]") {
    auto spec = shell("ls /dev /dev/pts; test -c /dev/pts/ptmx && echo a device");
    spec.devices = {Device::Null};
    spec.device_files = {"/dev/pts/ptmx"};
    const auto output = run(spec).output;
    CHECK_THAT(output, ContainsSubstring("null\npts\n"));
    CHECK_THAT(output, ContainsSubstring("ptmx\n"));
    CHECK_THAT(output, ContainsSubstring("a device"));
    spec.device_files = {"/dev/pts/no-such-device"};
    CHECK_THROWS_WITH(run(spec), ContainsSubstring("there is no device /dev/pts/no-such-device"));
}

TEST_CASE("devices work", "[jail]") {
    auto spec = shell(
        "head -c 3 /dev/urandom | wc -c; head -c 2 /dev/zero | wc -c; echo x >/dev/null && echo ok; "
        "rm -f /dev/null");
    spec.devices = {Device::Null, Device::Zero, Device::Urandom};
    const auto outcome = run(std::move(spec));
    CHECK_THAT(outcome.output, ContainsSubstring("3\n2\nok\n"));
    CHECK(fs::exists("/dev/null"));
}

TEST_CASE("/proc and a tmpfs are there when asked for", "[jail]") {
    auto spec = shell("cat /proc/self/comm; ls /proc/sys; echo x >/tmp/file && cat /tmp/file");
    spec.proc = true;
    spec.tmpfs = {"/tmp"};
    const auto outcome = run(std::move(spec));
    CHECK_THAT(outcome.output, ContainsSubstring("cat\n"));
    CHECK_THAT(outcome.output, ContainsSubstring("/proc/sys: No such file or directory"));
    CHECK_THAT(outcome.output, ContainsSubstring("x\n"));
}

TEST_CASE("killing leaves no process behind", "[jail]") {
    auto spec = shell("sleep 1000 & echo here >&5; wait");
    std::string space;
    SECTION("by kill()") {
        Waiting waiting(std::move(spec));
        REQUIRE(waiting.hear() == "here\n");
        space = link_of(waiting.proc("ns/pid"));
        CHECK(processes_in(space).size() >= 2);
        waiting.child.kill();
        CHECK(waiting.child.wait(-1)->to_string() == "was killed by signal 9 (SIGKILL)");
    }
    SECTION("by the end of the Child") {
        const Waiting waiting(std::move(spec));
        REQUIRE(waiting.hear() == "here\n");
        space = link_of(waiting.proc("ns/pid"));
    }
    SECTION("when only the process dies, its children do, too") {
        Waiting waiting(std::move(spec));
        REQUIRE(waiting.hear() == "here\n");
        space = link_of(waiting.proc("ns/pid"));
        REQUIRE(::kill(waiting.child.process_pid(), SIGKILL) == 0);
        CHECK(waiting.child.wait(-1)->to_string() == "was killed by signal 9 (SIGKILL)");
    }
    REQUIRE_FALSE(space.empty());
    CHECK(processes_in(space).empty());
}

TEST_CASE("without a pid namespace, or any jail, the process dies with its stub", "[jail]") {
    auto spec = shell("echo here >&5; while read -u 5 line; do :; done; read line");
    SECTION("no pid namespace") {
        spec.namespaces.pid = false;
    }
    SECTION("no jail") {
        spec.mode = Mode::Off;
    }
    Waiting waiting(std::move(spec));
    REQUIRE(waiting.hear() == "here\n");
    const auto process = PidFd::open(waiting.child.process_pid());
    REQUIRE(process);
    waiting.child.kill();
    CHECK(process.wait_ended(-1));
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
    REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
}

TEST_CASE("the stub cannot be talked into leaving", "[jail]") {
    Waiting waiting(shell("kill 1; kill -9 1; echo here >&5; read -u 5 line"));
    REQUIRE(waiting.hear() == "here\n");
    for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) waiting.child.stub().send(signal);
    waiting.go_on();
    CHECK(waiting.child.wait(-1)->to_string() == "exited with status 0");
}

TEST_CASE("a Child that was let go runs on; one that was moved is watched once", "[jail]") {
    PidFd process;
    Fd keeps_it;
    {
        Waiting waiting(shell(say_and_wait));
        REQUIRE(waiting.hear() == "here\n");
        Child moved(std::move(waiting.child));
        process = PidFd::open(moved.process_pid());
        keeps_it = std::move(waiting.ours);
        moved.detach();
    }
    REQUIRE(process);
    CHECK_FALSE(process.wait_ended(0));
    CHECK(::send(keeps_it.get(), "\n", 1, MSG_NOSIGNAL) == 1);
    CHECK(process.wait_ended(-1));
    CHECK(::waitpid(-1, nullptr, 0) > 0);  // its stub
}

TEST_CASE("with end_with_parent everything dies with the process that called spawn", "[jail]") {
    auto spec = shell(say_and_wait);
    spec.end_with_parent = true;
    SECTION("in a jail") {}
    SECTION("without a pid namespace") {
        spec.namespaces.pid = false;
    }
    SECTION("in a reduced jail") {
        reduce(spec);
    }
    SECTION("without a jail") {
        spec.mode = Mode::Off;
    }
    // Orphans come to us, so that none is left behind.
    REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    SocketPair news(SOCK_STREAM);
    const pid_t parent = ::fork();
    if (parent == 0) {
        Waiting waiting(spec);
        const pid_t pids[] = {waiting.child.stub_pid(), waiting.child.process_pid()};
        if (waiting.hear() == "here\n") ::send(news.second.get(), pids, sizeof pids, 0);
        ::pause();
        ::_exit(0);
    }
    news.second.reset();
    pid_t pids[2] = {};
    REQUIRE(::recv(news.first.get(), pids, sizeof pids, 0) == sizeof pids);
    const auto stub = PidFd::open(pids[0]);
    const auto process = PidFd::open(pids[1]);
    ::kill(parent, SIGKILL);
    ::waitpid(parent, nullptr, 0);
    CHECK((!stub || stub.wait_ended(-1)));
    CHECK((!process || process.wait_ended(-1)));
    while (::waitpid(-1, nullptr, 0) > 0) {
    }
    REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
}

TEST_CASE("a parent that dies before it has let the jail go takes it along", "[jail]") {
    Pipe alive;
    const pid_t parent = ::fork();
    REQUIRE(parent >= 0);
    if (parent == 0) {
        auto spec = shell("sleep 60");
        spec.stub.held = {alive.write.get()};
        spawn(spec, [](const PidFd&) { ::kill(::getpid(), SIGKILL); });
        ::_exit(0);
    }
    alive.write.reset();
    ::waitpid(parent, nullptr, 0);
    // The end of the pipe is the end of whoever held the other side.
    pollfd end{.fd = alive.read.get(), .events = POLLIN, .revents = 0};
    CHECK(::poll(&end, 1, 10'000) == 1);
}

TEST_CASE("without a jail the process has the caller's view, and still its stub and descriptors", "[jail]") {
    const Fd report = memory_file();
    auto spec = filtered_shell("id -u; cat /proc/self/comm; read -u 3 word; echo $word; exit 3");
    spec.mode = Mode::Off;
    spec.stub.exit_report = report.get();
    const Fd three = memory_file("three\n");
    spec.fds = {{three.get(), 3}};
    const auto outcome = run(std::move(spec));
    CHECK(outcome.output == std::to_string(::geteuid()) + "\ncat\nthree\n");
    CHECK(outcome.status.code == 3);
    CHECK(content_of(report.get()) == "{\"exited\": 3}\n");
}
