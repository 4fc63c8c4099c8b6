// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/helper_jail.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/text.hpp"
#include "jail/profile.hpp"
#include "jail/reduced.hpp"
#include "launch/contain.hpp"
#include "launch/find_program.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

/// What a helper knows its end of the socket pair by.
constexpr int socket_number = 3;

[[noreturn]] void cannot_keep(const fs::path& path, int error) {
    throw SystemError(fmt::format("keep the TPM's state in '{}'", path.string()), error, {},
                      ExitCode::HostCannot);
}

/// As swtpm 0.7 to 0.10 calls them.
bool is_tpm_state(const std::string& name) {
    return name == ".lock" || name.starts_with("tpm") || name.starts_with("TMP");
}

Fd open_directory(const fs::path& path) {
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (error) cannot_keep(path, error.value());
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) cannot_keep(path, errno);
    Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) cannot_keep(path, errno);
    return directory;
}

/// Whatever its path leads to by now.
fs::path again(const Fd& directory) {
    return fmt::format("/proc/self/fd/{}", directory.get());
}

/// The helper may change whatever is in there: so nothing else may be.
void expect_only_state(const Fd& directory, const fs::path& path) {
    std::error_code error;
    for (fs::directory_iterator entry(again(directory), error), end; !error && entry != end;
         entry.increment(error)) {
        const auto name = entry->path().filename().string();
        if (is_tpm_state(name) && entry->is_regular_file() && !entry->is_symlink()) continue;
        throw Error(
            ExitCode::HostCannot,
            fmt::format("'{}' has '{}' in it, which is no TPM's", path.string(), escape_controls(name)),
            "a TPM's state needs a directory of its own, which is made where it is missing");
    }
    if (error) cannot_keep(path, error.value());
}

/// A restart may come before the swtpm of the life before has ended.
void wait_until_free(const Fd& directory, const fs::path& path) {
    const Fd lock(::openat(directory.get(), ".lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!lock) return;
    constexpr int tries = 100, between_tries_ms = 50;
    struct flock held {};
    for (int i = 0; i < tries; ++i) {
        held = {};
        held.l_type = F_WRLCK;
        held.l_whence = SEEK_SET;
        if (::fcntl(lock.get(), F_GETLK, &held) != 0 || held.l_type == F_UNLCK) return;
        ::poll(nullptr, 0, between_tries_ms);
    }
    throw Error(ExitCode::HostCannot,
                fmt::format("the TPM's state in '{}' is in use by process {}", path.string(), held.l_pid),
                "another VM has it, or has ended badly; each VM needs a directory of its own");
}

/// A link to a file elsewhere would give that away.
void hand_over(const Fd& directory, const fs::path& path, const HostIds& ids) {
    for (const auto& entry : fs::directory_iterator(again(directory))) {
        const Fd file(::openat(directory.get(), entry.path().filename().c_str(),
                               O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        struct stat status {};
        if (!file || ::fstat(file.get(), &status) != 0) cannot_keep(path, errno);
        if (status.st_uid == ids.uid && status.st_gid == ids.gid) continue;
        if (!S_ISREG(status.st_mode) || status.st_nlink != 1) cannot_keep(path, EMLINK);
        if (::fchown(file.get(), ids.uid, ids.gid) != 0) cannot_keep(path, errno);
    }
    if (::fchown(directory.get(), ids.uid, ids.gid) != 0) cannot_keep(path, errno);
}

/// Nobody but the helper's uid may look into it.
Fd own_directory(const fs::path& path, const std::optional<HostIds>& ids) {
    Fd directory = open_directory(path);
    expect_only_state(directory, path);
    wait_until_free(directory, path);
    if (ids) hand_over(directory, path, *ids);
    if (::fchmod(directory.get(), 0700) != 0) cannot_keep(path, errno);
    return directory;
}

std::string replaced(std::string word, std::string_view placeholder, const std::string& by) {
    for (auto at = word.find(placeholder); at != std::string::npos;
         at = word.find(placeholder, at + by.size()))
        word.replace(at, placeholder.size(), by);
    return word;
}

void expect_namespaces_for_passt(const std::string& name, uid_t uid) {
    if (jail::may_make_namespaces(uid)) return;
    throw Error(ExitCode::HostCannot,
                fmt::format("{}: passt builds its sandbox of user namespaces, and this host lets uid {} make "
                            "none: it would end at once",
                            name, uid),
                "a tap interface needs none: [host.X] with kind = \"tap\", and a netdev with its descriptor; "
                "or have them allowed: sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
                "kernel.apparmor_restrict_unprivileged_userns");
}

std::string find_virtiofsd(const std::string& program) {
    if (program.find('/') != std::string::npos) return find_program(program, {});
    for (const char* usual : {"/usr/libexec/virtiofsd", "/usr/lib/virtiofsd"})
        if (::access(usual, X_OK) == 0) return usual;
    try {
        return find_program(program, {});
    } catch (const Error&) {
        throw Error(
            ExitCode::HostCannot, "virtiofsd is missing: /usr/libexec/virtiofsd",
            "install it: `apt install virtiofsd`, from Debian 13 on; it has to be version 1.13 or later. The "
            "one that came with QEMU before version 8 cannot be jailed, and is not used\n"
            "share.X.virtiofsd.binary names one that lies elsewhere");
    }
}

std::vector<jail::IdRange> as_of_jail(const std::vector<config::IdRange>& map) {
    std::vector<jail::IdRange> ranges;
    for (const auto& range : map) ranges.push_back({range.guest, range.host, range.count});
    return ranges;
}

/// The VM's QEMU has none of the files.
void expect_apart(const std::string& name, const std::vector<config::IdRange>& map, std::uint32_t own) {
    for (const auto& range : map)
        if (own >= range.host && own - range.host < range.count)
            throw Error(ExitCode::HostCannot,
                        fmt::format("{}: {}:{}:{} has id {}, which is the VM's own", name, range.guest,
                                    range.host, range.count, own),
                        "leave it out of the map, or let the VM have another: jail.user, jail.uid-range");
}

void prepare_virtiofsd(Helper& helper, const StartProcess& process, const jail::Program& program) {
    std::error_code ignored;
    if (!fs::is_directory(process.path, ignored))
        throw Error(ExitCode::HostCannot, fmt::format("'{}' is not a directory", process.path.string()),
                    "it is to be shared with the guest");
    helper.spec = jail::virtiofsd_profile(program);
    helper.spec.binds.push_back(
        {.source = process.path, .target = directory_in_jail, .writable = !process.read_only});
    if (process.uid_map.empty()) return;
    helper.spec.uid_map = as_of_jail(process.uid_map);
    helper.spec.gid_map = as_of_jail(process.gid_map);
    helper.spec.capabilities = jail::capabilities_to_begin;
}

}  // namespace

std::optional<HostIds> owner_of(const fs::path& directory, const std::optional<HostIds>& ids) {
    struct stat status {};
    if (!ids || ::stat(directory.c_str(), &status) != 0 || status.st_uid == 0) return ids;
    return HostIds{status.st_uid, status.st_gid == 0 ? ids->gid : status.st_gid};
}

fs::path find_helper(const StartProcess& process) {
    const auto& program = process.argv.front();
    if (process.profile == "virtiofsd") return find_virtiofsd(program);
    return find_program(program, process.profile);
}

Helper prepare_helper(const std::string& name, const StartProcess& process, int socket, const VmState& state,
                      const std::optional<HostIds>& ids, bool reduced) {
    if (process.argv.empty()) throw Error(ExitCode::Usage, fmt::format("{} has no command", name));
    const bool serves_files = process.profile == "virtiofsd";
    const jail::Program program{
        .binary = find_helper(process), .loader = process.loader, .library_path = process.library_path};
    Helper helper;
    auto& spec = helper.spec;
    std::string inside;
    if (serves_files) {
        prepare_virtiofsd(helper, process, program);
        inside = directory_in_jail;
    } else if (process.profile == "swtpm") {
        const auto path = process.path.empty() ? state.directory() / tpm_directory : process.path;
        helper.directory = own_directory(path, ids);
        spec = jail::swtpm_profile(program, reduced ? jail::Mode::Reduced : jail::Mode::Strict);
        if (reduced) {
            // Its uid may be unable to get there by the path.
            spec.fds.push_back({helper.directory.get(), directory_number, true});
            inside = fmt::format("/proc/self/fd/{}", directory_number);
        } else {
            spec.binds.push_back({.source = path, .target = directory_in_jail, .writable = true});
            inside = directory_in_jail;
        }
    } else {
        if (reduced) expect_namespaces_for_passt(name, ids ? ids->uid : ::geteuid());
        spec = jail::passt_profile(program);
    }
    if (reduced) jail::reduce(spec);
    spec.name = name;
    for (std::size_t i = 1; i < process.argv.size(); ++i)
        spec.argv.push_back(
            replaced(replaced(process.argv[i], "{fd}", std::to_string(socket_number)), "{path}", inside));
    spec.fds.push_back({socket, socket_number});
    const bool maps = !process.uid_map.empty();
    if (maps && ids) {
        expect_apart(name, process.uid_map, ids->uid);
        expect_apart(name, process.gid_map, ids->gid);
    }
    if (maps && ids)
        set_ids(spec, HostIds{config::host_id(process.uid_map, 0).value_or(0),
                              config::host_id(process.gid_map, 0).value_or(0)});
    else
        set_ids(spec, serves_files ? owner_of(process.path, ids) : ids);
    return helper;
}

}  // namespace qvm::launch
