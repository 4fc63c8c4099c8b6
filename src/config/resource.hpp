// SPDX-License-Identifier: GPL-3.0-or-later
// A VM as a graph of resources: what a file means once all sugar is gone. Everything after lowering sees
// this.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/origin.hpp"
#include "config/choices.hpp"
#include "config/value.hpp"

namespace qvm::config {

/// Object: object-add. Chardev: chardev-add. Blockdev: blockdev-add. Netdev: netdev_add. Audiodev: -audiodev,
/// which has no command. Device: device_add.
/// Host: something of this host that QEMU gets as a file descriptor.
enum class Kind { Object, Chardev, Blockdev, Netdev, Audiodev, Device, Host };

/// The name of the raw table: "object", "chardev", ..., "host".
std::string_view table_name(Kind kind);

struct ResourceId {
    Kind kind = Kind::Device;
    std::string id;
    auto operator<=>(const ResourceId&) const = default;
    /// "blockdev.root"
    std::string to_string() const { return std::string(table_name(kind)) + '.' + id; }
};

/// How a file or descriptor of this host gets into the jail.
enum class Entrance {
    Fdset,   ///< opened here, add-fd, "/dev/fdset/N" in its place
    Getfd,   ///< opened here, getfd, its name in its place
    Copy,    ///< copied into the jail's own read-only file system, its path there in its place
    Bind,    ///< a socket that QEMU connects to: it is in the jail, under the same path
    Listen,  ///< a socket that QEMU makes in a place of its own, whose path there is in its place
    Text,    ///< a secret: its text is sent in its place
    Keep,    ///< a path that exists in the jail anyway (/dev/urandom, a firmware name QEMU finds itself)
};

enum class Access { ReadOnly, ReadWrite, WriteOnly };

/// A member of a resource that names something of this host.
struct HostUse {
    /// Where in Resource::properties: member names and (decimal) array indexes.
    std::vector<std::string> member;
    Entrance entrance = Entrance::Fdset;
    Access access = Access::ReadOnly;
    std::filesystem::path path;  ///< absolute; empty if `host` names a resource
    std::string host;            ///< the id of a [host.X] resource ("@X"), or empty
    Origin origin;
};

/// A reference from one resource to another, found in a member.
struct Reference {
    std::vector<std::string> member;
    ResourceId target;
    Origin origin;
};

/// A key with a plain value and where it was said; the origin is unknown for a default.
template <class T>
struct Setting {
    T value{};
    Origin origin;
    bool given() const { return origin.known(); }
};

struct Resource {
    ResourceId id;
    /// QAPI's or qdev's own arguments, without the id (blockdev: without node-name, object and netdev:
    /// without id): a table as written or lowered. Host: the table of its kind.
    Value properties;
    /// The same, typed as QEMU wants it: made by check(). Still with host paths and "@host" in it.
    Json arguments;
    std::vector<HostUse> host_uses;     ///< made by find_host_uses()
    std::vector<Reference> references;  ///< made by check()
    /// The table that made it: "disk.root", "blockdev.root".
    std::string made_by;
    Origin origin;  ///< of that table's header or key
    /// Some keys of a block node are not QEMU's. "grow-to": it grows to so many bytes, where it is smaller.
    std::optional<Setting<std::uint64_t>> grow_to;
    /// "create": where its file is missing, an image of so many bytes is made; 0: as large as its backing.
    std::optional<Setting<std::uint64_t>> create;
    /// "ephemeral": its file is made at each start, as `create` says, and has lost its name before QEMU has
    /// it.
    bool ephemeral = false;
    /// "copy-of": where its file is missing, it is made as a copy of this one. Absolute.
    std::optional<Setting<std::filesystem::path>> copy_of;

    /// The driver / qom-type / type, or "" when missing.
    std::string driver() const;
};

struct Machine {
    Setting<std::string> type{"q35", {}};
    Setting<std::vector<std::string>> accel{{"kvm", "tcg"}, {}};
    Table properties;                ///< as written: pflash0, kernel-irqchip, ...
    Json checked_properties;         ///< typed by check()
    std::vector<HostUse> host_uses;  ///< made by find_host_uses(): firmware = "/path", ...
};

struct Cpu {
    Setting<std::string> model{"max", {}};
    Table properties;
    Json checked_properties;
};

/// The CPUs of the host that a CPU of the guest may run on.
struct Pin {
    std::vector<unsigned> cpus;  ///< ascending; empty: any
    Origin origin;
};

/// The complete -smp. Unset numbers are derived by lower(): threads 1, dies 1, cores fill a socket before
/// there are more sockets, for all that there may ever be (`max`).
struct Smp {
    unsigned cpus = 1, sockets = 1, dies = 1, cores = 1, threads = 1, maxcpus = 1;
    Origin origin;
    std::vector<Pin> pins;  ///< by the index of the guest's CPU: none, or `maxcpus` of them
};

/// Direct kernel boot. Paths are absolute.
struct Kernel {
    Setting<std::filesystem::path> image;
    std::optional<Setting<std::filesystem::path>> initrd;
    std::optional<Setting<std::filesystem::path>> dtb;
    Setting<std::string> append;
};

/// [global."driver"] and [option."group"]: a name and its properties.
struct NamedTable {
    std::string name;
    Table properties;
    Json arguments;  ///< typed by check()
    Origin origin;
    std::vector<HostUse> host_uses;  ///< made by find_host_uses(): [option.fw_cfg] file = "..", ...
};

/// [[qmp]]: a command that QEMU gets when it starts, and at no other time.
struct StartCommand {
    Setting<CommandAt> at{CommandAt::PreStart, {}};
    Setting<std::string> execute;
    Table arguments;                 ///< as written or lowered
    Json checked_arguments;          ///< typed by check()
    std::vector<HostUse> host_uses;  ///< made by find_host_uses()
    std::string made_by;             ///< "qmp", "display"
    Origin origin;
};

/// A command of the host, run with the caller's rights.
struct Hook {
    HookEvent event = HookEvent::Started;
    std::vector<std::string> argv;  ///< never empty; the first is a name for PATH, or absolute
    Origin origin;
};

struct Lifecycle {
    Setting<std::chrono::milliseconds> stop_timeout{std::chrono::seconds(30), {}};
    Setting<OnReboot> on_reboot{OnReboot::Reset, {}};
    Setting<OnCrash> on_crash{OnCrash::Stop, {}};
    Setting<OnSupervisorDeath> on_supervisor_death{OnSupervisorDeath::Keep, {}};
    Setting<OnHelperDeath> on_helper_death{OnHelperDeath::Report, {}};
    std::vector<Hook> hooks;  ///< at most one of each event
};

struct UidRange {
    std::uint32_t first = 0, last = 0;
};

/// What may be said of the jail beside its mode.
struct JailOptions {
    Setting<JailLandlock> landlock{JailLandlock::Auto, {}};
    Setting<JailViolation> on_violation{JailViolation::Errno, {}};
    std::vector<Setting<std::filesystem::path>> binds_ro;  ///< absolute; seen in the jail at the same place
    Setting<JailCgroup> cgroup{JailCgroup::Auto, {}};
    Setting<JailRoot> root{JailRoot::Dirs, {}};
    Setting<JailNet> net{JailNet::None, {}};
    std::optional<Setting<std::string>> user;    ///< as root: whom QEMU runs as
    std::optional<Setting<UidRange>> uid_range;  ///< as root, without `user`: where its uid comes from
    Setting<bool> io_uring{false, {}};
    Setting<bool> qemu_sandbox{false, {}};  ///< QEMU's own filter, too
};

/// [limits]: of all processes of the VM together, as a cgroup keeps them.
struct Limits {
    std::optional<Setting<std::uint64_t>> memory;  ///< bytes
    std::optional<Setting<std::uint64_t>> cpu;     ///< thousandths of a processor
    std::optional<Setting<std::uint64_t>> pids;
    std::optional<Setting<std::uint64_t>> io_read, io_write;  ///< bytes a second, on each disk of the host
};

/// Which QEMU, for one that is not installed in the usual places. Paths are absolute; empty means the
/// default.
struct QemuBinary {
    Setting<std::string> binary;   ///< a path or a name to look up in PATH
    std::filesystem::path loader;  ///< the ELF interpreter that runs it
    std::vector<std::filesystem::path> library_path;
    std::filesystem::path module_dir;         ///< QEMU_MODULE_DIR
    std::vector<std::filesystem::path> data;  ///< -L
};

/// What `firmware` says. launch::place_firmware() makes flash of it.
struct Firmware {
    Setting<FirmwareType> type{FirmwareType::Bios, {}};
    Setting<bool> secure_boot{false, {}};
    std::optional<Setting<std::filesystem::path>> vars;  ///< absolute
    Origin origin;
    std::string missing;              ///< why this host has none that fits, else empty
    std::vector<std::string> advice;  ///< what to do about that
};

/// In the VM's runtime directory: where the guest's agent answers.
inline constexpr const char* agent_socket = "agent.sock";

struct Vm {
    Setting<std::string> name;
    Machine machine;
    Cpu cpu;
    Smp smp;
    Setting<std::uint64_t> memory{std::uint64_t{512} << 20U, {}};  ///< bytes, from the start on
    /// The most that there may ever be, what devices bring included; not less than `memory`.
    std::optional<Setting<std::uint64_t>> memory_max;
    bool memory_in_dimms = false;  ///< what comes above `memory` while it runs is DIMMs that qvm makes
    std::optional<Kernel> kernel;
    std::optional<Firmware> firmware;
    std::vector<Resource> resources;  ///< in the order they were made; hosts among them
    std::vector<NamedTable> globals;
    std::vector<NamedTable> options;
    std::vector<StartCommand> commands;        ///< in the order of the file
    std::vector<Setting<std::string>> argv;    ///< the last words of QEMU's command line, checked by nobody
    std::optional<Setting<std::string>> uuid;  ///< none: all zero, as QEMU has it
    std::vector<Setting<std::string>> links_down;  ///< the ids of nics that begin without their link
    Setting<unsigned> spare_pcie_ports{4, {}};
    Setting<bool> usb_hotplug;  ///< the jail is one that USB devices of the host can come into
    Lifecycle lifecycle;
    Setting<JailMode> jail_mode{JailMode::Strict, {}};
    Limits limits;
    Setting<AttachAllow> attach_allow{AttachAllow::Operate, {}};
    JailOptions jail;
    QemuBinary qemu;
    bool opens_window = false;  ///< display = "window": who starts it gets one
    /// The id of the chardev that `qvm console` talks to, or empty: made by the console sugar, or the raw
    /// chardev called "console" with a listening socket.
    std::string console;

    const Resource* find(const ResourceId& id) const;
    Resource* find(const ResourceId& id);
};

}  // namespace qvm::config
