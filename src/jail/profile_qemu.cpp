// SPDX-License-Identifier: GPL-3.0-or-later
#include <filesystem>

#include "jail/filter.hpp"
#include "jail/libraries.hpp"
#include "jail/profile.hpp"

namespace qvm::jail {

namespace {

namespace fs = std::filesystem;

/// Below the prefix ("/usr") that a QEMU was installed with.
constexpr const char* data_directories[] = {"share/qemu", "share/seabios", "share/vgabios", "lib/ipxe/qemu"};

/// Threads: one for each CPU, and up to 64 that do the work of disks.
constexpr std::uint64_t most_threads = 1024;

Spec daemon(const Program& program, Filter filter) {
    Spec spec;
    set_executable(spec, program);
    add_libraries(spec, program);
    spec.env = {"PATH=/usr/bin", "HOME=/", "LC_ALL=C.UTF-8"};
    spec.devices = {Device::Null, Device::Urandom};
    spec.filter = std::move(filter);
    // No core: it would hold the guest's memory. The rest is what a filter cannot count.
    spec.limits = {{RLIMIT_CORE, 0}, {RLIMIT_NPROC, most_threads}, {RLIMIT_MSGQUEUE, 0},
                   {RLIMIT_NICE, 0}, {RLIMIT_RTPRIO, 0},           {RLIMIT_SIGPENDING, most_threads}};
    return spec;
}

void add_data(Spec& spec, const Program& program) {
    const auto prefix = program.binary.parent_path().parent_path();
    for (const char* directory : data_directories) {
        const auto path = prefix / directory;
        spec.binds.push_back({.source = path, .target = path, .optional = true});
    }
    for (const auto& path : program.data)
        spec.binds.push_back({.source = path, .target = path, .optional = true});
}

}  // namespace

Spec qemu_profile(const Program& program, bool kvm, Filter filter) {
    Spec spec = daemon(program, std::move(filter));
    add_data(spec, program);
    if (kvm) spec.devices.push_back(Device::Kvm);
    return spec;
}

Spec storage_daemon_profile(const Program& program) {
    return daemon(program, qemu_filter(descriptor_ceiling()));
}

Spec swtpm_profile(const Program& program) {
    return daemon(program, swtpm_filter(descriptor_ceiling()));
}

Spec virtiofsd_profile(const Program& program) {
    Spec spec = daemon(program, virtiofsd_filter(descriptor_ceiling()));
    spec.proc = true;
    spec.whole_proc = true;  // it ends without /proc/sys/fs/nr_open
    return spec;
}

}  // namespace qvm::jail
