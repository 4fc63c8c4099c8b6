// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/state.hpp"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch/jail_uids.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::launch;
namespace fs = std::filesystem;

namespace {

/// Directories below one of the test's own.
struct Place {
    test::TemporaryDirectory root;
    Directories directories{root.path() / "state", root.path() / "run", root.path() / "cache", {}};
    VmState vm(const std::string& name = "web") const { return VmState(directories, name); }
};

unsigned mode_of(const fs::path& path) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777U;
}

/// Sets an environment variable (or removes it: null) until the end of its life.
class Variable {
  public:
    Variable(const char* name, const char* value) : name_(name) {
        if (const char* old = std::getenv(name))
            old_ = old;
        else
            was_set_ = false;
        if (value != nullptr)
            ::setenv(name, value, 1);
        else
            ::unsetenv(name);
    }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
    ~Variable() {
        if (was_set_)
            ::setenv(name_, old_.c_str(), 1);
        else
            ::unsetenv(name_);
    }

  private:
    const char* name_;
    std::string old_;
    bool was_set_ = true;
};

Applied example() {
    Applied applied;
    applied.phase = Applied::Phase::Running;
    applied.origin = "/a/web.toml";
    applied.files = {"/a/web.toml", "/a/more.toml"};
    applied.overrides = {"memory=2G"};
    applied.compiled = {"memory = \"1G\"\n", {{"device.a", "disk.a", "[device.a]\n"}}, 4};
    applied.generation = 7;
    applied.qemu = "QEMU 7.2.22";
    applied.accel = "tcg";
    applied.jail = "strict";
    applied.landlock = "require";
    applied.on_violation = "log";
    applied.attach = "all";
    applied.supervisor = {11, 12};
    applied.stub = {13, 14};
    applied.helpers = {{"passt", {15, 16}}};
    applied.cgroup = {.version = 1, .directories = {"/sys/fs/cgroup/pids/qvm-web"}, .missing = {"cpu: no"}};
    applied.started = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'700'000'000'123));
    applied.stop_timeout = std::chrono::seconds(5);
    applied.console = "console";
    return applied;
}

}  // namespace

TEST_CASE("what was applied is read back as it was written") {
    const Place place;
    VmState vm = place.vm();
    vm.claim("/a/web.toml");
    CHECK_FALSE(vm.applied());
    vm.write_applied(example());
    CHECK(vm.applied()->to_json() == example().to_json());
    CHECK(mode_of(vm.directory() / "applied.json") == 0600);
}

TEST_CASE("damaged state is named, and does not hide that a VM runs") {
    const Place place;
    VmState vm = place.vm();
    vm.claim("/a/web.toml");
    for (const char* text : {"{", "[]", "{\"form\": 1}", "{\"form\": 99}", "{\"form\": \"x\"}"}) {
        place.root.write("state/web/applied.json", text);
        CHECK_THROWS_WITH(vm.applied(), ContainsSubstring("state/web/applied.json"));
    }
    const Fd lock = vm.try_lock_supervisor();
    CHECK(vm.condition() == Condition::Running);
    // What a power loss may leave behind is no reason to complain.
    place.root.write("state/web/applied.json", "");
    CHECK_FALSE(vm.applied());
}

TEST_CASE("directories are private whatever the umask and whoever made them") {
    const Place place;
    fs::create_directories(place.directories.state / "web");
    fs::permissions(place.directories.state / "web", fs::perms(0755));
    const auto old_mask = ::umask(0);
    VmState vm = place.vm();
    vm.create();
    { const Fd log = vm.open_file("qemu.log", O_RDWR | O_CREAT); }
    ::umask(0777);
    { const Fd log = vm.open_file("other.log", O_RDWR | O_CREAT); }
    place.vm("other").create();
    ::umask(old_mask);
    CHECK(mode_of(vm.directory()) == 0700);
    CHECK(mode_of(vm.runtime_directory()) == 0700);
    CHECK(mode_of(place.directories.runtime) == 0700);
    CHECK(mode_of(vm.directory() / "qemu.log") == 0600);
    CHECK(mode_of(vm.directory() / "other.log") == 0600);
    CHECK(mode_of(place.vm("other").directory()) == 0700);
}

TEST_CASE("a symbolic link in the place of a VM's directory is refused") {
    const Place place;
    fs::create_directories(place.root.path() / "elsewhere");
    fs::create_directories(place.directories.runtime);
    fs::create_directory_symlink(place.root.path() / "elsewhere", place.directories.runtime / "web");
    CHECK_THROWS_WITH(place.vm().create(), ContainsSubstring("run/web"));
}

TEST_CASE("the condition follows from the locks") {
    const Place place;
    VmState vm = place.vm();
    CHECK(vm.condition() == Condition::Stopped);
    vm.claim("/a/web.toml");
    CHECK(vm.condition() == Condition::Stopped);
    Fd supervisor = vm.try_lock_supervisor();
    Fd running = vm.try_lock_vm();
    REQUIRE(supervisor);
    REQUIRE(running);
    CHECK(vm.condition() == Condition::Starting);
    Applied applied = example();
    vm.write_applied(applied);
    // The record is of a supervisor that is gone: who holds the lock has yet to write its own.
    CHECK(vm.condition() == Condition::Starting);
    applied.supervisor = ProcessRecord::of(::getpid());
    vm.write_applied(applied);
    CHECK(vm.condition() == Condition::Running);
    CHECK_FALSE(place.vm().try_lock_supervisor());
    CHECK_FALSE(place.vm().try_lock_vm());
    // Having asked has taken nothing and released nothing.
    CHECK(vm.condition() == Condition::Running);
    supervisor.reset();
    CHECK(vm.condition() == Condition::Orphaned);
    running.reset();
    CHECK(vm.condition() == Condition::Stopped);
}

TEST_CASE("the lock of a VM lives as long as a process that inherited it") {
    const Place place;
    VmState vm = place.vm();
    vm.claim("/a/web.toml");
    Fd lock = vm.try_lock_vm();
    const pid_t child = ::fork();
    if (child == 0) {
        ::pause();
        ::_exit(0);
    }
    REQUIRE(child > 0);
    lock.reset();
    CHECK(vm.condition() == Condition::Orphaned);
    CHECK_FALSE(vm.try_lock_vm());
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(vm.condition() == Condition::Stopped);
    CHECK(vm.try_lock_vm());
}

TEST_CASE("a name belongs to one file") {
    const Place place;
    const auto first = place.root.write("first.toml", "");
    const auto second = place.root.write("second.toml", "");
    VmState vm = place.vm();
    CHECK_FALSE(vm.exists());
    CHECK(vm.claim(first).empty());
    CHECK(vm.exists());
    CHECK(vm.claim(first).empty());
    CHECK_THROWS_WITH(place.vm().claim(second), ContainsSubstring("name 'web' belongs to " + first.string()));
    try {
        place.vm().claim(second);
    } catch (const Error& error) {
        CHECK(error.exit_code() == ExitCode::Invalid);
        CHECK_THAT(error.advice(), ContainsSubstring("qvm rm web"));
    }

    SECTION("the same file by another path is the same file") {
        const auto link = place.root.path() / "link.toml";
        fs::create_symlink(first, link);
        CHECK(place.vm().claim(link).empty());
    }
    SECTION("a moved file takes its name along") {
        fs::rename(first, place.root.path() / "moved.toml");
        CHECK_THAT(place.vm().claim(place.root.path() / "moved.toml"), ContainsSubstring("which is gone"));
        CHECK(place.vm().claim(place.root.path() / "moved.toml").empty());
    }
    SECTION("after rm the name is free") {
        vm.remove();
        CHECK_FALSE(vm.exists());
        CHECK_FALSE(fs::exists(vm.directory()));
        CHECK_FALSE(fs::exists(vm.runtime_directory()));
        CHECK(place.vm().claim(second).empty());
    }
}

TEST_CASE("the operation lock names its holder when it cannot be had") {
    const Place place;
    VmState vm = place.vm();
    CHECK_THROWS_WITH(vm.lock_operation(std::chrono::milliseconds(0)), ContainsSubstring("removed"));
    vm.claim("/a/web.toml");
    Fd lock = vm.lock_operation(std::chrono::milliseconds(0));
    try {
        place.vm().lock_operation(std::chrono::milliseconds(0));
        FAIL("locked twice");
    } catch (const Error& error) {
        CHECK(error.exit_code() == ExitCode::TimedOut);
        CHECK_THAT(error.what(), ContainsSubstring("process " + std::to_string(::getpid())));
    }
    // Somebody who waits for a VM that is removed does not lock a file without a name.
    vm.remove();
    CHECK_THROWS_WITH(place.vm().lock_operation(std::chrono::milliseconds(0)), ContainsSubstring("removed"));
    vm.claim("/a/web.toml");
    CHECK(vm.lock_operation(std::chrono::milliseconds(0)));
}

TEST_CASE("socket paths fit a socket address") {
    Place place;
    CHECK(place.vm().socket("qmp.sock") == place.directories.runtime / "web/qmp.sock");
    const std::string long_name(63, 'n');
    place.directories.runtime /=
        std::string(50 - std::min<std::size_t>(50, place.root.path().string().size()), 'd');
    VmState vm = place.vm(long_name);
    const auto first = vm.socket("qmp.sock");
    const auto second = vm.socket("console.sock");
    CHECK(first.string().size() <= 107);
    CHECK(first != second);
    CHECK(first != place.vm(long_name.substr(1)).socket("qmp.sock"));
    vm.create();
    std::ofstream(first) << "";
    vm.remove_runtime();
    CHECK_FALSE(fs::exists(first));
    CHECK_FALSE(fs::exists(vm.runtime_directory()));
    // Where even that is too long, clients go through a descriptor of the directory.
    place.directories.runtime /= std::string(100, 'd');
    CHECK(place.vm().socket("qmp.sock") == place.directories.runtime / "web/qmp.sock");
}

TEST_CASE("all names are listed in order, strangers left out") {
    const Place place;
    CHECK(all_names(place.directories).empty());
    for (const char* name : {"web", "db"}) place.vm(name).claim("/a.toml");
    fs::create_directory(place.directories.state / "stranger");
    CHECK(all_names(place.directories) == std::vector<std::string>{"db", "web"});
}

TEST_CASE("a process is found again only if it is the same") {
    const auto self = ProcessRecord::of(::getpid());
    CHECK(self.open());
    auto recycled = self;
    recycled.start_time += 1;
    CHECK_FALSE(recycled.open());
    CHECK_FALSE(ProcessRecord{}.open());
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    REQUIRE(child > 0);
    const auto record = ProcessRecord::of(child);
    siginfo_t info{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
    CHECK_FALSE(record.open());  // a zombie has ended
    ::waitpid(child, nullptr, 0);
    CHECK_FALSE(record.open());
}

TEST_CASE("as root every VM has a uid of its own, kept and freed with its state") {
    const Place place;
    VmState web = place.vm("web");
    web.claim("/a.toml");
    if (::geteuid() != 0) {
        CHECK_FALSE(web.host_uid());
        return;
    }
    VmState db = place.vm("db");
    db.claim("/b.toml");
    CHECK_FALSE(web.known_uid());
    const auto first = web.host_uid();
    CHECK(web.known_uid() == first);
    CHECK(first >= JailUids::first);
    CHECK(db.host_uid() != first);
    CHECK(place.vm("web").host_uid() == first);
    web.remove();
    VmState again = place.vm("web");
    again.claim("/a.toml");
    CHECK(again.host_uid() == first);
    const auto elsewhere = again.host_uid({123000, 123009});
    CHECK(elsewhere >= 123000U);
    CHECK(elsewhere <= 123009U);
    CHECK(again.host_uid({123000, 123009}) == elsewhere);
    CHECK(again.host_uid() == first);
}

TEST_CASE("directories come from the environment") {
    const Variable state("XDG_STATE_HOME", "/s"), cache("XDG_CACHE_HOME", "/c"), home("HOME", "/home/u");
    {
        const Variable runtime("QVM_RUNTIME_DIR", "/r");
        const auto directories = Directories::from_environment();
        CHECK(directories.state == "/s/qvm");
        CHECK(directories.cache == "/c/qvm");
        CHECK(directories.runtime == "/r");
    }
    const Variable runtime("QVM_RUNTIME_DIR", nullptr), session("XDG_RUNTIME_DIR", "/no/such/directory");
    const Variable no_state("XDG_STATE_HOME", "relative/is/ignored");
    const auto directories = Directories::from_environment();
    if (::geteuid() == 0) {
        CHECK(directories.state == "/var/lib/qvm");
        CHECK(directories.runtime == "/run/qvm");
    } else {
        CHECK(directories.state == "/home/u/.local/state/qvm");
        CHECK(directories.runtime != "/no/such/directory/qvm");
    }
}
