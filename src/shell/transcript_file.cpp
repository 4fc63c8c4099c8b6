// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/transcript_file.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "shell/json_text.hpp"
#include "shell/secrets.hpp"

namespace qvm::shell {
namespace {

const char* direction_of(const Item& item, Part part) {
    if (item.kind == ItemKind::Notice && item.received.empty()) return "note";
    return part == Part::Sent ? "client" : "server";
}

/// A message as a member: on one line, whatever it was before.
std::string message_member(std::string_view json) {
    if (!is_json(json)) return fmt::format("\"raw\":{}", quote_json(json));
    // Line ends are whitespace between tokens: inside of strings they are not allowed.
    std::string line(json);
    std::ranges::replace(line, '\n', ' ');
    std::ranges::replace(line, '\r', ' ');
    return fmt::format("\"msg\":{}", line);
}

std::string note_member(const Item& item) {
    return fmt::format("\"msg\":{{\"text\":{}{}}}", quote_json(item.name),
                       item.state == ItemState::Error ? ",\"error\":true" : "");
}

/// 0, or an errno value with nothing written.
int write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return 0;
}

std::filesystem::path numbered(const std::filesystem::path& path, std::size_t number) {
    return number == 0 ? path : std::filesystem::path(fmt::format("{}.{}", path.string(), number));
}

}  // namespace

std::string log_line(const Item& item, Part part) {
    constexpr std::int64_t million = 1'000'000;
    const bool answer = item.kind == ItemKind::Command && part == Part::Received;
    const auto when = std::max<std::int64_t>(0, answer ? item.ended() : item.began);
    auto line = fmt::format("{{\"t\":{}.{:06},\"n\":{},\"dir\":\"{}\"", when / million, when % million,
                            item.number, direction_of(item, part));
    if (!item.client().empty()) line += fmt::format(",\"client\":{}", quote_json(item.client()));
    if (item.kind == ItemKind::Notice) {
        line += "," + (item.received.empty() ? note_member(item) : message_member(item.received));
    } else if (part == Part::Sent) {
        const auto sent = mask_sent(item.sent());
        if (!item.typed().empty() && sent == item.sent())
            line += fmt::format(",\"typed\":{}", quote_json(item.typed()));
        line += "," + message_member(sent);
    } else {
        line += "," + message_member(mask_received(item.received, item.sent()));
    }
    return line + "}";
}

TranscriptLog::TranscriptLog(std::filesystem::path path, LogLimits limits)
    : path_(std::move(path)), limits_(limits) {}

std::optional<std::string> TranscriptLog::append(const Item& item, Part part) {
    const bool sent = item.kind == ItemKind::Command && part != Part::Received;
    const bool received = (item.kind != ItemKind::Command || !item.received.empty()) && part != Part::Sent;
    std::string lines;
    if (sent) lines += log_line(item, Part::Sent) + "\n";
    if (received) lines += log_line(item, Part::Received) + "\n";
    if (lines.empty()) return std::nullopt;
    if (missing_ > 0) {
        Item gap;
        gap.began = item.began;
        gap.state = ItemState::Error;
        gap.name = fmt::format("{} messages are missing here: {}", missing_, errno_text(error_));
        lines.insert(0, log_line(gap, Part::Received) + "\n");
    }
    if (size_ > limits_.bytes) rotate();
    if (!open() || !write_line(lines)) {
        missing_ += (sent ? 1U : 0U) + (received ? 1U : 0U);
        if (std::exchange(failing_, true)) return std::nullopt;
        return fmt::format(
            "cannot write the log '{}': {}; the session goes on without it until that works again",
            path_.string(), errno_text(error_));
    }
    if (!std::exchange(failing_, false)) return std::nullopt;
    return fmt::format("the log '{}' is written again; {} messages are missing in it", path_.string(),
                       std::exchange(missing_, 0));
}

bool TranscriptLog::open() {
    if (file_) return true;
    constexpr mode_t owner_only = 0600;
    file_ = Fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, owner_only));
    struct stat status {};
    const bool opened = file_ && ::fstat(file_.get(), &status) == 0;
    // The mode counts for new files only; of anything but a file it is none of our business.
    if (!opened || (S_ISREG(status.st_mode) && ::fchmod(file_.get(), owner_only) < 0)) {
        error_ = errno;
        file_.reset();
        return false;
    }
    size_ = static_cast<std::size_t>(status.st_size);
    return true;
}

bool TranscriptLog::write_line(std::string_view line) {
    error_ = write_all(file_.get(), line);
    if (error_ == 0) {
        size_ += line.size();
        return true;
    }
    // Half a line would spoil the next one. When even this fails, the loader tells of a damaged line.
    if (::ftruncate(file_.get(), static_cast<off_t>(size_)) < 0) file_.reset();
    return false;
}

void TranscriptLog::rotate() {
    std::error_code ignored;  // a log that could not be put aside grows on
    auto number = std::max<std::size_t>(1, limits_.files) - 1;
    std::filesystem::remove(numbered(path_, number), ignored);
    for (; number > 0; --number)
        std::filesystem::rename(numbered(path_, number - 1), numbered(path_, number), ignored);
    file_.reset();
    size_ = 0;
}

void save_transcript(const std::vector<const Item*>& items, const std::filesystem::path& path) {
    const auto action = fmt::format("write '{}'", path.string());
    const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file) {
        if (errno == EEXIST)
            throw SystemError(action, EEXIST, "choose another name, or remove that file first");
        throw_errno(action);
    }
    constexpr std::size_t block = std::size_t{1} << 20U;
    std::string lines;
    const auto flush = [&] {
        if (const int error = write_all(file.get(), lines); error != 0) {
            ::unlink(path.c_str());
            throw SystemError(action, error);
        }
        lines.clear();
    };
    for (const auto& message : messages_of(items)) {
        lines += log_line(*message.item, message.part) + "\n";
        if (lines.size() > block) flush();
    }
    flush();
}

}  // namespace qvm::shell
