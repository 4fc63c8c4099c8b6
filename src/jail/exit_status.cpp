// SPDX-License-Identifier: GPL-3.0-or-later
#include <array>
#include <charconv>
#include <csignal>
#include <cstring>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>

#include "jail/spawn.hpp"

namespace qvm::jail {

namespace {

std::string signal_name(int signal) {
    const char* name = ::sigabbrev_np(signal);
    return name != nullptr ? fmt::format("{} (SIG{})", signal, name) : std::to_string(signal);
}

/// The number after `key` and ": ", if the text begins so.
std::optional<int> number_after(std::string_view text, std::string_view key) {
    if (!text.starts_with(key)) return std::nullopt;
    text.remove_prefix(key.size());
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end == text.data() + text.size() || *end != '}') return std::nullopt;
    return number;
}

}  // namespace

std::string ExitStatus::to_string() const {
    return signaled ? "was killed by signal " + signal_name(code)
                    : fmt::format("exited with status {}", code);
}

std::optional<ExitStatus> read_exit_report(int fd) {
    std::array<char, 64> text{};
    const auto count = ::pread(fd, text.data(), text.size(), 0);
    if (count < 0) throw_errno("read the exit report");
    const std::string_view report(text.data(), static_cast<std::size_t>(count));
    if (const auto code = number_after(report, "{\"exited\": ")) return ExitStatus{false, *code};
    if (const auto signal = number_after(report, "{\"signaled\": ")) return ExitStatus{true, *signal};
    return std::nullopt;
}

}  // namespace qvm::jail
