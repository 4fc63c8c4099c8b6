// SPDX-License-Identifier: GPL-3.0-or-later
// Finds where messages begin and end.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.hpp"
#include "qmp/session.hpp"

namespace qvm::qmp {
namespace {

constexpr std::size_t depth_limit = 1024;
constexpr std::size_t head_bytes = 200;
constexpr std::size_t spare_bytes = std::size_t{1} << 20U;
constexpr char reset_byte = '\xff';

/// True for the bytes that mean something in the given place; all others are passed over.
using ByteSet = std::array<bool, 256>;

constexpr ByteSet byte_set(std::string_view bytes) {
    ByteSet set{};
    for (const char byte : bytes) set[static_cast<unsigned char>(byte)] = true;
    return set;
}

constexpr ByteSet marks_in_object = byte_set("{}[]\"\xff");
constexpr ByteSet marks_in_string = byte_set("\"\\\n\xff");
constexpr ByteSet marks_in_garbage = byte_set("{\n\xff");
constexpr ByteSet white_space = byte_set(" \t\r\n");

bool holds(const ByteSet& set, char byte) {
    return set[static_cast<unsigned char>(byte)];
}

}  // namespace

std::optional<Framer::Frame> Framer::next() {
    while (at_ < buffer_.size()) {
        std::optional<Frame> frame;
        switch (place_) {
            case Place::Between:
                skip_space();
                break;
            case Place::Garbage:
                frame = scan_garbage();
                break;
            case Place::Object:
                frame = scan_object();
                break;
            case Place::String:
                frame = scan_string();
                break;
        }
        if (frame) return frame;
    }
    keep_the_rest();
    return std::nullopt;
}

std::size_t Framer::pending_bytes() const {
    return place_ == Place::Between ? 0 : skipped_ + (buffer_.size() - start_);
}

void Framer::skip_space() {
    while (at_ < buffer_.size() && holds(white_space, buffer_[at_])) ++at_;
    if (at_ == buffer_.size()) return;
    start_ = at_;
    place_ = buffer_[at_] == '{' ? Place::Object : Place::Garbage;
}

std::optional<Framer::Frame> Framer::scan_garbage() {
    while (at_ < buffer_.size() && !holds(marks_in_garbage, buffer_[at_])) ++at_;
    if (at_ == buffer_.size()) return std::nullopt;
    if (buffer_[at_] == reset_byte) ++at_;
    return cut("it is no JSON object");
}

std::optional<Framer::Frame> Framer::scan_object() {
    while (at_ < buffer_.size()) {
        const char byte = buffer_[at_];
        if (!holds(marks_in_object, byte)) {
            ++at_;
            continue;
        }
        if (byte == reset_byte) {
            ++at_;
            return cut("byte 0xFF cut it off");
        }
        if (byte == '{' && depth_ > 0 && !value_may_stand_here()) return cut("it has no end");
        ++at_;
        if (byte == '"') {
            place_ = Place::String;
            return std::nullopt;
        }
        if (byte == '{' || byte == '[') {
            open();
        } else if (--depth_ == 0) {
            return cut({});
        }
    }
    return std::nullopt;
}

std::optional<Framer::Frame> Framer::scan_string() {
    while (at_ < buffer_.size()) {
        const char byte = buffer_[at_];
        if (!holds(marks_in_string, byte)) {
            ++at_;
            escaped_ = false;
            continue;
        }
        if (byte == '\n') return cut("a string in it has no end");
        ++at_;
        if (byte == reset_byte && in_string_ == InvalidByte::Reset) return cut("byte 0xFF cut it off");
        if (byte == '"' && !escaped_) {
            place_ = Place::Object;
            return std::nullopt;
        }
        escaped_ = byte == '\\' && !escaped_;
    }
    return std::nullopt;
}

void Framer::open() {
    ++depth_;
    if (depth_ > depth_limit && trouble_.empty()) {
        trouble_ = fmt::format("it is nested deeper than {}", depth_limit);
    }
}

/// In JSON an inner object follows a colon, a comma or a bracket, and nothing else.
bool Framer::value_may_stand_here() const {
    char previous = before_;
    for (std::size_t i = at_; i > start_; --i) {
        if (holds(white_space, buffer_[i - 1])) continue;
        previous = buffer_[i - 1];
        break;
    }
    return previous == ':' || previous == ',' || previous == '[';
}

/// The present message ends before at_.
Framer::Frame Framer::cut(std::string error) {
    const std::size_t here = at_ - start_;
    if (error.empty()) error = std::move(trouble_);
    if (error.empty() && skipped_ + here > limit_) {
        error = fmt::format("it is longer than {} bytes", limit_);
    }
    Frame frame;
    if (error.empty()) {
        frame.bytes.assign(buffer_, start_, here);
    } else {
        frame.bytes = std::move(head_);
        frame.bytes.append(buffer_, start_, std::min(here, head_bytes - frame.bytes.size()));
    }
    frame.error = std::move(error);
    start_ = at_;
    place_ = Place::Between;
    depth_ = 0;
    escaped_ = false;
    trouble_.clear();
    head_.clear();
    skipped_ = 0;
    before_ = '\0';
    return frame;
}

/// Throws away what was cut out, and what of the present message will not be needed.
void Framer::keep_the_rest() {
    if (place_ == Place::Between) {
        if (buffer_.capacity() > spare_bytes) buffer_ = std::string();
        buffer_.clear();
        start_ = at_ = 0;
        return;
    }
    const std::size_t here = at_ - start_;
    if (trouble_.empty() && skipped_ + here > limit_) {
        trouble_ = fmt::format("it is longer than {} bytes", limit_);
    }
    if (!trouble_.empty() || (place_ == Place::Garbage && here > head_bytes)) {
        head_.append(buffer_, start_, std::min(here, head_bytes - head_.size()));
        const auto last = std::find_if(buffer_.rbegin(), buffer_.rbegin() + static_cast<std::ptrdiff_t>(here),
                                       [](char byte) { return !holds(white_space, byte); });
        if (last != buffer_.rbegin() + static_cast<std::ptrdiff_t>(here)) before_ = *last;
        skipped_ += here;
        start_ = at_;
    }
    buffer_.erase(0, start_);
    at_ -= start_;
    start_ = 0;
}

}  // namespace qvm::qmp
