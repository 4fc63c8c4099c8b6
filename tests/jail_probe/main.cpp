// SPDX-License-Identifier: GPL-3.0-or-later
// jail_probe --list | jail_probe [--outsider PID] ... [NAME...]: one JSON line for each attempt, and the
// totals. Without names: all that neither kill nor are only run on request.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/capability.h>
#include <string_view>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "probe.hpp"

using namespace qvm::probe;

namespace {

constexpr int usage_error = 2;
constexpr int executed_status = 77;
constexpr unsigned attempt_seconds = 20;
constexpr unsigned total_seconds = 120;

/// A filter that traps instead of refusing: the call answers EPERM, as with ours.
void on_trap(int, siginfo_t*, void* context) {
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = -EPERM;
}

void catch_traps() {
    struct sigaction action {};
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGSYS, &action, nullptr);
}

/// Are we root, or have root's capabilities, where these count for the whole machine?
bool powerful_outside() {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
    const bool capable =
        ::syscall(SYS_capget, &header, data) == 0 && (data[0].permitted | data[1].permitted) != 0;
    if (::getuid() != 0 && ::geteuid() != 0 && !capable) return false;
    std::FILE* map = std::fopen("/proc/self/uid_map", "r");
    if (map == nullptr) return true;  // cannot tell, so no risk is taken
    unsigned long inside = 0;
    unsigned long outside = 0;
    unsigned long count = 0;
    const bool read = std::fscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3;
    std::fclose(map);
    return !read || outside == 0;
}

std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return result + '"';
}

/// "+EPERM" or "-done" through a pipe.
void send_result(int pipe, const Result& result) {
    const auto text = (result.contained ? '+' : '-') + result.detail;
    if (::write(pipe, text.data(), text.size()) < 0) ::_exit(1);
}

Result receive_result(int pipe, pid_t child) {
    std::string text(4096, '\0');
    const auto count = ::read(pipe, text.data(), text.size());
    text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    int status = 0;
    ::waitpid(child, &status, 0);
    if (!text.empty()) return {text[0] == '+', text.substr(1)};
    if (!WIFSIGNALED(status)) return escaped("became another program");
    const auto signal = "killed by SIG" + std::string(::sigabbrev_np(WTERMSIG(status)));
    // A kernel without the 32-bit calls answers them with SIGSEGV.
    return {WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV, signal};
}

/// In a process of its own, where there can be one: what an attempt does to itself ends with it.
Result run(const Attempt& attempt) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) < 0) return attempt.function();
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(attempt_seconds);
        send_result(ends[1], attempt.function());
        reap_children();
        ::_exit(0);
    }
    ::close(ends[1]);
    const auto result = child < 0 ? attempt.function() : receive_result(ends[0], child);
    ::close(ends[0]);
    // What an attempt made to be our child and not its own.
    while (::waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
    }
    return result;
}

const char* word(Run run) {
    switch (run) {
        case Run::Always:
            return "always";
        case Run::MayKill:
            return "may-kill";
        case Run::OnRequest:
            return "on-request";
    }
    return "";
}

int list() {
    for (const auto& [name, attempts] : classes())
        for (const auto& attempt : attempts)
            std::printf("{\"class\":%s,\"name\":%s,\"run\":\"%s\"}\n", quoted(name).c_str(),
                        quoted(attempt.name).c_str(), word(attempt.run));
    return 0;
}

bool set_option(std::string_view option, const char* value) {
    if (option == "--outsider")
        world.outsider = std::atoi(value);
    else if (option == "--file")
        world.file = value;
    else if (option == "--socket")
        world.socket = value;
    else if (option == "--abstract-socket")
        world.abstract_socket = value;
    else if (option == "--port")
        world.port = static_cast<unsigned short>(std::atoi(value));
    else if (option == "--host-name")
        world.host_name = value;
    else if (option == "--disk")
        world.disk = std::atoi(value);
    else if (option == "--read-only-disk")
        world.read_only_disk = std::atoi(value);
    else if (option == "--listener")
        world.listener = std::atoi(value);
    else if (option == "--parent-is-stub")
        world.stub = std::string_view(value) == "yes" ? ::getppid() : 1;
    else if (option == "--kvm")
        world.kvm = std::string_view(value) == "yes";
    else
        return false;
    return true;
}

int run_all(const std::vector<std::string_view>& names) {
    std::size_t tried = 0;
    std::size_t held = 0;
    for (const auto& [class_name, attempts] : classes()) {
        for (const auto& attempt : attempts) {
            const bool named = std::find(names.begin(), names.end(), attempt.name) != names.end();
            if (names.empty() ? attempt.run != Run::Always : !named) continue;
            const auto result = run(attempt);
            ++tried;
            if (result.contained) ++held;
            std::printf("{\"class\":%s,\"name\":%s,\"contained\":%s,\"detail\":%s}\n",
                        quoted(class_name).c_str(), quoted(attempt.name).c_str(),
                        result.contained ? "true" : "false", quoted(result.detail).c_str());
            std::fflush(stdout);
        }
    }
    std::printf("{\"attempts\":%zu,\"contained\":%zu,\"not-contained\":%zu}\n", tried, held, tried - held);
    std::fflush(stdout);
    if (!names.empty() && tried != names.size()) {
        std::fprintf(stderr, "jail_probe: a name is unknown or given twice; --list shows all\n");
        return usage_error;
    }
    return tried == held ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 0 && std::strcmp(argv[0], executed_again) == 0) return executed_status;
    std::vector<std::string_view> names;
    for (int i = 1; i < argc; ++i) {
        if (std::strcmp(argv[i], "--list") == 0) return list();
        if (std::strncmp(argv[i], "--", 2) != 0) {
            names.emplace_back(argv[i]);
            continue;
        }
        if (i + 1 == argc || !set_option(argv[i], argv[i + 1])) {
            std::fprintf(stderr, "jail_probe: unknown option '%s', or it lacks its value\n", argv[i]);
            return usage_error;
        }
        ++i;
    }
    if (powerful_outside()) {
        std::fprintf(stderr, "jail_probe: not as root of this machine: it tries real things\n");
        return usage_error;
    }
    catch_traps();
    ::alarm(total_seconds);
    return run_all(names);
}
