// SPDX-License-Identifier: GPL-3.0-or-later
// What travels on a QMP connection, as values. Source: docs/interop/qmp-spec.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace qvm::qmp {

struct Greeting {
    int major = 0, minor = 0, micro = 0;
    std::string package;
    std::vector<std::string> capabilities;  ///< "oob"

    Json to_json() const;
};

/// A command's success. `id` is whatever the client sent, verbatim.
struct Reply {
    Json id;
    Json value;
};

/// A command's failure, or (id is null) a complaint about bytes that were no command.
struct ErrorReply {
    Json id;
    std::string error_class;  ///< "GenericError", "CommandNotFound", "DeviceNotFound", ...
    std::string description;
};

struct Event {
    std::string name;
    Json data;  ///< an object, perhaps empty
    std::int64_t seconds = 0;
    std::int64_t microseconds = 0;

    /// One of our own, with the present time.
    static Event now(std::string name, Json data);
    Json to_json() const;
};

/// Bytes that are no QMP message: not JSON, not an object, or none of the above; or longer than the limit.
struct Garbage {
    std::string why;
    std::string bytes;  ///< the beginning of it, at most 200 bytes
};

using Inbound = std::variant<Greeting, Reply, ErrorReply, Event, Garbage>;

/// Cannot connect, or the greeting did not come.
class ConnectError : public Error {
    using Error::Error;
};
/// A call made in the wrong state (execute() after the connection has ended).
class StateError : public Error {
    using Error::Error;
};
/// The other side broke the protocol, or answered something of another shape than its schema says.
class ProtocolError : public Error {
    using Error::Error;
};
/// QEMU answered a command with an error. Never decide by the text: QEMU changes it between versions.
class ExecuteError : public Error {
  public:
    ExecuteError(std::string command, std::string error_class, std::string description);
    const std::string& command() const { return command_; }
    const std::string& error_class() const { return error_class_; }
    const std::string& description() const { return description_; }

  private:
    std::string command_, error_class_, description_;
};
/// The connection ended, or the deadline passed, while a command was under way: nobody knows whether it ran.
class InterruptedError : public Error {
  public:
    enum class Why { Disconnected, DeadlinePassed, Abandoned };
    InterruptedError(std::string command, Why why);
    const std::string& command() const { return command_; }
    Why why() const { return why_; }

  private:
    std::string command_;
    Why why_;
};

}  // namespace qvm::qmp
