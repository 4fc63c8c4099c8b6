// SPDX-License-Identifier: GPL-3.0-or-later
// The jail's first process: builds it around itself.
#include "jail/child.hpp"

#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>

#include "jail/sys.hpp"

namespace qvm::jail {

namespace {

int wait_for_go(Order& order, int&) {
    char go = 0;
    const auto count = sys::read(order.sync, &go, sizeof go);
    if (count < 0) return static_cast<int>(-count);
    return count == 0 ? EPIPE : 0;
}

int take_ids(Order& order, int&) {
    if (order.drop_groups)
        if (const int result = sys::setgroups(0, nullptr); result < 0) return -result;
    if (const int result = sys::setresgid(own_gid(order.spec)); result < 0) return -result;
    return -sys::setresuid(own_uid(order.spec));
}

/// Without a user namespace. The capabilities stay until they are dropped for good below, which needs one of
/// them.
int take_ids_of_host(Order& order, int&) {
    if (!order.drop_groups) return 0;
    const uid_t uid = *order.spec.host_uid;
    if (const int result = sys::prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP); result < 0) return -result;
    const gid_t group = order.only_group.value_or(0);
    if (const int result = sys::setgroups(order.only_group ? 1 : 0, &group); result < 0) return -result;
    if (const int result = sys::setresgid(order.spec.host_gid.value_or(uid)); result < 0) return -result;
    return -sys::setresuid(uid);
}

int tie_to_parent(Order& order, int&) {
    if (!order.spec.end_with_parent) return 0;
    if (const int result = sys::prctl(PR_SET_PDEATHSIG, SIGKILL); result < 0) return -result;
    // The parent may have died before the line above: then nobody holds the other end.
    pollfd peer{.fd = order.sync, .events = 0, .revents = 0};
    if (::poll(&peer, 1, 0) < 0) return errno;
    return (peer.revents & POLLHUP) != 0 ? EPIPE : 0;
}

int part_mounts(Order&, int&) {
    return -sys::mount("/", MS_REC | MS_PRIVATE);
}

/// A mounted file system as a descriptor, or a negated errno value. Null keys are left out.
int new_mount(const char* type, const char* key1, const char* value1, const char* key2, const char* value2,
              unsigned attributes) {
    const int fs = sys::fsopen(type);
    if (fs < 0) return fs;
    int result = key1 != nullptr ? sys::fsconfig_string(fs, key1, value1) : 0;
    if (result >= 0 && key2 != nullptr) result = sys::fsconfig_string(fs, key2, value2);
    if (result >= 0) result = sys::fsconfig_create(fs);
    if (result >= 0) result = sys::fsmount(fs, attributes);
    sys::close(fs);
    return result;
}

/// The new root covers the old one; the working directory is in it, and every path below is relative.
int mount_root(Order& order, int&) {
    const int root =
        new_mount("tmpfs", "size", order.layout.size.c_str(), "nr_inodes", order.layout.inodes.c_str(),
                  MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (root < 0) return -root;
    if (const int result = sys::move_mount(root, AT_FDCWD, "/", 0); result < 0) return -result;
    return -sys::fchdir(root);
}

int make_directories(Order& order, int& index) {
    for (const auto& path : order.layout.directories) {
        if (const int result = sys::mkdirat(AT_FDCWD, path.c_str(), 0755); result < 0) return -result;
        ++index;
    }
    for (const auto& path : order.layout.files) {
        const int file = sys::create_file(AT_FDCWD, path.c_str(), 0444);
        if (file < 0) return -file;
        sys::close(file);
        ++index;
    }
    return 0;
}

int make_symlinks(Order& order, int& index) {
    for (const auto& symlink : order.layout.symlinks) {
        const int result = sys::symlinkat(symlink.target.c_str(), AT_FDCWD, symlink.path.c_str());
        if (result < 0) return -result;
        ++index;
    }
    return 0;
}

/// The file's own position is left alone: its description is shared with the parent.
int copy_file(const Copy& copy) {
    const int to = sys::create_file(AT_FDCWD, copy.path.c_str(), 0444);
    if (to < 0) return -to;
    off_t offset = 0;
    long sent = 0;
    do {
        sent = sys::sendfile(to, copy.fd, offset, std::size_t{1} << 30U);
    } while (sent > 0 || sent == -EINTR);
    sys::close(to);
    return static_cast<int>(-sent);
}

int copy_files(Order& order, int& index) {
    for (const auto& copy : order.layout.copies) {
        if (const int error = copy_file(copy); error != 0) return error;
        ++index;
    }
    return 0;
}

int attach_trees(Order& order, int& index) {
    for (const auto& attachment : order.layout.attachments) {
        int tree = attachment.tree;
        if (tree < 0) {
            tree = sys::open_tree(attachment.source.c_str(),
                                  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_NO_AUTOMOUNT);
            if (tree < 0) return -tree;
            const int result = sys::mount_setattr(tree, AT_RECURSIVE, attachment.attributes, MS_PRIVATE);
            if (result < 0) return -result;
        }
        const int result = sys::move_mount(tree, AT_FDCWD, attachment.target.c_str(), 0);
        if (result < 0) return -result;
        sys::close(tree);
        ++index;
    }
    return 0;
}

int mount_tmpfs(Order& order, int& index) {
    for (const auto& target : order.layout.tmpfs) {
        const int tree = new_mount("tmpfs", "size", "1m", "mode", "0700",
                                   MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (tree < 0) return -tree;
        if (const int result = sys::move_mount(tree, AT_FDCWD, target.c_str(), 0); result < 0) return -result;
        sys::close(tree);
        ++index;
    }
    return 0;
}

int mount_proc(Order& order, int&) {
    if (!order.spec.proc) return 0;
    constexpr auto attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    int tree =
        order.spec.whole_proc ? -EINVAL : new_mount("proc", "subset", "pid", nullptr, nullptr, attributes);
    if (tree == -EINVAL)
        tree = new_mount("proc", nullptr, nullptr, nullptr, nullptr, attributes);  // before 5.8
    if (tree < 0) return -tree;
    const int result = sys::move_mount(tree, AT_FDCWD, "proc", 0);
    sys::close(tree);
    return -result;
}

/// After this nothing of the host can be named any more.
int leave_host(Order&, int&) {
    if (const int result = sys::pivot_root(".", "."); result < 0) return -result;
    // The old root now covers the new one; "." still means the place both are mounted on.
    if (const int result = sys::umount(".", MNT_DETACH); result < 0) return -result;
    return -sys::chdir("/");
}

/// Only the root itself: what is mounted below it has attributes of its own.
int seal_root(Order&, int&) {
    const int root = sys::open_tree("/", OPEN_TREE_CLOEXEC);
    if (root < 0) return -root;
    const int result = sys::mount_setattr(root, 0, MOUNT_ATTR_RDONLY, 0);
    sys::close(root);
    return -result;
}

int set_host_name(Order& order, int&) {
    constexpr std::size_t longest = 64;
    const auto& name = order.spec.name;
    return -sys::sethostname(name.data(), name.size() < longest ? name.size() : longest);
}

int start_session(Order& order, int&) {
    // Whoever keeps our streams keeps the terminal's signals, too; its filter refuses to type into it.
    if (order.spec.inherit_streams) return 0;
    ::umask(077);
    return ::setsid() < 0 ? errno : 0;
}

/// What a namespace does by itself: nothing of the caller's directory is left, and whatever the process
/// leaves behind when it ends is the stub's.
int leave_caller(Order&, int&) {
    if (const int result = sys::chdir("/"); result < 0) return -result;
    return -sys::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

int set_capabilities(std::uint64_t held, std::uint64_t inherited) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; ++i) {
        sets[i].effective = sets[i].permitted = static_cast<std::uint32_t>(held >> (32 * i));
        sets[i].inheritable = static_cast<std::uint32_t>(inherited >> (32 * i));
    }
    return sys::capset(&header, sets);
}

/// Exec leaves those alone that are ambient: there are no files with capabilities, and no root.
int make_ambient(std::uint64_t kept) {
    constexpr std::uint64_t needed_here = std::uint64_t{1} << CAP_SETPCAP;
    if (const int result = set_capabilities(kept | needed_here, kept); result < 0) return result;
    for (unsigned capability = 0; capability < 64; ++capability)
        if ((kept >> capability & 1) != 0)
            if (const int result = sys::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability); result < 0)
                return result;
    return 0;
}

/// All but `kept`, for good.
int drop_all_but(std::uint64_t kept, const Order& order) {
    // The bits and the bounding set need CAP_SETPCAP, so they come before the sets.
    constexpr unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
    if (const int result = sys::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL); result < 0) return -result;
    // An ordinary user has that capability in a namespace of his own only; and without members in the other
    // sets, and no way to get any, the bounding set bounds nothing.
    const bool may_lock = order.spec.mode == Mode::Strict || order.drop_groups;
    for (unsigned long capability = 0; may_lock && capability < 64; ++capability) {
        if ((kept >> capability & 1) != 0) continue;
        const int result = sys::prctl(PR_CAPBSET_DROP, capability);
        if (result == -EINVAL) break;  // above the last one this kernel knows
        if (result < 0) return -result;
    }
    if (kept != 0)
        if (const int result = make_ambient(kept); result < 0) return -result;
    if (may_lock)
        if (const int result = sys::prctl(PR_SET_SECUREBITS, bits); result < 0) return -result;
    return -set_capabilities(kept, kept);
}

/// What is kept is the process's, which is not there yet.
int drop_capabilities(Order& order, int&) {
    return order.spec.capabilities == 0 ? drop_all_but(0, order) : 0;
}

int drop_those_of_stub(Order& order, int&) {
    return order.spec.capabilities == 0 ? 0 : drop_all_but(0, order);
}

int drop_those_of_process(Order& order, int&) {
    return order.spec.capabilities == 0 ? 0 : drop_all_but(order.spec.capabilities, order);
}

int forbid_privileges(Order&, int&) {
    return -sys::prctl(PR_SET_NO_NEW_PRIVS, 1);
}

constexpr Step jail_steps[] = {
    // The parent writes the id maps from outside; before that we are nobody and may make nothing.
    {Stage::Go, wait_for_go},
    // First, because what we mount and make belongs to who we are then.
    {Stage::Ids, take_ids},
    // The kernel forgets it at every change of uid, so it comes after the last one.
    {Stage::DeathSignal, tie_to_parent},
    // Before the first mount, or it would show on the host.
    {Stage::PrivateMounts, part_mounts},
    {Stage::Root, mount_root},
    {Stage::Directory, make_directories},
    // After the directories, which they must not divert.
    {Stage::Symlink, make_symlinks},
    // Before the root is sealed; copies lie in the root itself and vanish with it.
    {Stage::Copy, copy_files},
    // While the host's paths can still be named.
    {Stage::Bind, attach_trees},
    {Stage::Tmpfs, mount_tmpfs},
    // A new /proc is refused once the host's is out of sight.
    {Stage::Proc, mount_proc},
    {Stage::Pivot, leave_host},
    // Nothing more is made in it.
    {Stage::SealRoot, seal_root},
    {Stage::HostName, set_host_name},
    {Stage::Session, start_session},
    // All that needs them is done. The stub lives without them, too.
    {Stage::Capabilities, drop_capabilities},
    // Needed for the filter, and it also makes set-uid programs harmless.
    {Stage::NoNewPrivileges, forbid_privileges},
};

constexpr Step reduced_steps[] = {
    {Stage::Go, wait_for_go},
    {Stage::Ids, take_ids_of_host},
    // As above: after the last change of uid.
    {Stage::DeathSignal, tie_to_parent},
    {Stage::Session, start_session},
    {Stage::LeaveCaller, leave_caller},
    {Stage::Capabilities, drop_capabilities},
    {Stage::NoNewPrivileges, forbid_privileges},
};

constexpr Step bare_steps[] = {
    {Stage::Go, wait_for_go},
    {Stage::DeathSignal, tie_to_parent},
    {Stage::Session, start_session},
};

constexpr Step stub_steps[] = {{Stage::Capabilities, drop_those_of_stub}};
constexpr Step process_steps[] = {{Stage::Capabilities, drop_those_of_process}};

template <std::size_t N>
void run_all(Order& order, const Step (&steps)[N]) {
    run_steps(order, steps, N);
}

}  // namespace

void fail(const Order& order, Stage stage, int index, int error) {
    const Failure failure{stage, index, error};
    sys::write(order.error_pipe, &failure, sizeof failure);
    ::_exit(setup_failed);
}

void run_steps(Order& order, const Step* steps, std::size_t count) {
    for (const Step* step = steps; step != steps + count; ++step) {
        int index = 0;
        int error = 0;
        if (order.fault && order.fault->stage == step->stage)
            error = order.fault->error;
        else
            error = step->run(order, index);
        if (error != 0) fail(order, step->stage, index, error);
    }
}

void run_child(Order& order) {
    sys::close(order.parents_sync);
    switch (order.spec.mode) {
        case Mode::Strict:
            run_all(order, jail_steps);
            break;
        case Mode::Reduced:
            run_all(order, reduced_steps);
            break;
        case Mode::Off:
            run_all(order, bare_steps);
            break;
    }

    const pid_t stub = ::getpid();
    clone_args arguments{};
    arguments.exit_signal = SIGCHLD;
    const int process = sys::clone3(arguments);
    if (process < 0) fail(order, Stage::Fork, 0, -process);
    if (process == 0) {
        run_all(order, process_steps);
        run_process(order, stub);
    }
    run_all(order, stub_steps);
    run_stub(order, process);
}

}  // namespace qvm::jail
