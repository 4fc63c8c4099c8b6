// SPDX-License-Identifier: GPL-3.0-or-later
// Does a JSON value fit a QAPI type? Every mistake is reported, with its place and the nearest right name.
#pragma once
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json_fwd.hpp"
#include "qapi/schema.hpp"

namespace qvm::qapi {

/// The way to a place inside a JSON value: member names and array indexes.
using Path = std::vector<std::variant<std::string, std::size_t>>;

/// "file.filename", "servers[1].host"; "" for the value itself.
std::string to_string(const Path& path);

enum class ProblemKind {
    UnknownMember,
    MissingMember,
    WrongType,
    NotInEnum,
    BadSize,
    OutOfRange,
    Deprecated,
    Unstable
};

struct Problem {
    ProblemKind kind;
    Path path;  ///< the member at fault; for MissingMember, the object that lacks it plus the name
    /// "no member 'l2-cach-size'", "member 'file' is missing"; else what is to be said of the member at
    /// `path`: "must be an integer, not a string", "is deprecated".
    std::string message;
    std::string nearest;               ///< the name probably meant, or empty
    std::vector<std::string> allowed;  ///< enum values or known members, where that is the question
};

/// How a file's values are turned into what QEMU wants (a file's author writes "8M" and true where QEMU wants
/// 8388608 and "on"). Exact: nothing is converted, as for a command typed in JSON.
enum class Leniency { Exact, FromFile };

/// Checks `value` against `type` and returns it in the form QEMU wants. With FromFile: size strings and
/// strings of digits become integers, booleans become "on"/"off" where an enum has these and no boolean fits,
/// false becomes null where null fits and no boolean does. What has a problem is returned unchanged.
Json validate(const Type& type, const Json& value, Leniency leniency, std::vector<Problem>& problems);

/// The same for a command's arguments.
Json validate_arguments(const Command& command, const Json& arguments, Leniency leniency,
                        std::vector<Problem>& problems);

}  // namespace qvm::qapi
