// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/vm_journal.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::launch {
namespace {

constexpr unsigned logged_events_a_second = 20;
constexpr std::size_t longest_event_text = 1024;

}  // namespace

VmJournal::VmJournal(const VmState& state) : log_(Fd(), Fd()) {
    const Fd error(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    struct stat status {};
    const bool is_file = error && ::fstat(error.get(), &status) == 0 && S_ISREG(status.st_mode);
    const bool ours = is_file && (::fcntl(error.get(), F_GETFL) & O_ACCMODE) == O_RDWR;
    log_ = CappedLog(error ? error.duplicate() : Fd(),
                     ours ? state.open_file("supervisor.log.1", O_RDWR | O_CREAT) : Fd());
}

void VmJournal::line(const std::string& text) {
    const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
    log_.append(fmt::format("{:%Y-%m-%dT%H:%M:%SZ} {}\n", fmt::gmtime(now), escape_controls(text)));
}

void VmJournal::event(const qmp::Event& event) {
    // Often, and nothing about the VM's life.
    if (event.name == "RTC_CHANGE" || event.name == "VSERPORT_CHANGE") return;
    const auto now = std::chrono::steady_clock::now();
    if (now - second_ > std::chrono::seconds(1)) {
        if (events_ > logged_events_a_second)
            line(fmt::format("{} more events", events_ - logged_events_a_second));
        second_ = now;
        events_ = 0;
    }
    if (++events_ > logged_events_a_second) return;
    auto data = event.data.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (data.size() > longest_event_text) data = data.substr(0, longest_event_text) + "...";
    line(fmt::format("event {} {}", event.name, data));
}

}  // namespace qvm::launch
