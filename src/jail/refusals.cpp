// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/refusals.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <unistd.h>

#include <fmt/format.h>
#include <seccomp.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "jail/names.hpp"

namespace qvm::jail {

namespace {

/// The text after " KEY=", without its quotes.
std::string_view value_of(std::string_view line, std::string_view key) {
    const auto wanted = fmt::format(" {}=", key);
    const auto at = line.find(wanted);
    if (at == std::string_view::npos) return {};
    auto rest = line.substr(at + wanted.size());
    const char end = rest.starts_with('"') ? '"' : ' ';
    if (end == '"') rest.remove_prefix(1);
    return rest.substr(0, std::min(rest.find(end), rest.find('\n')));
}

template <typename Number>
Number number_of(std::string_view text, int base = 10) {
    if (text.starts_with("0x")) text.remove_prefix(2);
    Number number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number, base);
    return number;
}

std::string name_of(std::uint32_t arch, int call) {
    char* name = ::seccomp_syscall_resolve_num_arch(arch, call);
    if (name == nullptr) return fmt::format("call {}", call);
    std::string text = name;
    std::free(name);
    return text;
}

/// The records' own time: "6,1234,5678901,-;audit: .." has microseconds since the start.
double seconds_of(std::string_view line) {
    for (int comma = 0; comma < 2; ++comma) {
        const auto at = line.find(',');
        if (at == std::string_view::npos) return 0;
        line.remove_prefix(at + 1);
    }
    constexpr double microseconds = 1e6;
    return static_cast<double>(number_of<std::uint64_t>(line)) / microseconds;
}

SystemError unreadable(int error) {
    const auto* advice =
        error == EPERM || error == EACCES
            ? "the kernel keeps its log from ordinary users (sysctl kernel.dmesg_restrict=1): run this as "
              "root, or look with `journalctl -k` as a member of the group adm or systemd-journal"
            : "this system hides the kernel's log (a container?): look on the host, with `journalctl -k` or "
              "`dmesg`, for \"type=1326\"";
    return {"read the kernel's log (/dev/kmsg)", error, advice, ExitCode::HostCannot};
}

}  // namespace

std::string Refusal::to_string() const {
    const auto purpose = foreign ? "a system call of another architecture" : call_purpose(call);
    return fmt::format("{} {}{}", call, killed ? "ended the process" : "was refused",
                       purpose.empty() ? std::string() : ": " + purpose);
}

std::optional<Refusal> parse_refusal(std::string_view line) {
    if (line.find("type=1326 ") == std::string_view::npos) return std::nullopt;
    Refusal refusal;
    refusal.seconds = seconds_of(line);
    refusal.pid = number_of<pid_t>(value_of(line, "pid"));
    refusal.uid = number_of<std::uint32_t>(value_of(line, "uid"));
    refusal.command = value_of(line, "comm");
    refusal.program = value_of(line, "exe");
    refusal.call = name_of(number_of<std::uint32_t>(value_of(line, "arch"), 16),
                           number_of<int>(value_of(line, "syscall")));
    refusal.foreign = number_of<std::uint32_t>(value_of(line, "arch"), 16) != ::seccomp_arch_native();
    const auto action = number_of<std::uint32_t>(value_of(line, "code"), 16) & SECCOMP_RET_ACTION_FULL;
    refusal.killed = action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD;
    return refusal;
}

std::vector<Refusal> read_refusals() {
    const Fd log(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!log) throw unreadable(errno);
    std::vector<Refusal> refusals;
    std::array<char, 8192> record{};  // the kernel's own maximum
    for (;;) {
        const auto count = ::read(log.get(), record.data(), record.size());
        if (count < 0 && (errno == EINTR || errno == EPIPE)) continue;  // EPIPE: overwritten meanwhile
        if (count < 0 && errno == EAGAIN) return refusals;
        if (count < 0) throw unreadable(errno);
        if (count == 0) return refusals;
        if (auto refusal = parse_refusal({record.data(), static_cast<std::size_t>(count)}))
            refusals.push_back(std::move(*refusal));
    }
}

}  // namespace qvm::jail
