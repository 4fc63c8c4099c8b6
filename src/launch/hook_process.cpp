// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/hook_process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "jail/spawn.hpp"

namespace qvm::launch {
namespace {

constexpr int cannot_execute = 127;  // as shells have it

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "qvm: hook: %s\n", SystemError(what, errno).what());
    std::fflush(nullptr);
    ::_exit(cannot_execute);
}

void forget_signals() {
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) std::signal(number, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void set_environment(const SpawnerOrder& spawner, const HookOrder& order) {
    // NOLINTBEGIN(concurrency-mt-unsafe): one thread, just forked
    for (const auto& [name, value] : spawner.environment) ::setenv(name.c_str(), value.c_str(), 1);
    ::setenv("QVM_EVENT", std::string(config::word_of(order.event)).c_str(), 1);
    ::setenv("QVM_DETAIL", order.detail.c_str(), 1);
    if (order.event == config::HookEvent::Stopped)
        ::setenv("QVM_EXIT", order.exit.c_str(), 1);
    else
        ::unsetenv("QVM_EXIT");
    // NOLINTEND(concurrency-mt-unsafe)
}

/// In the child.
[[noreturn]] void become(const SpawnerOrder& spawner, const HookCommand& command, const HookOrder& order,
                         pid_t parent) {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(cannot_execute);
    forget_signals();
    const int null = ::open("/dev/null", O_RDONLY);
    if (null < 0 || ::dup2(null, STDIN_FILENO) < 0) fail("open /dev/null");
    for (const int fd : open_descriptors(STDERR_FILENO + 1)) ::close(fd);
    if (::chdir(spawner.directory.c_str()) != 0) fail("change to " + spawner.directory.string());
    set_environment(spawner, order);
    std::vector<char*> argv;
    // SAFETY: execv(3) takes what it does not change as char*.
    for (const auto& word : command.argv) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    fail("execute " + command.argv[0]);
}

}  // namespace

HookProcess::HookProcess(const SpawnerOrder& spawner, const HookCommand& command, const HookOrder& order)
    : event_(order.event), end_(std::chrono::steady_clock::now() + hook_time) {
    std::fflush(nullptr);
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) throw_errno("fork");
    if (child == 0) become(spawner, command, order, parent);
    process_ = PidFd::open(child);
}

HookProcess::~HookProcess() {
    if (!process_) return;
    ::kill(-process_.pid(), SIGKILL);
    ::kill(process_.pid(), SIGKILL);
    ::waitpid(process_.pid(), nullptr, 0);
}

int HookProcess::milliseconds_left() const {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now()).count();
    return static_cast<int>(std::max<std::int64_t>(left, 0));
}

std::optional<std::string> HookProcess::outcome() {
    const pid_t pid = process_.pid();
    if (!process_.wait_ended(0)) {
        if (milliseconds_left() > 0) return std::nullopt;
        ::kill(-pid, SIGKILL);
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        process_ = PidFd();
        return fmt::format("it took longer than {} s and was killed", hook_time.count());
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    process_ = PidFd();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
    const bool signaled = WIFSIGNALED(status);
    return "it " + jail::ExitStatus{signaled, signaled ? WTERMSIG(status) : WEXITSTATUS(status)}.to_string();
}

}  // namespace qvm::launch
