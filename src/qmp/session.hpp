// SPDX-License-Identifier: GPL-3.0-or-later
// The client's side of the protocol without any I/O: bytes in, messages out. Framing is by JSON (balanced
// braces outside strings), not by lines: a QMP server need not send a newline, and may send events before its
// greeting and before the reply to qmp_capabilities.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "qmp/message.hpp"

namespace qvm::qmp {

/// Cuts a byte stream into JSON objects; each byte is looked at once. Whatever comes, the stream goes on:
/// - bytes between objects that are no white space come out as an error, up to the next '{' or line end;
/// - a message longer than the limit, or nested deeper than 1024, is skipped to its end;
/// - an object or string that never ends is given up at the first byte that cannot be inside it: a line end
/// in
///   a string, a '{' where no value can stand, and byte 0xFF, with which QEMU's clients reset its parser.
class Framer {
  public:
    /// What byte 0xFF does inside a string: part of it (a server sends text that is no UTF-8), or reset the
    /// parser as QEMU's own does (a client says so).
    enum class InvalidByte { Keep, Reset };

    explicit Framer(std::size_t limit, InvalidByte in_string = InvalidByte::Keep)
        : limit_(limit), in_string_(in_string) {}
    void feed(std::string_view bytes) { buffer_.append(bytes); }

    struct Frame {
        std::string bytes;
        std::string error;  ///< not empty: `bytes` is the beginning of what is no message, and this says why
    };
    /// The next whole message of what was fed.
    std::optional<Frame> next();
    /// Bytes received of the message that is not yet whole.
    std::size_t pending_bytes() const;

  private:
    enum class Place { Between, Garbage, Object, String };

    void skip_space();
    std::optional<Frame> scan_garbage();
    std::optional<Frame> scan_object();
    std::optional<Frame> scan_string();
    void open();
    bool value_may_stand_here() const;
    Frame cut(std::string error);
    void keep_the_rest();

    std::size_t limit_;
    InvalidByte in_string_;
    std::string buffer_;
    std::size_t start_ = 0;  ///< of the present message in buffer_
    std::size_t at_ = 0;     ///< the next byte to look at
    Place place_ = Place::Between;
    std::size_t depth_ = 0;
    bool escaped_ = false;     ///< the byte at at_ follows a backslash
    std::string trouble_;      ///< why the present message will be refused at its end
    std::string head_;         ///< its beginning, once its bytes are thrown away
    std::size_t skipped_ = 0;  ///< bytes of it thrown away
    char before_ = '\0';       ///< the last of them that is no white space
};

/// 256 MiB: larger than any honest reply.
inline constexpr std::size_t default_message_limit = std::size_t{256} << 20U;

class Session {
  public:
    explicit Session(std::size_t message_limit = default_message_limit);

    /// The bytes of one command, with a newline at the end. Throws ProtocolError when the arguments are no
    /// object or hold text that is no UTF-8.
    static std::string encode(std::string_view command, const Json& arguments, const Json& id, bool oob);
    /// The same of a whole command that somebody else made.
    static std::string encode(const Json& message);

    void feed(std::string_view bytes);
    /// The next whole message, in order of arrival. Never throws for what the other side sent.
    std::optional<Inbound> next();
    /// The bytes of the message that next() returned last, as they came.
    std::string& text() { return text_; }

  private:
    Framer framer_;
    std::string text_;
};

/// Classifies one JSON object from a server. Text that is no UTF-8 is read with U+FFFD in its place.
Inbound parse_inbound(std::string_view bytes);

}  // namespace qvm::qmp
