// SPDX-License-Identifier: GPL-3.0-or-later
// As much as can be had of everything: it must end at a limit of ours, not at the machine's.
#include <array>
#include <csignal>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include "probe.hpp"

namespace qvm::probe {

namespace {

constexpr std::size_t most_processes = 256;  ///< more proves nothing
constexpr std::size_t slack = 16;

Result fork_bomb() {
    std::vector<pid_t> children;
    int error = 0;
    while (children.size() < most_processes) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::pause();
            ::_exit(0);
        }
        if (pid < 0) {
            error = errno;
            break;
        }
        children.push_back(pid);
    }
    for (const pid_t pid : children) ::kill(pid, SIGKILL);
    reap_children();
    const auto count = std::to_string(children.size()) + " processes";
    return children.empty() ? contained(errno_name(error)) : escaped(count);
}

void* wait_for_release(void* gate) {
    auto* mutex = static_cast<pthread_mutex_t*>(gate);
    ::pthread_mutex_lock(mutex);
    ::pthread_mutex_unlock(mutex);
    return nullptr;
}

/// Threads are allowed; RLIMIT_NPROC or the cgroup must end it.
Result thread_bomb() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NPROC, &limit);
    if (limit.rlim_cur == RLIM_INFINITY) return escaped("RLIMIT_NPROC is unlimited");
    const auto most = static_cast<std::size_t>(limit.rlim_cur) + slack;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, std::size_t{64} << 10U);
    ::pthread_mutex_lock(&gate);
    std::vector<pthread_t> threads;
    int error = 0;
    while (threads.size() < most && error == 0) {
        pthread_t thread{};
        error = ::pthread_create(&thread, &attributes, wait_for_release, &gate);
        if (error == 0) threads.push_back(thread);
    }
    ::pthread_mutex_unlock(&gate);
    for (const auto thread : threads) ::pthread_join(thread, nullptr);
    const auto count = std::to_string(threads.size()) + " threads";
    return error != 0 ? contained(count + ", then " + errno_name(error)) : escaped(count);
}

/// Touches memory without end: a cgroup kills us, which is what whoever asked for this waits for.
Result memory_bomb() {
    constexpr std::size_t chunk = std::size_t{16} << 20U;
    constexpr std::size_t most = std::size_t{1} << 30U;
    for (std::size_t total = 0; total < most; total += chunk) {
        void* memory =
            ::mmap(nullptr, chunk, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED) return contained(errno_name(errno));
    }
    return escaped(std::to_string(most >> 20U) + " MiB");
}

Result disk_fill() {
    static constexpr std::array<char, 65536> block{};
    constexpr int blocks = 64;
    std::size_t written = 0;
    for (const char* place : {"/", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/run", "/usr/lib", "."}) {
        const auto path = std::string(place) + "/qvm-jail-probe-fill";
        const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (file < 0) continue;
        for (int i = 0; i < blocks; ++i)
            if (const auto count = ::write(file, block.data(), block.size()); count > 0)
                written += static_cast<std::size_t>(count);
        ::close(file);
        ::unlink(path.c_str());
    }
    return written == 0 ? contained(errno_name(errno)) : escaped(std::to_string(written) + " bytes");
}

constexpr Attempt attempts[] = {
    {"fork_bomb", fork_bomb, Run::OnRequest},
    {"thread_bomb", thread_bomb, Run::OnRequest},
    {"memory_bomb", memory_bomb, Run::OnRequest},
    {"disk_fill", disk_fill, Run::OnRequest},
};

}  // namespace

Class stress() {
    return {"stress", attempts};
}

}  // namespace qvm::probe
