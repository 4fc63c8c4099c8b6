// SPDX-License-Identifier: GPL-3.0-or-later
// Calls of which only some forms are allowed: every other one is refused before the kernel looks at it, with
// and without high bits set. On descriptors of our own, so that nothing happens where a form does pass.
#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/fscrypt.h>
#include <linux/fsverity.h>
#include <linux/if_tun.h>
#include <linux/loop.h>
#include <linux/nsfs.h>
#include <linux/prctl.h>
#include <scsi/sg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.hpp"

namespace qvm::probe {

namespace {

Result requests_refused(std::span<const Form> forms) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return cannot_try("a pair of sockets");
    unsigned long argument[64] = {};
    const auto result = none_passes(
        forms, [&](unsigned long request) { return ::syscall(SYS_ioctl, pair[0], request, argument); });
    ::close(pair[0]);
    ::close(pair[1]);
    return result;
}

/// Typing into the terminal of whoever started us (CVE-2019-10063: with high bits).
Result type_into_terminal() {
    static constexpr Form forms[] = {
        {"TIOCSTI", TIOCSTI},
        {"FIONREAD<<32|TIOCSTI", static_cast<unsigned long>(FIONREAD) << 32U | TIOCSTI},
        {"TIOCLINUX", TIOCLINUX},
    };
    return requests_refused(forms);
}
Result requests_to_terminal() {
    static constexpr Form forms[] = {
        {"TIOCSCTTY", TIOCSCTTY}, {"TIOCNOTTY", TIOCNOTTY},     {"TIOCCONS", TIOCCONS},
        {"TIOCSETD", TIOCSETD},   {"TIOCSPGRP", TIOCSPGRP},     {"TIOCGPGRP", TIOCGPGRP},
        {"TIOCGSID", TIOCGSID},   {"TIOCVHANGUP", TIOCVHANGUP}, {"TIOCEXCL", TIOCEXCL},
        {"TIOCPKT", TIOCPKT},     {"TIOCSWINSZ", TIOCSWINSZ},   {"TIOCGDEV", TIOCGDEV},
        {"KDSETMODE", 0x4b3a},    {"VT_ACTIVATE", 0x5606},
    };
    return requests_refused(forms);
}
Result requests_to_files() {
    static constexpr Form forms[] = {
        {"FS_IOC_SETFLAGS", FS_IOC_SETFLAGS},
        {"FICLONE", FICLONE},
        {"FICLONERANGE", FICLONERANGE},
        {"FIDEDUPERANGE", FIDEDUPERANGE},
        {"FIFREEZE", FIFREEZE},
        {"FITHAW", FITHAW},
        {"FITRIM", FITRIM},
        {"FIBMAP", FIBMAP},
        {"FS_IOC_SETFSLABEL", FS_IOC_SETFSLABEL},
        {"FS_IOC_ENABLE_VERITY", FS_IOC_ENABLE_VERITY},
        {"FS_IOC_ADD_ENCRYPTION_KEY", FS_IOC_ADD_ENCRYPTION_KEY},
        {"FIOASYNC", FIOASYNC},
        {"FIOQSIZE", FIOQSIZE},
    };
    return requests_refused(forms);
}
Result requests_to_disks() {
    static constexpr Form forms[] = {
        {"BLKROSET", BLKROSET},
        {"BLKRRPART", BLKRRPART},
        {"BLKRASET", BLKRASET},
        {"BLKPG", 0x1269},
        {"BLKTRACESETUP", 0xc0481273},
        {"BLKSECDISCARD", BLKSECDISCARD},
        {"LOOP_SET_FD", LOOP_SET_FD},
        {"LOOP_CHANGE_FD", LOOP_CHANGE_FD},
        {"LOOP_CONFIGURE", LOOP_CONFIGURE},
        {"CDROMEJECT", 0x5309},
        {"SCSI_IOCTL_SEND_COMMAND", 1},
        {"SG_SCSI_RESET", SG_SCSI_RESET},
        {"NVME_IOCTL_ADMIN_CMD", 0xc0484e41},
        {"MTRR", 0x40104d00},
    };
    return requests_refused(forms);
}
Result requests_to_others() {
    static constexpr Form forms[] = {
        {"TUNSETIFF", TUNSETIFF},
        {"TUNSETPERSIST", TUNSETPERSIST},
        {"TUNSETOWNER", TUNSETOWNER},
        {"TUNSETDEBUG", TUNSETDEBUG},
        {"TUNATTACHFILTER", TUNATTACHFILTER},
        {"TUNSETSTEERINGEBPF", TUNSETSTEERINGEBPF},
        {"NS_GET_USERNS", NS_GET_USERNS},
        {"NS_GET_PARENT", NS_GET_PARENT},
        {"PIDFD_GET_USER_NAMESPACE", _IO(0xff, 9)},
        {"VFIO_GET_API_VERSION", _IO(';', 100)},
        {"UFFDIO_API", 0xc018aa3f},
        {"SECCOMP_IOCTL_NOTIF_ADDFD", 0x40182103},
        {"PERF_EVENT_IOC_ENABLE", 0x2400},
        {"EPIOCSPARAMS", 0x40088a01},
        {"RNDADDENTROPY", 0x40085203},
        {"zero", 0},
        {"all ones", 0xffffffff},
    };
    return requests_refused(forms);
}

Result process_options() {
    static constexpr Form forms[] = {
        {"PR_SET_PDEATHSIG", PR_SET_PDEATHSIG},
        {"PR_GET_PDEATHSIG", PR_GET_PDEATHSIG},
        {"PR_SET_DUMPABLE", PR_SET_DUMPABLE},
        {"PR_SET_KEEPCAPS", PR_SET_KEEPCAPS},
        {"PR_GET_SECCOMP", PR_GET_SECCOMP},
        {"PR_SET_SECCOMP", PR_SET_SECCOMP},
        {"PR_CAPBSET_DROP", PR_CAPBSET_DROP},
        {"PR_SET_SECUREBITS", PR_SET_SECUREBITS},
        {"PR_GET_SECUREBITS", PR_GET_SECUREBITS},
        {"PR_SET_MM", PR_SET_MM},
        {"PR_SET_PTRACER", PR_SET_PTRACER},
        {"PR_SET_CHILD_SUBREAPER", PR_SET_CHILD_SUBREAPER},
        {"PR_SET_THP_DISABLE", PR_SET_THP_DISABLE},
        {"PR_CAP_AMBIENT", PR_CAP_AMBIENT},
        {"PR_GET_SPECULATION_CTRL", PR_GET_SPECULATION_CTRL},
        {"PR_SET_SPECULATION_CTRL", PR_SET_SPECULATION_CTRL},
        {"PR_SET_IO_FLUSHER", PR_SET_IO_FLUSHER},
        {"PR_SET_SYSCALL_USER_DISPATCH", PR_SET_SYSCALL_USER_DISPATCH},
        {"PR_SCHED_CORE", PR_SCHED_CORE},
        {"PR_SET_MEMORY_MERGE", 67},
        {"PR_GET_AUXV", 0x41555856},
        {"PR_GET_TID_ADDRESS", PR_GET_TID_ADDRESS},
        {"PR_TASK_PERF_EVENTS_DISABLE", PR_TASK_PERF_EVENTS_DISABLE},
        {"PR_SET_NAME<<32|PR_SET_DUMPABLE", static_cast<unsigned long>(PR_SET_NAME) << 32U | PR_SET_DUMPABLE},
        {"all ones", 0xffffffff},
    };
    // An impossible second argument, so that what passes changes as little as can be.
    return none_passes(forms, [](unsigned long option) { return ::syscall(SYS_prctl, option, 99, 0, 0, 0); });
}

Result descriptor_options() {
    static constexpr Form forms[] = {
        {"F_SETOWN", F_SETOWN},
        {"F_GETOWN", F_GETOWN},
        {"F_SETSIG", F_SETSIG},
        {"F_GETSIG", F_GETSIG},
        {"F_SETOWN_EX", F_SETOWN_EX},
        {"F_GETOWN_EX", F_GETOWN_EX},
        {"F_SETLEASE", F_SETLEASE},
        {"F_GETLEASE", F_GETLEASE},
        {"F_NOTIFY", F_NOTIFY},
        {"F_GET_RW_HINT", F_GET_RW_HINT},
        {"F_SET_FILE_RW_HINT", F_SET_FILE_RW_HINT},
        {"F_DUPFD_QUERY", 1027},
        {"F_CREATED_QUERY", 1028},
        {"F_GETFL<<32|F_SETOWN", static_cast<unsigned long>(F_GETFL) << 32U | F_SETOWN},
        {"all ones", 0xffffffff},
    };
    const int file = ::memfd_create("probe", MFD_CLOEXEC);
    if (file < 0) return cannot_try("a memory file");
    unsigned long argument[4] = {};
    const auto result = none_passes(
        forms, [&](unsigned long option) { return ::syscall(SYS_fcntl, file, option, argument); });
    ::close(file);
    return result;
}

Result thread_group_signals() {
    const auto stub = static_cast<unsigned long>(world.stub);
    const auto us = static_cast<unsigned long>(::getpid());
    const Form forms[] = {
        {"the stub", stub},
        {"zero", 0},
        {"-1", 0xffffffff},
        {"another", us + 1},
        {"us<<32|the stub", us << 32U | stub},
    };
    return none_passes(forms, [](unsigned long group) { return ::syscall(SYS_tgkill, group, 1, 0); });
}
/// The group is ours, but the thread is not of it: the kernel checks that.
Result thread_of_another_group() {
    for (const pid_t thread : {world.stub, world.outsider})
        if (::syscall(SYS_tgkill, ::getpid(), thread, 0) == 0) return escaped(std::to_string(thread));
    return contained(errno_name(errno));
}

constexpr Attempt attempts[] = {
    {"type_into_terminal", type_into_terminal},
    {"requests_to_terminal", requests_to_terminal},
    {"requests_to_files", requests_to_files},
    {"requests_to_disks", requests_to_disks},
    {"requests_to_others", requests_to_others},
    {"process_options", process_options},
    {"descriptor_options", descriptor_options},
    {"thread_group_signals", thread_group_signals},
    {"thread_of_another_group", thread_of_another_group},
};

}  // namespace

Class arguments() {
    return {"arguments", attempts};
}

}  // namespace qvm::probe
