// SPDX-License-Identifier: GPL-3.0-or-later
// What each kind of process needs of a jail, as data.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "jail/filter.hpp"
#include "jail/spec.hpp"

namespace qvm::jail {

/// Where a program is and what it is made of; for one that is not installed in the usual places `loader` and
/// `library_path` are given.
struct Program {
    std::filesystem::path binary;                     ///< absolute
    std::filesystem::path loader;                     ///< empty: its own ELF interpreter
    std::vector<std::filesystem::path> library_path;  ///< empty: the system's
    std::vector<std::filesystem::path> data;          ///< further read-only directories
    std::filesystem::path modules = {};  ///< the directory of QEMU's; empty: where its libraries are
    bool by_file = false;  ///< the jail gets each file that is needed, instead of the directories they are in
};

/// The Spec of a QEMU system emulator without name, arguments, descriptors, copies and stub: namespaces,
/// libraries, modules, data directories, /dev/null, /dev/urandom, the seccomp allow-list, limits. `kvm`: with
/// /dev/kvm. argv holds argv[0] (after the loader and its options, if there is one); the caller appends
/// QEMU's arguments. Throws SetupError.
Spec qemu_profile(const Program& program, bool kvm, Filter filter = qemu_filter(descriptor_ceiling()));

/// The files of QEMU's loadable parts; none for one that is made of one piece.
std::vector<std::filesystem::path> modules_of(const Program& program);

/// The Spec of qemu-storage-daemon(1): QEMU's jail without its data. It takes no descriptors for its files
/// (version 7.2), so they are bound.
Spec storage_daemon_profile(const Program& program);

/// The Spec of swtpm(8): QEMU's jail, and the calls that keep the TPM's state in a directory that is bound
/// writable. `mode`: that of the jail, which it does not choose.
Spec swtpm_profile(const Program& program, Mode mode = Mode::Strict);

/// What a virtiofsd needs in its own user namespace to act for more than one user, and change whose a file
/// is.
extern const std::uint64_t capabilities_to_serve;
/// The same, and the one without which it cannot give up the others; it gives that up, too, before it serves.
extern const std::uint64_t capabilities_to_begin;

/// The Spec of virtiofsd (the one in Rust, with --sandbox=none): it serves a directory that is bound, to a
/// guest's one user at best, because it has no capabilities. It finds its descriptors by /proc.
Spec virtiofsd_profile(const Program& program);

/// The Spec of passt(1), which builds a sandbox of its own: host network, no filter of ours. argv as above.
Spec passt_profile(const Program& program);

/// The Spec of any command (`qvm jail -- CMD`): its binary and libraries, /dev/{null,zero,urandom}, no
/// network, a filter that refuses what reaches beyond a jail; it may execute what it finds there.
Spec command_profile(const Program& program);

}  // namespace qvm::jail
