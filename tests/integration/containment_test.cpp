// SPDX-License-Identifier: GPL-3.0-or-later
// A program that tries to get out is executed in QEMU's place: with QEMU's own Spec none of its attempts may
// succeed. The same program without the jail, or without its filter, must get out in many ways: else it is
// not the jail that holds it.
#include <algorithm>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <map>
#include <netinet/in.h>
#include <set>
#include <sstream>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <tuple>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "jail/landlock.hpp"
#include "jail/profile.hpp"
#include "support/catch.hpp"
#include "unit/jail/contained.hpp"

using namespace qvm;
using namespace qvm::jail;
using namespace qvm::jail::test;

namespace {

constexpr uid_t ordinary_uid = 1001;
constexpr int could_not_run = 126;
constexpr std::size_t fewest_attempts = 75;
constexpr std::size_t fewest_without_jail = 30;
constexpr std::size_t fewest_without_filter = 20;

template <typename Address>
Fd listen_on(int family, const Address& address, std::size_t length) {
    Fd socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(length)) !=
        0)
        throw_errno("bind a socket");
    if (::listen(socket.get(), 8) != 0) throw_errno("listen on a socket");
    return socket;
}

Fd listen_on_unix(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    return listen_on(AF_UNIX, address, offsetof(sockaddr_un, sun_path) + name.size());
}

/// What lies outside and belongs to the user that the probe runs as: nothing but the jail keeps it from them.
class Outside {
  public:
    explicit Outside(uid_t uid) : uid_(uid) {
        if (::chmod(directory_.path().c_str(), 0755) != 0) throw_errno("open the directory to others");
        disk_ = make_file("disk", O_RDWR);
        read_only_disk_ = make_file("read-only-disk", O_RDONLY);
        make_file("secret", O_RDONLY);
        given_ = listen_on_unix(path("given.sock"));
        other_ = listen_on_unix(path("other.sock"));
        if (::chmod(path("other.sock").c_str(), 0666) != 0) throw_errno("open the socket to others");
        abstract_name_ = "qvm-containment-" + std::to_string(::getpid());
        abstract_ = listen_on_unix('\0' + abstract_name_);
        sockaddr_in loopback{};
        loopback.sin_family = AF_INET;
        loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        internet_ = listen_on(AF_INET, loopback, sizeof loopback);
        outsider_ = ::fork();
        if (outsider_ == 0) {
            if (::geteuid() == 0 && ::setresuid(uid_, uid_, uid_) != 0) ::_exit(1);
            ::prctl(PR_SET_DUMPABLE, 1);
            ::pause();
            ::_exit(0);
        }
    }
    Outside(const Outside&) = delete;
    Outside& operator=(const Outside&) = delete;
    ~Outside() {
        ::kill(outsider_, SIGKILL);
        ::waitpid(outsider_, nullptr, 0);
    }

    /// The probe's options; its descriptors are numbers 3 to 5.
    std::vector<std::string> options() const {
        utsname names{};
        ::uname(&names);
        return {"--outsider",
                std::to_string(outsider_),
                "--file",
                path("secret"),
                "--socket",
                path("other.sock"),
                "--abstract-socket",
                abstract_name_,
                "--port",
                std::to_string(port()),
                "--host-name",
                names.nodename,
                "--disk",
                "3",
                "--read-only-disk",
                "4",
                "--listener",
                "5"};
    }
    std::vector<KeptFd> fds() const {
        return {{disk_.get(), 3}, {read_only_disk_.get(), 4}, {given_.get(), 5}};
    }

  private:
    std::string path(const char* name) const { return directory_.path() / name; }
    Fd make_file(const char* name, int mode) const {
        const Fd file(::open(path(name).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
        if (::ftruncate(file.get(), 1 << 20) != 0) throw_errno("make a file");
        if (::geteuid() == 0 && ::fchown(file.get(), uid_, uid_) != 0) throw_errno("give a file away");
        return Fd(::open(path(name).c_str(), mode | O_CLOEXEC));
    }
    unsigned port() const {
        sockaddr_in address{};
        socklen_t length = sizeof address;
        ::getsockname(internet_.get(), reinterpret_cast<sockaddr*>(&address), &length);
        return ntohs(address.sin_port);
    }

    TempDir directory_;
    uid_t uid_;
    Fd disk_;
    Fd read_only_disk_;
    Fd given_;
    Fd other_;
    std::string abstract_name_;
    Fd abstract_;
    Fd internet_;
    pid_t outsider_ = -1;
};

uid_t uid_of_jail() {
    return as_root() ? jail_uid : ::geteuid();
}

/// QEMU's Spec, but for what is executed.
Spec probe_spec(const Outside& outside, const std::vector<std::string>& names, bool kvm = false) {
    auto spec = qemu_profile({.binary = "/usr/bin/qemu-system-x86_64"}, kvm);
    spec.name = "containment";
    spec.executable = JAIL_PROBE;
    for (const auto& option : outside.options()) spec.argv.push_back(option);
    for (const auto& name : names) spec.argv.push_back(name);
    spec.fds = outside.fds();
    if (as_root()) spec.host_uid = jail_uid;
    return spec;
}

/// The same in a reduced jail.
Spec reduced_spec(const Outside& outside, const std::vector<std::string>& names, Landlock landlock) {
    auto spec = probe_spec(outside, names);
    for (const char* word : {"--parent-is-stub", "yes"}) spec.argv.emplace_back(word);
    spec.filter = qemu_filter(descriptor_ceiling(), Violation::Errno, {.mode = Mode::Reduced});
    spec.landlock = landlock;
    reduce(spec);
    return spec;
}

struct Line {
    bool contained = false;
    std::string detail;
};

/// By name. Every run ends with its totals, or it did not come to its end.
std::map<std::string, Line> results_in(const std::string& output) {
    std::map<std::string, Line> results;
    bool complete = false;
    std::istringstream lines(output);
    std::string last;
    for (std::string line; std::getline(lines, line); last = line) {
        const auto json = nlohmann::json::parse(line, nullptr, false);
        if (!json.is_object()) continue;
        if (json.contains("attempts")) {
            complete = json.at("attempts") == results.size();
        } else {
            auto& result = results[json.at("name")];
            json.at("contained").get_to(result.contained);
            json.at("detail").get_to(result.detail);
        }
    }
    INFO("the last line: " << last);
    REQUIRE(complete);
    return results;
}

std::size_t not_contained(const std::map<std::string, Line>& results) {
    return static_cast<std::size_t>(
        std::count_if(results.begin(), results.end(), [](const auto& it) { return !it.second.contained; }));
}

void check_all_contained(const std::map<std::string, Line>& results) {
    for (const auto& [name, result] : results) {
        INFO(name << ": " << result.detail);
        CHECK(result.contained);
    }
}

/// What a reduced jail promises nothing of: each is a line of qvm-jail(7), REDUCED MODE.
const std::set<std::string> given_up = {
    // a root of its own: that there are such files can be seen
    "host_dirs",
    "readonly_root",
    "setuid_files",
    "path_of_program",
    // processes and names of its own
    "pid_namespace",
    "parent",
    "host_name",
    "look_at_namespaces",
};
const std::set<std::string> given_up_without_landlock = {
    // files that the uid may open
    "read_outside_file",
    "write_outside_file",
    "read_passwd",
    "reopen_read_only_disk",
    "dev_nodes",
    "driver_devices",
    "terminals",
    // what the kernel tells everyone
    "proc_self",
    "proc_listing",
    "proc_secrets",
    "sys_visible",
    "cgroup_escape",
};

void check_only_given_up(const std::map<std::string, Line>& results, std::set<std::string> names) {
    // Only root can empty it in the host's user namespace; it bounds nothing then. A limit of threads would
    // count all of a user's, so it stays as it was.
    rlimit threads{};
    ::getrlimit(RLIMIT_NPROC, &threads);
    if (!as_root()) names.insert("bounding_set");
    if (!as_root() && threads.rlim_max > 1024) names.insert("limit_of_threads");
    for (const auto& [name, result] : results) {
        INFO(name << ": " << result.detail);
        CHECK(result.contained != names.contains(name));
    }
}

/// Runs the probe outside any jail, as `uid`. Returns its exit status and what it wrote.
std::pair<int, std::string> run_without_jail(uid_t uid, const Outside* outside,
                                             const std::vector<std::string>& words) {
    std::vector<std::string> all{JAIL_PROBE};
    if (outside != nullptr)
        for (const auto& option : outside->options()) all.push_back(option);
    all.insert(all.end(), words.begin(), words.end());
    std::vector<char*> argv;
    for (auto& word : all) argv.push_back(word.data());
    argv.push_back(nullptr);
    const Fd output = memory_file();
    const pid_t pid = ::fork();
    if (pid == 0) {
        const Fd null(::open("/dev/null", O_RDWR));
        ::dup2(null.get(), STDIN_FILENO);
        ::dup2(output.get(), STDOUT_FILENO);
        ::dup2(output.get(), STDERR_FILENO);
        if (outside != nullptr)
            for (const auto& kept : outside->fds())
                ::dup2(::fcntl(kept.fd, F_DUPFD_CLOEXEC, 64), kept.number);
        const bool changed =
            ::geteuid() == uid || (::setgroups(0, nullptr) == 0 && ::setresgid(uid, uid, uid) == 0 &&
                                   ::setresuid(uid, uid, uid) == 0);
        if (changed && ::chdir("/") == 0) ::execv(JAIL_PROBE, argv.data());
        ::_exit(could_not_run);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content_of(output.get())};
}

/// The names of the attempts with this "run" (see tests/jail_probe/probe.hpp).
std::vector<std::string> attempts_that(const std::string& run) {
    const auto [status, output] = run_without_jail(::geteuid(), nullptr, {"--list"});
    REQUIRE(status == 0);
    std::vector<std::string> names;
    std::istringstream lines(output);
    for (std::string line; std::getline(lines, line);) {
        const auto json = nlohmann::json::parse(line);
        if (json.at("run") == run) names.push_back(json.at("name"));
    }
    return names;
}

/// A memory cgroup (v2 or v1) of `bytes`, without swap; gone at the end.
class MemoryCgroup {
  public:
    explicit MemoryCgroup(std::uint64_t bytes) {
        for (const auto& [root, limit, swap] :
             {std::tuple{"/sys/fs/cgroup/", "memory.max", "memory.swap.max"},
              std::tuple{"/sys/fs/cgroup/memory/", "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"}}) {
            const auto path = std::filesystem::path(root) / ("qvm-containment-" + std::to_string(::getpid()));
            if (::mkdir(path.c_str(), 0755) != 0) continue;
            path_ = path;
            if (write(limit, std::to_string(bytes))) {
                if (!write(swap, "0")) write(swap, std::to_string(bytes));
                return;
            }
            ::rmdir(path.c_str());
            path_.clear();
        }
    }
    MemoryCgroup(const MemoryCgroup&) = delete;
    MemoryCgroup& operator=(const MemoryCgroup&) = delete;
    ~MemoryCgroup() {
        if (!path_.empty()) ::rmdir(path_.c_str());
    }

    explicit operator bool() const { return !path_.empty(); }
    /// From here on the calling process and what it starts are in it.
    bool enter() const { return write("cgroup.procs", "0"); }

  private:
    bool write(const char* file, const std::string& text) const {
        const Fd fd(::open((path_ / file).c_str(), O_WRONLY | O_CLOEXEC));
        return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
    }

    std::filesystem::path path_;
};

/// An absolute path, which no filter can see, in the one exec that is allowed: without Landlock that runs
/// what the jail has, and so ends the probe. Nothing is gained by it: see qvm-jail(7).
const std::string end_of_probe = "exec_path_with_number";

std::vector<std::string> without_end_of_probe(std::vector<std::string> names, Landlock landlock) {
    if (landlock == Landlock::Off || landlock_abi() == 0) REQUIRE(std::erase(names, end_of_probe) == 1);
    return names;
}

/// True if it was killed by the filter.
bool killed_by_filter(const ExitStatus& status) {
    return status.signaled && status.code == SIGSYS;
}

}  // namespace

TEST_CASE("no attempt gets out of QEMU's jail", "[containment]") {
    const Outside outside(uid_of_jail());
    const auto names = without_end_of_probe(attempts_that("always"), Landlock::Auto);
    const auto outcome = run(probe_spec(outside, names));
    INFO(outcome.status.to_string());
    const auto results = results_in(outcome.output);
    CHECK(results.size() == names.size());
    CHECK(results.size() >= fewest_attempts);
    check_all_contained(results);
}

TEST_CASE("no attempt gets out of the jail of a QEMU with KVM", "[containment]") {
    if (::access("/dev/kvm", R_OK | W_OK) != 0) {
        WARN("skipped: this user cannot use /dev/kvm, or there is none");
        return;
    }
    const Outside outside(uid_of_jail());
    check_all_contained(results_in(run(probe_spec(outside, {"--kvm", "yes"}, true)).output));
}

TEST_CASE("what gets out of a reduced jail is what it gives up", "[containment]") {
    if (landlock_abi() == 0) {
        WARN("skipped: this kernel has no Landlock");
        return;
    }
    const Outside outside(uid_of_jail());
    const auto results = results_in(run(reduced_spec(outside, {}, Landlock::Auto)).output);
    CHECK(results.size() == attempts_that("always").size());
    check_only_given_up(results, given_up);
}

TEST_CASE("without Landlock a reduced jail gives up the host's files, too", "[containment]") {
    const Outside outside(uid_of_jail());
    const auto names = without_end_of_probe(attempts_that("always"), Landlock::Off);
    CHECK(run(reduced_spec(outside, {end_of_probe}, Landlock::Off)).output.find("\"name\"") ==
          std::string::npos);
    const auto results = results_in(run(reduced_spec(outside, names, Landlock::Off)).output);
    auto more = given_up;
    more.insert(given_up_without_landlock.begin(), given_up_without_landlock.end());
    check_only_given_up(results, more);
}

TEST_CASE("a process may end itself by a signal, and only itself", "[containment]") {
    const Outside outside(uid_of_jail());
    for (const auto& spec :
         {probe_spec(outside, {"abort_itself"}), reduced_spec(outside, {"abort_itself"}, Landlock::Auto)}) {
        const auto outcome = run(spec);
        INFO(outcome.output);
        CHECK(outcome.status.to_string() == "was killed by signal 6 (SIGABRT)");
    }
}

TEST_CASE("what the filter kills for does not get out of QEMU's jail", "[containment]") {
    const Outside outside(uid_of_jail());
    const auto names = attempts_that("may-kill");
    CHECK(names.size() >= 10);
    for (const auto& name : names) {
        const auto outcome = run(probe_spec(outside, {name}));
        CAPTURE(name, outcome.status.to_string());
        if (!killed_by_filter(outcome.status)) check_all_contained(results_in(outcome.output));
    }
}

TEST_CASE("taking all there is ends at a limit of QEMU's jail", "[containment]") {
    const Outside outside(uid_of_jail());
    check_all_contained(
        results_in(run(probe_spec(outside, {"fork_bomb", "thread_bomb", "disk_fill"})).output));
}

TEST_CASE("taking all memory there is ends at the limit of the cgroup", "[containment]") {
    const MemoryCgroup cgroup(std::uint64_t{256} << 20U);
    if (!cgroup) {
        WARN("skipped: there is no memory cgroup that this user may make");
        return;
    }
    const Outside outside(uid_of_jail());
    const auto spec = probe_spec(outside, {"memory_bomb"});
    const pid_t pid = ::fork();
    if (pid == 0) {
        if (!cgroup.enter()) ::_exit(could_not_run);
        const auto outcome = run(spec);
        ::_exit(outcome.status.signaled && outcome.status.code == SIGKILL ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("without its filter the jail does not hold everything", "[containment]") {
    const Outside outside(uid_of_jail());
    auto spec = probe_spec(outside, {});
    spec.filter = {};
    spec.may_execute = true;
    CHECK(not_contained(results_in(run(spec).output)) >= fewest_without_filter);
}

TEST_CASE("without a jail an ordinary user gets out in many ways", "[containment]") {
    const uid_t uid = as_root() ? ordinary_uid : ::geteuid();
    const Outside outside(uid);
    const auto [status, output] = run_without_jail(uid, &outside, {});
    if (status == could_not_run) {
        WARN("skipped: uid " << uid
                             << " cannot execute the probe; build in a directory that everyone can enter");
        return;
    }
    const auto results = results_in(output);
    CHECK(not_contained(results) >= fewest_without_jail);
    // What was made for it to find was found: its absence from the jail means something.
    for (const char* name : {"read_outside_file", "signal_outsider", "abstract_unix", "unix_by_path",
                             "internet_connect", "reopen_read_only_disk", "host_name"}) {
        INFO(name);
        REQUIRE(results.count(name) == 1);
        CHECK_FALSE(results.at(name).contained);
    }
}

TEST_CASE("the probe refuses to be root outside a jail", "[containment]") {
    if (!as_root()) {
        WARN("skipped: not root");
        return;
    }
    const auto [status, output] = run_without_jail(0, nullptr, {"read_shadow"});
    CHECK(status == 2);
    CHECK_THAT(output, ContainsSubstring("not as root"));
}

TEST_CASE("as an ordinary user nothing gets out either", "[ordinary-user]") {
    if (!as_root()) {
        WARN("skipped: this is an ordinary user already");
        return;
    }
    const pid_t pid = ::fork();
    if (pid == 0) {
        if (::setgroups(0, nullptr) != 0 || ::setresgid(ordinary_uid, ordinary_uid, ordinary_uid) != 0 ||
            ::setresuid(ordinary_uid, ordinary_uid, ordinary_uid) != 0 || ::chdir("/") != 0)
            ::_exit(could_not_run);
        ::execl("/proc/self/exe", "containment_test", "[containment]", nullptr);
        ::_exit(could_not_run);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == could_not_run) {
        WARN("skipped: uid 1001 cannot execute this program; build in a directory that everyone can enter");
        return;
    }
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}
