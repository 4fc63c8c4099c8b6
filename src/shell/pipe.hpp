// SPDX-License-Identifier: GPL-3.0-or-later
// What may follow a command behind a bar: a path into its reply, or a grep over it. Pure.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json_fwd.hpp"

namespace qvm::shell {

/// "[]": each element of an array, or value of an object.
struct EachElement {
    bool operator==(const EachElement&) const = default;
};
/// A member's name, an index (-1 is the last), or each.
using PathStep = std::variant<std::string, std::int64_t, EachElement>;
using ReplyPath = std::vector<PathStep>;

struct PipeStage {
    enum class Kind { Path, Grep };
    Kind kind = Kind::Path;
    ReplyPath path;
    std::string pattern;       ///< of grep: plain text, not empty
    bool ignore_case = false;  ///< grep -i
    bool invert = false;       ///< grep -v

    bool operator==(const PipeStage&) const = default;
};

/// A path or a grep that cannot be read, or does not fit the reply. The text is a sentence without a dot.
class PipeError : public std::runtime_error {
  public:
    /// `at`: the byte of the text that is at fault; 0 where a reply is.
    explicit PipeError(const std::string& what, std::size_t at = 0) : std::runtime_error(what), at_(at) {}
    std::size_t at() const { return at_; }

  private:
    std::size_t at_;
};

/// ".", ".a.b[0].c", ".[].name", ".\"odd key\"[-1]". The dot before a '[' may be left out. Throws PipeError.
ReplyPath parse_reply_path(std::string_view text);
/// The shortest text that gives this path.
std::string to_text(const ReplyPath& path);

/// ".a.b", "grep [-i] [-v] TEXT": TEXT goes on to the end, and may be quoted. Throws PipeError.
PipeStage parse_pipe_stage(std::string_view text);
std::string to_text(const PipeStage& stage);

/// What the path leads to; with "[]" an array of all it leads to, where what lacks a member that others have
/// gives null. Throws PipeError, which says what was there instead.
Json follow(const ReplyPath& path, const Json& reply);

/// Of a string the lines that hold the pattern, of an array the elements, of an object the members whose name
/// or value does; of anything else itself, or null.
Json grep(const PipeStage& stage, const Json& reply);

/// All stages in their order.
Json apply(const std::vector<PipeStage>& stages, Json reply);

}  // namespace qvm::shell
