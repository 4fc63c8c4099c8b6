// SPDX-License-Identifier: GPL-3.0-or-later
// What is known of the server at this moment, for completion and checks. Nothing here waits: what is not
// known yet is asked for, and whoever wanted it is told when it has come.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qapi/schema.hpp"

namespace qvm::shell {

/// What names things in a running VM. With each: where its names come from.
enum class NameKind {
    Node,     ///< block nodes: query-named-block-nodes
    Disk,     ///< block backends by device or qdev id: query-block
    Device,   ///< ids below /machine/peripheral
    Bus,      ///< what is of a type that implements "bus", anywhere below /machine
    Netdev,   ///< no query lists them all: what query-rx-filter, devices' netdev properties and our own adds
              ///< tell
    Chardev,  ///< query-chardev
    Job,      ///< query-jobs
    Object,   ///< ids below /objects
    Memdev,   ///< query-memdev
    QomPath,  ///< children of the QOM path in `context`
    QomProperty,     ///< properties of the object at `context`
    DeviceType,      ///< qom-list-types implements=device abstract=false
    ObjectType,      ///< qom-list-types implements=user-creatable
    DeviceProperty,  ///< device-list-properties typename=`context`
    Snapshot,        ///< of any image in query-named-block-nodes
};

class Vocabulary {
  public:
    Vocabulary() = default;
    Vocabulary(const Vocabulary&) = delete;
    Vocabulary& operator=(const Vocabulary&) = delete;
    Vocabulary(Vocabulary&&) = delete;
    Vocabulary& operator=(Vocabulary&&) = delete;
    virtual ~Vocabulary() = default;

    /// Null until it is known. Valid until the shell goes back to its event loop.
    virtual const qapi::Schema* schema() const = 0;
    /// The command names alone come sooner than the schema; empty until they are known.
    virtual std::vector<std::string> command_names() const = 0;
    /// Nothing when it is not known yet: then it has been asked for.
    virtual std::optional<std::vector<std::string>> names(NameKind kind, std::string_view context) = 0;
    /// A property's type as device-list-properties tells it ("uint32", "bool", "str"); empty if unknown.
    /// Where `device_type` begins with a slash it is the QOM path of an object instead.
    virtual std::string property_type(std::string_view device_type, std::string_view property) = 0;
    /// The first sentence of the command's documentation, or "".
    virtual std::string summary(std::string_view command) = 0;

    struct Builtin {
        std::string name;       ///< without the slash
        std::string arguments;  ///< "NAME [VALUE]"
        std::string summary;
    };
    virtual std::vector<Builtin> builtins() const = 0;
};

}  // namespace qvm::shell
