// SPDX-License-Identifier: GPL-3.0-or-later
// What qvm knows of a VM on disk, and the locks that keep it true.
//
// State directory ($XDG_STATE_HOME/qvm/NAME, else ~/.local/state/qvm/NAME, as root /var/lib/qvm/NAME):
// origin.json, applied.json, images.json, disks/, the locks, exit.json, qemu.log, supervisor.log,
// console.log, as root uid. Runtime directory
// ($QVM_RUNTIME_DIR, else as root /run/qvm, else $XDG_RUNTIME_DIR/qvm if ours, else /run/user/UID/qvm if
// ours, else /tmp/qvm-UID): NAME/*.sock. The locks are open file description locks (fcntl(2), F_OFD_SETLK):
// they live as long as the open file they were taken on, in whichever process, and asking who has one takes
// nothing.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/json.hpp"
#include "config/choices.hpp"
#include "jail/cgroup.hpp"
#include "jail/spawn.hpp"
#include "launch/compiled.hpp"
#include "launch/jail_uids.hpp"
#include "launch/operation.hpp"

namespace qvm::launch {

/// Where things are for the calling user.
struct Directories {
    std::filesystem::path state;    ///< holds one directory per VM
    std::filesystem::path runtime;  ///< likewise
    std::filesystem::path cache;
    /// A warning when the runtime directory vanishes at logout, else empty.
    std::string runtime_warning;
    /// From the environment and the uid. Makes nothing. Throws Error when /tmp/qvm-UID belongs to someone
    /// else.
    static Directories from_environment();
};

/// A process as it can be found again: pids are recycled, start times are not.
struct ProcessRecord {
    pid_t pid = -1;
    std::uint64_t start_time = 0;  ///< field 22 of /proc/PID/stat
    static ProcessRecord of(pid_t pid);
    /// Empty if that process has ended (or the pid is another's now).
    PidFd open() const;
};

/// A device that an apply took out of the VM, and that the guest has not let go yet.
struct PendingUnplug {
    std::string device;    ///< its id
    std::string resource;  ///< "device.data"
    bool asked = false;    ///< device_del was sent; otherwise the guest did not run
};

/// What the spawner runs when something becomes of the VM: lifecycle.hooks, found.
struct HookCommand {
    config::HookEvent event = config::HookEvent::Started;
    std::vector<std::string> argv;  ///< the first is absolute
};

/// How far an apply has come: what a supervisor that dies leaves to its successor.
struct InFlight {
    /// In the order of doing. The last one may be that of something which was not done.
    std::vector<Operation> undo;
    /// Removals, which are not undone: what is left of them.
    std::vector<Operation> todo;
    bool removing = false;             ///< there is no way back any more
    std::vector<std::string> lasting;  ///< titles of what was done and nothing undoes
};

/// applied.json: what was started last, replaced atomically.
struct Applied {
    enum class Phase { Starting, Running, Ended };
    Phase phase = Phase::Starting;
    std::filesystem::path origin;  ///< the VM's first file
    std::vector<std::filesystem::path> files;
    std::vector<std::string> overrides;  ///< --set and --unset
    Compiled compiled;                   ///< what runs
    std::uint64_t revision = 0;          ///< of `compiled`: counts the changes since the start
    /// Since the start, those that have gone again counted; nothing: nobody counts.
    std::optional<unsigned> processors_added = 0;
    std::vector<PendingUnplug> pending;
    std::vector<Operation> after_pending;  ///< what is to be done once those have gone
    std::optional<InFlight> in_flight;     ///< an apply is at work
    std::uint64_t generation = 0;
    std::string qemu;  ///< "QEMU 7.2.22 (/usr/bin/..)"
    std::string accel;
    std::string jail;            ///< "strict", "reduced", "off"
    std::string landlock;        ///< jail.landlock
    std::string on_violation;    ///< jail.on-violation
    std::string net;             ///< jail.net
    std::optional<HostIds> ids;  ///< as root: whom QEMU runs as
    std::string attach;          ///< "observe", "operate", "all"
    ProcessRecord supervisor, stub;
    ProcessRecord process;                       ///< QEMU, which the stub waits for
    std::vector<std::filesystem::path> sockets;  ///< to unlink in the end
    std::optional<ProcessRecord> spawner;        ///< starts it again, and runs `hooks`
    std::vector<HookCommand> hooks;
    std::vector<std::pair<std::string, ProcessRecord>> helpers;
    std::optional<jail::CgroupRecord> cgroup;  ///< nothing: none was asked for
    std::chrono::system_clock::time_point started;
    std::chrono::milliseconds stop_timeout{30'000};
    bool restart_on_reboot = false;     ///< lifecycle.on-reboot = "restart"
    unsigned restarts = 0;              ///< since `up`, see starts_again()
    bool ends_with_supervisor = false;  ///< lifecycle.on-supervisor-death = "kill"
    bool restart_on_crash = false;      ///< lifecycle.on-crash = "restart": a guest that panics is reset
    config::OnHelperDeath on_helper_death = config::OnHelperDeath::Report;
    std::string console;  ///< id of the console chardev, or empty
    Json ended;           ///< {how, detail} once it has ended, see Ending; also `hook`, what
                          ///< its hook has to complain of
    /// Does a reboot, or the death of a helper, have QEMU started anew?
    bool starts_again() const;
    Json to_json() const;
    static Applied from_json(const Json& saved);
};

enum class Condition {
    Stopped,   ///< no process
    Starting,  ///< an `up` is at work
    Running,   ///< supervised
    Orphaned,  ///< runs, without a supervisor
};

/// One VM's directories and files.
class VmState {
  public:
    VmState(const Directories& directories, std::string name);

    const std::string& name() const { return name_; }
    std::filesystem::path directory() const;
    std::filesystem::path runtime_directory() const;
    /// A socket in the runtime directory; a path longer than a socket address is shortened by a hash (then
    /// the socket is beside that directory), where that is short enough.
    std::filesystem::path socket(const std::string& file) const;
    bool exists() const;
    /// Makes both directories, 0700. Throws SystemError.
    void create();
    /// Throws Error naming the file when it is damaged; nothing when there is none, as before the first
    /// start.
    std::optional<Applied> applied() const;
    /// What is written of a VM that starts or runs survives any process, but not the machine, with which the
    /// VM ends anyway: waiting for the disk twice would take a third of a start's time.
    void write_applied(const Applied& applied);
    /// By the locks, not by the file.
    Condition condition() const;
    /// The file that the name belongs to, unless that is `origin`, or is gone.
    std::optional<std::filesystem::path> owner_other_than(const std::filesystem::path& origin) const;
    /// Takes the name for `origin` (absolute), or throws Error (Invalid) when it belongs to another existing
    /// file. Makes the directories first. Returns a notice when a moved file is taken over, else "".
    std::string claim(const std::filesystem::path& origin);
    /// As root: the uid this VM's QEMU runs as (allotted once, and again when it is not in `range`); else
    /// nothing.
    std::optional<std::uint32_t> host_uid(JailUids::Range range = JailUids::usual);
    /// The one that was allotted last, if any.
    std::optional<std::uint32_t> known_uid() const;

    /// Held by who changes the VM (up, stop of an orphan, kill, rm): waits up to `timeout`. Throws Error
    /// (TimedOut) naming who holds it, Error (NoSuchVm) when the VM is removed meanwhile.
    Fd lock_operation(std::chrono::milliseconds timeout);
    /// Held by the supervisor for as long as it lives; empty if taken.
    Fd try_lock_supervisor();
    /// Its open file description is inherited by the jail's pid 1 and lives as long as the VM; empty if
    /// taken.
    Fd try_lock_vm();

    /// How QEMU ended the last time; nothing while it runs, or when it was killed with its jail.
    std::optional<jail::ExitStatus> exit_report() const;

    /// The images that this VM may make, and has had: one that is gone is not made again.
    std::set<std::filesystem::path> known_images() const;
    /// Throws SystemError.
    void know_image(const std::filesystem::path& path);
    void forget_image(const std::filesystem::path& path) noexcept;

    Fd open_file(const std::string& file, int flags) const;  ///< in the state directory, 0600
    /// Removes sockets and the runtime directory (not the state).
    void remove_runtime() noexcept;
    /// Where the images are that qvm made and no file names. It need not be there.
    std::filesystem::path disks() const { return directory() / "disks"; }
    /// Removes all of the state too, but for the images if those are to be kept.
    void remove(bool keep_disks = false);

  private:
    /// As written down; empty when nothing is.
    std::filesystem::path owner() const;

    Directories directories_;
    std::string name_;
};

/// The names of all VMs that have state, sorted.
std::vector<std::string> all_names(const Directories& directories);

}  // namespace qvm::launch
