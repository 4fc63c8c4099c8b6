// SPDX-License-Identifier: GPL-3.0-or-later
// What `apply` has a supervisor do: the changes of a VM that runs, as plain data that goes over its socket.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "launch/compiled.hpp"

namespace qvm::launch {

/// What of Applied::compiled is true once an operation is done.
struct RecordEdit {
    std::optional<CompiledResource> set;
    std::string erase;     ///< a resource's id, or empty
    std::string settings;  ///< the new text, or empty
    bool empty() const { return !set && erase.empty() && settings.empty(); }
};

struct Operation {
    enum class Kind {
        Command,     ///< one QMP command
        QomSet,      ///< of `path`: undone with the value that was there
        Unplug,      ///< of the device `device`: done when QEMU says that it is gone
        Grow,        ///< of a block node, as a GrowStep: {node-name, size}. Nothing undoes it
        Limits,      ///< of the VM's cgroup: {from, to}, as limits_to_json() says them
        Settings,    ///< of the supervisor: members of `arguments`
        TakeHelper,  ///< {name, pid, start-time}: a helper process becomes one of the VM's
        EndHelper,   ///< {name}
    };
    Kind kind = Kind::Command;
    std::string resource;  ///< "device.data", for messages
    std::string origin;    ///< "vm.toml:3:1", or empty
    std::string command;   ///< of Command
    Json arguments;        ///< of Command: null for none. QomSet: {path, property, value}. See Kind
    std::string fd;        ///< the name of a descriptor that was passed before; it is closed then
    std::string device;    ///< of Unplug
    /// Of Unplug: it is the guest that lets the device go, so only a running one can.
    bool needs_guest = false;
    /// Devices that must be gone before. While one is pending, this is.
    std::vector<std::string> after;
    /// In the order to do them; of an addition, what takes it away.
    std::vector<Operation> undo;
    bool lasting = false;   ///< nothing undoes it: told, when what comes later fails
    bool may_fail = false;  ///< what it does may have been done by QEMU itself
    RecordEdit record;

    /// "device_add device.data"
    std::string title() const;
    Json to_json() const;
    /// Throws Json::exception.
    static Operation from_json(const Json& saved);
};

/// The three parts of an apply. Of the first two, a failure undoes all; of the last, nothing is undone.
struct Operations {
    std::vector<Operation> additions;
    std::vector<Operation> changes;
    std::vector<Operation> removals;
    /// Removals first, then additions: what is replugged.
    std::vector<Operation> replugs;

    bool empty() const { return additions.empty() && changes.empty() && removals.empty() && replugs.empty(); }
    Json to_json() const;
    static Operations from_json(const Json& saved);
};

}  // namespace qvm::launch
