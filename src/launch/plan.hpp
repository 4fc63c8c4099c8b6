// SPDX-License-Identifier: GPL-3.0-or-later
// What will be done to start a VM, as plain data: decided purely, printed by `qvm plan`, executed by the
// runner.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.hpp"
#include "base/origin.hpp"
#include "config/id_map.hpp"
#include "config/resource.hpp"

namespace qvm::launch {

/// Reads a secret: exactly one of these is not empty. Later steps get a file in memory, of which QEMU is sent
/// the text.
struct ReadSecret {
    std::filesystem::path path;
    std::string env;         ///< a variable
    std::string credential;  ///< a file in systemd's $CREDENTIALS_DIRECTORY
};

/// An image that is made where there is none.
struct NewImage {
    std::string format;             ///< raw, qcow2, luks
    std::uint64_t size = 0;         ///< bytes; 0: as large as what it lies over
    std::filesystem::path backing;  ///< empty: over nothing
    std::string backing_format;
    std::optional<ReadSecret> key;  ///< of an encrypted one
    bool ephemeral = false;         ///< it has no name once it is open, and what has its name is replaced
};

/// Opens a file. The descriptor is known to later steps by the step's name.
struct OpenFile {
    std::filesystem::path path;
    config::Access access = config::Access::ReadOnly;
    bool direct =
        false;  ///< the user asked for cache.direct: nothing to do at open, QEMU sets O_DIRECT itself
    /// Not empty: a file that is missing is made as a copy of this one.
    std::filesystem::path copy_of = {};
    std::optional<NewImage> create = {};
    unsigned count = 1;  ///< how often
};

/// Binds and listens on a socket: a [host.X] socket's path, or `in_runtime` a name in the VM's runtime
/// directory, or an address of this host.
struct ListenSocket {
    std::filesystem::path path;
    std::string in_runtime;
    std::string address = {};  ///< "127.0.0.1:5901"
};

struct ConnectSocket {
    std::filesystem::path path;
};

/// Makes a place where QEMU binds the socket itself; it becomes `path` once QEMU has. There is no descriptor.
struct PlaceSocket {
    std::filesystem::path path;
};

/// Opens the tap interface `ifname`, which exists or is made (that needs CAP_NET_ADMIN), or makes one in
/// `bridge`, which without privileges QEMU's bridge helper does. What is made goes with its last descriptor.
struct OpenTap {
    std::string ifname;   ///< empty: the kernel counts, qvm0, qvm1, ..
    std::string bridge;   ///< empty: in none
    unsigned queues = 1;  ///< a descriptor for each
    unsigned mtu = 0;     ///< of one that is made; 0: the bridge's, else the kernel's
    /// Not empty: a macvtap over this interface is made, with the address `mac` (privileges, too).
    std::string parent = {};
    std::string mac = {};
};

/// Opens a USB device of this host for QEMU, whose name is config::usb_name()'s.
struct OpenUsb {
    std::string device;
};

/// Starts a helper process on one end of a connection; later steps get the other end. "{fd}" in argv is the
/// number of its end: of a virtiofsd, a socket that listens and has that one connection waiting.
struct StartProcess {
    std::string profile;  ///< "passt", "swtpm", "virtiofsd"
    std::vector<std::string> argv;
    /// {path} in argv: where a swtpm keeps the TPM's state (empty: in the VM's state directory), or what a
    /// virtiofsd serves.
    std::filesystem::path path = {};
    bool read_only = false;  ///< of a virtiofsd: nothing in there can be changed
    /// Of a virtiofsd, as those of QEMU. Empty: the system's.
    std::filesystem::path loader = {};
    std::vector<std::filesystem::path> library_path = {};
    /// Of a virtiofsd: whom of the host the guest's users and groups are; empty: one user.
    std::vector<config::IdRange> uid_map = {}, gid_map = {};
};

/// Makes the disk that cloud-init reads, in memory.
struct WriteSeed {
    std::string user, hostname, instance_id;  ///< empty: not said
    std::vector<std::string> ssh_keys;        ///< absolute paths of public keys, or keys
    std::filesystem::path user_data;          ///< empty: none
    std::string user_data_text;
    std::filesystem::path network_config;  ///< empty: none
};

/// Makes a descriptor of this host. Its name is that of the resource with the member that needs it
/// ("blockdev.root.file.filename"), of the [host.X] table ("host.lan"), or of the VM's own ("monitor",
/// "kernel.image").
struct HostStep {
    std::string name;  ///< of the first descriptor; see descriptor_name()
    std::variant<OpenFile, ListenSocket, ConnectSocket, PlaceSocket, OpenTap, OpenUsb, StartProcess,
                 ReadSecret, WriteSeed>
        action;
};

/// A step may make several.
inline std::string descriptor_name(const std::string& step, unsigned index) {
    return index == 0 ? step : step + '#' + std::to_string(index);
}

/// Words of QEMU's command line.
struct ArgvStep {
    std::vector<std::string> words;
};

/// A host descriptor that QEMU inherits under a fixed number.
struct InheritStep {
    std::string host;  ///< HostStep::name
    int number = -1;
};

/// A file that is copied into the jail (kernel, initrd, firmware).
struct CopyStep {
    std::string host;       ///< HostStep::name of the opened file
    std::string jail_path;  ///< "/vm/kernel", or in a reduced jail "/proc/self/fd/NUMBER"
    int number = -1;        ///< the NUMBER
};

/// A socket of the host that QEMU connects to is in the jail under the same path. With a `target`, a
/// directory is there instead, writable, for QEMU to make one in.
struct BindStep {
    std::filesystem::path path;
    std::filesystem::path target = {};
};

/// A QMP command, with at most one descriptor.
struct QmpStep {
    std::string command;
    Json arguments;  ///< null: none
    /// HostStep::name, or empty; our copy is closed after the reply. Of a command that takes_secret(): a
    /// secret, of which the text is sent.
    std::string fd;
};

/// Lets a block node grow to `size` bytes, where it is smaller (block_resize). A larger one is an error: no
/// disk is ever shrunk.
struct GrowStep {
    std::string node;
    std::uint64_t size = 0;
};

/// Waits for an event that the preceding command causes.
struct WaitStep {
    std::string event;
    std::chrono::milliseconds deadline{10'000};
};

struct Step {
    std::variant<HostStep, InheritStep, CopyStep, BindStep, ArgvStep, QmpStep, GrowStep, WaitStep> action;
    config::ResourceId resource;  ///< id may be empty: of the VM as a whole
    Origin origin;                ///< where the user asked for it; unknown for what qvm adds itself
};

/// Steps in the order they are done: host, inherit/copy/bind/argv (QEMU is started after the last of them),
/// qmp/grow/wait.
struct Plan {
    std::string vm;
    std::string accel;  ///< the one accelerator
    std::vector<Step> steps;

    /// QEMU's arguments, without argv[0].
    std::vector<std::string> argv() const;
    Json to_json() const;
    /// A table for people: one line a resource, with what it is, how QEMU gets it and who asked for it.
    std::string to_text() const;
};

/// The names compile() uses for what every VM has.
inline constexpr const char* monitor_socket = "monitor.sock";  ///< in the runtime directory
inline constexpr const char* console_socket = "console-qemu.sock";

}  // namespace qvm::launch
