// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/pinning.hpp"

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <optional>
#include <sched.h>
#include <string>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "config/cpu_list.hpp"
#include "jail/proc_facts.hpp"

namespace qvm::launch {
namespace {

/// A set of any size: a host may have more CPUs than cpu_set_t.
class CpuSet {
  public:
    explicit CpuSet(const std::vector<unsigned>& cpus) : words_(cpus.empty() ? 1 : cpus.back() / bits + 1) {
        for (const unsigned cpu : cpus) words_[cpu / bits] |= 1UL << (cpu % bits);
    }
    const cpu_set_t* data() const {
        // SAFETY: the kernel's form of the set, of which cpu_set_t is one of a fixed size.
        return reinterpret_cast<const cpu_set_t*>(words_.data());
    }
    std::size_t bytes() const { return words_.size() * sizeof(unsigned long); }

  private:
    static constexpr unsigned bits = 8 * sizeof(unsigned long);
    std::vector<unsigned long> words_;
};

std::map<std::string, std::string> status_in(const std::filesystem::path& directory) {
    return jail::parse_status(read_file(directory / "status").bytes);
}

/// Where the process as a whole may run: what it was started with.
std::vector<unsigned> cpus_of(pid_t process) {
    const auto status = status_in(fmt::format("/proc/{}", process));
    const auto list = status.find("Cpus_allowed_list");
    if (list == status.end()) return {};
    return config::parse_cpu_list(list->second).value_or(std::vector<unsigned>());
}

/// "NSpid: 4711 3": the number in the innermost namespace is the last one.
std::optional<pid_t> inner_number(const std::filesystem::path& thread) {
    const auto status = status_in(thread);
    const auto numbers = status.find("NSpid");
    if (numbers == status.end()) return std::nullopt;
    const auto text = std::string_view(numbers->second).substr(numbers->second.rfind(' ') + 1);
    pid_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

void pin(pid_t thread, const std::vector<unsigned>& cpus, std::int64_t guest) {
    const CpuSet set(cpus);
    if (::sched_setaffinity(thread, set.bytes(), set.data()) == 0 || errno == ESRCH) return;
    throw_errno(fmt::format("pin CPU {} of the guest to {} of the host", guest, config::cpu_list(cpus)));
}

}  // namespace

std::map<pid_t, pid_t> threads_of(pid_t process, const std::filesystem::path& proc) {
    std::map<pid_t, pid_t> threads;
    std::error_code error;
    const auto tasks = proc / std::to_string(process) / "task";
    for (std::filesystem::directory_iterator task(tasks, error), end; !error && task != end;
         task.increment(error)) {
        const auto name = task->path().filename().string();
        pid_t number = 0;
        std::from_chars(name.data(), name.data() + name.size(), number);
        if (const auto inner = inner_number(task->path()); inner && number > 0) threads[*inner] = number;
    }
    return threads;
}

void pin_processors(const std::vector<config::Pin>& pins, const Json& cpus, pid_t process) {
    const auto threads = threads_of(process);
    const auto anywhere = cpus_of(process);
    for (const auto& cpu : cpus) {
        const auto guest = cpu.value("cpu-index", std::int64_t{-1});
        const auto thread = threads.find(cpu.value("thread-id", pid_t{0}));
        if (guest < 0 || thread == threads.end()) continue;
        const auto index = static_cast<std::size_t>(guest);
        const bool pinned = index < pins.size() && !pins[index].cpus.empty();
        const auto& wanted = pinned ? pins[index].cpus : anywhere;
        if (!wanted.empty()) pin(thread->second, wanted, guest);
    }
}

}  // namespace qvm::launch
