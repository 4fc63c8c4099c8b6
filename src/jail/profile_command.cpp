// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/filter.hpp"
#include "jail/libraries.hpp"
#include "jail/profile.hpp"

namespace qvm::jail {

namespace {

/// A fork bomb ends here; they are counted for the uid, which is the jail's alone only as root.
constexpr std::uint64_t most_processes = 1024;

}  // namespace

Spec command_profile(const Program& program) {
    Spec spec;
    set_executable(spec, program);
    add_libraries(spec, program);
    // Under its own name, so that it can run itself again.
    if (program.loader.empty())
        spec.binds.push_back({.source = program.binary, .target = program.binary, .executable = true});
    spec.env = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/", "LC_ALL=C.UTF-8"};
    spec.devices = {Device::Null, Device::Zero, Device::Urandom};
    spec.filter = command_filter();
    spec.may_execute = true;
    spec.limits = {{RLIMIT_CORE, 0},     {RLIMIT_NPROC, most_processes},
                   {RLIMIT_MSGQUEUE, 0}, {RLIMIT_NICE, 0},
                   {RLIMIT_RTPRIO, 0},   {RLIMIT_SIGPENDING, most_processes}};
    return spec;
}

}  // namespace qvm::jail
