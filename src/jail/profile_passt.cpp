// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/libraries.hpp"
#include "jail/profile.hpp"

namespace qvm::jail {

/// passt makes a user namespace for itself, maps its user there (by /proc), changes its root to an empty file
/// system mounted on /tmp, and installs its own filter; before that it may execute a build of itself for
/// newer processors.
Spec passt_profile(const Program& program) {
    Spec spec;
    set_executable(spec, program);
    add_libraries(spec, program);
    const auto newer = program.binary.string() + ".avx2";
    spec.binds.push_back({.source = program.binary, .target = program.binary, .executable = true});
    spec.binds.push_back({.source = newer, .target = newer, .executable = true, .optional = true});
    // The name servers it tells the guest.
    spec.binds.push_back({.source = "/etc/resolv.conf", .target = "/etc/resolv.conf", .optional = true});
    spec.env = {"PATH=/usr/bin", "HOME=/", "LC_ALL=C.UTF-8"};
    spec.devices = {Device::Null, Device::Urandom};
    spec.tmpfs = {"/tmp"};
    spec.proc = true;
    spec.namespaces.net = false;
    // It makes a sandbox of its own, with mounts, which Landlock forbids.
    spec.landlock = Landlock::Off;
    spec.may_execute = true;
    spec.limits = {{RLIMIT_CORE, 0}, {RLIMIT_MSGQUEUE, 0}, {RLIMIT_NICE, 0}, {RLIMIT_RTPRIO, 0}};
    return spec;
}

}  // namespace qvm::jail
