// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <filesystem>
#include <linux/capability.h>

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

/// What all of them have: no data, no libraries yet.
Spec daemon(const Program& program, Filter filter) {
    Spec spec;
    set_executable(spec, program);
    spec.env = {"PATH=/usr/bin", "HOME=/", "LC_ALL=C.UTF-8"};
    spec.devices = {Device::Null, Device::Urandom};
    spec.filter = std::move(filter);
    // No core: it would hold the guest's memory. The rest is what a filter cannot count.
    spec.limits = {{RLIMIT_CORE, 0}, {RLIMIT_NPROC, most_threads}, {RLIMIT_MSGQUEUE, 0},
                   {RLIMIT_NICE, 0}, {RLIMIT_RTPRIO, 0},           {RLIMIT_SIGPENDING, most_threads}};
    return spec;
}

Spec helper(const Program& program, Filter filter) {
    Spec spec = daemon(program, std::move(filter));
    add_libraries(spec, program);
    return spec;
}

/// Where what is no library is looked for.
std::vector<fs::path> data_of(const Program& program) {
    std::vector<fs::path> directories;
    const auto prefix = program.binary.parent_path().parent_path();
    for (const char* directory : data_directories) directories.push_back(prefix / directory);
    directories.insert(directories.end(), program.data.begin(), program.data.end());
    return directories;
}

/// The files in a directory and below, sorted; what a link leads to counts as what it is.
std::vector<fs::path> files_in(const fs::path& directory) {
    std::vector<fs::path> files;
    std::error_code error, ignored;
    for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error))
        if (fs::is_regular_file(entry->path(), ignored)) files.push_back(entry->path());
    std::ranges::sort(files);
    return files;
}

}  // namespace

std::vector<fs::path> modules_of(const Program& program) {
    auto places = library_directories(program);
    for (auto& place : places) place /= "qemu";
    if (!program.modules.empty()) places = {program.modules};
    std::vector<fs::path> modules;
    for (const auto& place : places) {
        auto files = files_in(place);
        std::erase_if(files, [](const auto& file) { return file.extension() != ".so"; });
        modules.insert(modules.end(), files.begin(), files.end());
    }
    return modules;
}

namespace {

void add_files(Spec& spec, const Program& program) {
    add_library_files(spec, program, modules_of(program));
    for (const auto& directory : data_of(program))
        for (const auto& file : files_in(directory))
            spec.binds.push_back({.source = file, .target = file, .optional = true});
}

void add_directories(Spec& spec, const Program& program) {
    add_libraries(spec, program);
    for (const auto& path : data_of(program))
        spec.binds.push_back({.source = path, .target = path, .optional = true});
    if (!program.modules.empty())
        spec.binds.push_back({.source = program.modules, .target = program.modules, .executable = true});
}

}  // namespace

Spec qemu_profile(const Program& program, bool kvm, Filter filter) {
    Spec spec = daemon(program, std::move(filter));
    if (program.by_file)
        add_files(spec, program);
    else
        add_directories(spec, program);
    if (!program.modules.empty()) spec.env.push_back("QEMU_MODULE_DIR=" + program.modules.string());
    if (kvm) spec.devices.push_back(Device::Kvm);
    return spec;
}

Spec storage_daemon_profile(const Program& program) {
    return helper(program, qemu_filter(descriptor_ceiling()));
}

Spec swtpm_profile(const Program& program, Mode mode) {
    return helper(program, swtpm_filter(descriptor_ceiling(), mode));
}

const std::uint64_t capabilities_to_serve = [] {
    std::uint64_t mask = 0;
    for (const unsigned one : {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_SETGID, CAP_SETUID})
        mask |= std::uint64_t{1} << one;
    return mask;
}();

const std::uint64_t capabilities_to_begin = capabilities_to_serve | std::uint64_t{1} << CAP_SETPCAP;

Spec virtiofsd_profile(const Program& program) {
    Spec spec = helper(program, virtiofsd_filter(descriptor_ceiling()));
    spec.proc = true;
    spec.whole_proc = true;  // it ends without /proc/sys/fs/nr_open
    return spec;
}

}  // namespace qvm::jail
