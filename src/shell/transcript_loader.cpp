// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/transcript_loader.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "shell/json_text.hpp"

namespace qvm::shell {
namespace {

/// As long as the longest message of a QMP session.
constexpr std::size_t longest_line = std::size_t{256} << 20U;
constexpr std::int64_t million = 1'000'000;

std::optional<std::int64_t> integer_of(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// "1636111681.0023" in microseconds; exactly, so not by way of a double.
std::optional<std::int64_t> microseconds_of(std::string_view number) {
    constexpr std::int64_t latest = 1'000'000'000'000;
    const auto dot = std::min(number.find('.'), number.size());
    const auto seconds = integer_of(number.substr(0, dot));
    if (!seconds || *seconds < 0 || *seconds > latest) return std::nullopt;
    std::int64_t fraction = 0;
    auto digits = number.substr(std::min(dot + 1, number.size()));
    if (digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    for (std::size_t i = 0; i < 6; ++i) fraction = fraction * 10 + (i < digits.size() ? digits[i] - '0' : 0);
    return *seconds * million + fraction;
}

/// "2022-03-09 17:29:34.247+0000", as libvirt begins its lines (always universal time).
std::optional<std::int64_t> libvirt_time(std::string_view line) {
    constexpr std::string_view shape = "dddd-dd-dd dd:dd:dd.ddd+0000:";
    if (line.size() < shape.size()) return std::nullopt;
    for (std::size_t i = 0; i < shape.size(); ++i)
        if (shape[i] == 'd' ? line[i] < '0' || line[i] > '9' : line[i] != shape[i]) return std::nullopt;
    const auto field = [line](std::size_t at, std::size_t size) {
        return *integer_of(line.substr(at, size));
    };
    using namespace std::chrono;
    const year_month_day day{year{static_cast<int>(field(0, 4))}, month{static_cast<unsigned>(field(5, 2))},
                             std::chrono::day{static_cast<unsigned>(field(8, 2))}};
    if (!day.ok()) return std::nullopt;
    const auto seconds = duration_cast<std::chrono::seconds>(sys_days(day).time_since_epoch()).count() +
                         field(11, 2) * 3600 + field(14, 2) * 60 + field(17, 2);
    return seconds * million + field(20, 3) * 1000;
}

/// The QMP message of a libvirt line: behind "msg=" and the like, up to the end of its JSON.
std::string_view libvirt_message(std::string_view line, std::string_view member) {
    const auto begin = line.find(member);
    if (begin == std::string_view::npos) return {};
    const auto rest = line.substr(begin + member.size());
    JsonScanner scanner(rest);
    return rest.substr(0, scanner.skip_value());
}

std::string command_name(const JsonMembers& sent) {
    for (const auto* member : {"execute", "exec-oob"})
        if (auto name = sent.text(member); !name.empty()) return name;
    return "(no command)";
}

std::string shortened(std::string_view text) {
    constexpr std::size_t enough = 200;
    const auto kept = cut_to_bytes(text, enough);
    return std::string(kept) + (kept.size() < text.size() ? "..." : "");
}

}  // namespace

void TranscriptLoader::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        const auto part = bytes.substr(0, end);
        if (rest_.size() + part.size() > longest_line) too_long_ = true;
        if (end == std::string_view::npos) {
            if (!too_long_) rest_ += part;
            return;
        }
        if (rest_.empty() && !too_long_) {
            take_line(part);
        } else {
            if (!too_long_) rest_ += part;
            take_line(rest_);
        }
        rest_.clear();
        too_long_ = false;
        bytes.remove_prefix(end + 1);
    }
}

void TranscriptLoader::finish() {
    if (!rest_.empty()) take_line(std::exchange(rest_, {}));
    too_long_ = false;
    pending_.clear();
    if (skipped_ > 0)
        add_notice(fmt::format("{} of {} lines are not about a monitor", skipped_, line_), ItemState::Ok);
    into_.lose_pending(when_);
}

void TranscriptLoader::take_line(std::string_view line) {
    ++line_;
    if (too_long_) return add_damage(line, "it is longer than 256 MB");
    // A log that was pasted somewhere has "^M" for the carriage return.
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    if (line.ends_with("^M")) line.remove_suffix(2);
    const auto begin = std::min(line.find_first_not_of(" \t"), line.size());
    if (begin == line.size()) return;
    const auto time = libvirt_time(line);
    if (time) {
        libvirt_ = true;
        in_buffer_ = false;
        when_ = *time;
    }
    constexpr std::string_view tag = "QEMU_MONITOR_";
    const auto tagged = line.find(tag);
    if (in_buffer_ && tagged == std::string_view::npos) return;
    if (tagged != std::string_view::npos && line[begin] != '{')
        take_libvirt(line, line.substr(tagged + tag.size()));
    else if (time || (libvirt_ && line[begin] != '{'))
        ++skipped_;
    else if (line[begin] == '{')
        take_json(line);
    else
        add_damage(line, "it is no JSON object, and no line of libvirt's log");
}

void TranscriptLoader::take_json(std::string_view line) {
    if (!is_json(line)) return add_damage(line, "its JSON is broken");
    const JsonMembers members(line);
    if (members.find("dir")) return take_own(line, members);
    Envelope envelope;
    envelope.when = when_;
    if (members.find("execute") || members.find("exec-oob")) return take_sent(envelope, std::string(line));
    for (const auto* member : {"return", "error", "event", "QMP"})
        if (members.find(member)) return take_received(envelope, std::string(line));
    add_damage(line, "it is neither a message nor a line of a transcript");
}

void TranscriptLoader::take_own(std::string_view line, const JsonMembers& members) {
    const auto time = microseconds_of(members.find("t").value_or(""));
    const auto message = members.find("msg");
    const auto raw = members.find("raw");
    const auto direction = members.text("dir");
    if (!time) return add_damage(line, "it has no time \"t\"");
    if (!message && !raw) return add_damage(line, "it has no \"msg\"");
    when_ = *time;
    Envelope envelope;
    envelope.when = *time;
    envelope.number = members.find("n").value_or("");
    envelope.client = unquote_json(members.find("client").value_or(""));
    envelope.typed = unquote_json(members.find("typed").value_or(""));
    auto json = message ? std::string(*message) : unquote_json(*raw);
    if (direction == "client")
        take_sent(envelope, std::move(json));
    else if (direction == "server")
        take_received(envelope, std::move(json));
    else if (direction == "note" && message)
        take_note(envelope, *message);
    else
        add_damage(line, "its \"dir\" is none of \"client\", \"server\" and \"note\"");
}

void TranscriptLoader::take_libvirt(std::string_view line, std::string_view tag) {
    const auto monitor_begin = tag.find("mon=");
    auto monitor = tag.substr(std::min(tag.size(), monitor_begin));
    monitor = monitor.substr(0, monitor.find(' '));
    Envelope envelope;
    envelope.when = when_;
    // What went over the wire is told once more, and in pieces, by these; of their lines more may follow.
    if (tag.starts_with("IO_PROCESS")) {
        in_buffer_ = true;
        return;
    }
    const bool sent = tag.starts_with("SEND_MSG:");
    const bool written = tag.starts_with("IO_WRITE:");
    const bool received = tag.starts_with("RECV_REPLY:") || tag.starts_with("RECV_EVENT:");
    if (!sent && !written && !received) {
        ++skipped_;
        return;
    }
    in_buffer_ = !received;
    envelope.client = libvirt_client(monitor);
    const auto* member = sent                             ? " msg="
                         : written                        ? " buf="
                         : tag.starts_with("RECV_REPLY:") ? " reply="
                                                          : " event=";
    const auto message = libvirt_message(tag, member);
    if (!is_json(message)) {
        if (!written) add_damage(line, "its message is broken");
        return;  // a part of one
    }
    if (received) return take_received(envelope, std::string(message));
    const auto key = envelope.client + "\n" + std::string(json_member(message, "id").value_or(""));
    if (written && pending_.contains(key)) return;
    take_sent(envelope, std::string(message));
}

/// The first monitor of a log is this session; others have a name.
std::string TranscriptLoader::libvirt_client(std::string_view monitor) {
    if (first_monitor_.empty()) first_monitor_ = monitor;
    return monitor == first_monitor_ ? std::string() : std::string(monitor);
}

void TranscriptLoader::take_sent(const Envelope& envelope, std::string json) {
    ++messages_;
    Item item;
    item.kind = ItemKind::Command;
    item.state = ItemState::Pending;
    item.began = envelope.when;
    const JsonMembers members(json);
    item.name = command_name(members);
    auto& command = item.edit_command();
    command.typed = envelope.typed;
    command.client = envelope.client;
    const auto id = envelope.client + "\n" + std::string(members.find("id").value_or(""));
    command.sent = std::move(json);
    const auto number = into_.append(std::move(item)).number;
    if (envelope.number.empty()) {
        pending_.emplace(id, number);
        return;
    }
    // An earlier session in the same file had an item of this number, too; its reply never came.
    const auto key = "#" + std::string(envelope.number);
    pending_.erase(key);
    pending_.emplace(key, number);
}

void TranscriptLoader::take_received(const Envelope& envelope, std::string json) {
    ++messages_;
    const JsonMembers members(json);
    if (auto event = members.text("event"); !event.empty()) {
        Item item;
        item.kind = ItemKind::Event;
        item.name = std::move(event);
        item.began = envelope.when;
        if (!envelope.client.empty()) item.edit_command().client = envelope.client;
        item.received = std::move(json);
        into_.append(std::move(item));
        return;
    }
    if (members.find("QMP")) return add_notice("the server's greeting", ItemState::Ok, std::move(json));
    const auto state = members.find("error") ? ItemState::Error : ItemState::Ok;
    // The oldest of its key; without an id the oldest that has none.
    const auto id = std::string(members.find("id").value_or(""));
    const auto key =
        envelope.number.empty() ? envelope.client + "\n" + id : "#" + std::string(envelope.number);
    const auto found = pending_.lower_bound(key);
    if (found == pending_.end() || found->first != key)
        return add_notice(fmt::format("line {}: a reply to no command in this file", line_), ItemState::Error,
                          std::move(json));
    into_.finish(found->second, state, std::move(json), envelope.when);
    pending_.erase(found);
}

void TranscriptLoader::take_note(const Envelope& envelope, std::string_view message) {
    ++messages_;
    Item item;
    item.name = unquote_json(json_member(message, "text").value_or("\"\""));
    item.state = json_member(message, "error") == "true" ? ItemState::Error : ItemState::Ok;
    item.began = envelope.when;
    into_.append(std::move(item));
}

void TranscriptLoader::add_damage(std::string_view line, std::string_view why) {
    ++damaged_;
    add_notice(fmt::format("line {} is damaged: {}: {}", line_, why, shortened(line)), ItemState::Error,
               std::string(line));
}

void TranscriptLoader::add_notice(std::string text, ItemState state, std::string received) {
    Item item;
    item.name = std::move(text);
    item.state = state;
    item.began = when_;
    item.received = std::move(received);
    into_.append(std::move(item));
}

void load_transcript(const std::filesystem::path& path, TranscriptLoader& loader) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) throw_errno(fmt::format("open '{}'", path.string()));
    std::string block(std::size_t{1} << 20U, '\0');
    for (;;) {
        const auto got = ::read(file.get(), block.data(), block.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw_errno(fmt::format("read '{}'", path.string()));
        if (got == 0) break;
        loader.feed(std::string_view(block).substr(0, static_cast<std::size_t>(got)));
    }
    loader.finish();
}

}  // namespace qvm::shell
