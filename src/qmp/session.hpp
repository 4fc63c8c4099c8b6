// SPDX-License-Identifier: GPL-3.0-or-later
// The client's side of the protocol without any I/O: bytes in, messages out. Framing is by JSON (balanced
// braces outside strings), not by lines: a QMP server need not send a newline, and may send events before its
// greeting and before the reply to qmp_capabilities.
#pragma once
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "qmp/message.hpp"

namespace qvm::qmp {

/// Cuts a byte stream into JSON objects. Bytes between objects that are no white space come out as Garbage, up
/// to the next '{' or line end. A message longer than the limit is skipped to its end and reported as Garbage;
/// the stream goes on. Depth is limited too (1024), for the parser's sake.
class Framer {
  public:
    explicit Framer(std::size_t limit) : limit_(limit) {}
    void feed(std::string_view bytes);

    struct Frame {
        std::string bytes;
        std::string error;  ///< not empty: `bytes` is the beginning of what is no message, and this says why
    };
    std::optional<Frame> next();
    /// Bytes held that are not yet a whole message.
    std::size_t pending_bytes() const;

  private:
    void scan(std::string_view bytes);
    void finish(std::string error);

    std::size_t limit_;
    std::string partial_;
    std::deque<Frame> frames_;
    std::size_t depth_ = 0;
    std::size_t skipped_ = 0;
    bool in_string_ = false;
    bool escaped_ = false;
    bool in_garbage_ = false;
};

/// 256 MiB: larger than any honest reply.
inline constexpr std::size_t default_message_limit = std::size_t{256} << 20U;

class Session {
  public:
    explicit Session(std::size_t message_limit = default_message_limit);

    /// The bytes of one command, with a newline at the end.
    static std::string encode(std::string_view command, const Json& arguments, const Json& id, bool oob);

    void feed(std::string_view bytes);
    /// The next whole message, in order of arrival. Never throws for what the other side sent.
    std::optional<Inbound> next();

  private:
    Framer framer_;
};

/// Classifies one JSON object from a server.
Inbound parse_inbound(std::string_view bytes);

}  // namespace qvm::qmp
