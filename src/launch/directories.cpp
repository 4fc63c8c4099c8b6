// SPDX-License-Identifier: GPL-3.0-or-later
// Which directories belong to the calling user.
#include <cerrno>
#include <cstdlib>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "launch/state.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

/// An environment variable that holds an absolute path; empty otherwise (the XDG specification tells to
/// ignore relative ones).
fs::path path_variable(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value == '/' ? fs::path(value) : fs::path();
}

/// $HOME, else what the user database says.
fs::path home_directory(uid_t uid) {
    if (auto home = path_variable("HOME"); !home.empty()) return home;
    passwd entry{};
    passwd* found = nullptr;
    std::string buffer(16384, '\0');
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr &&
        found->pw_dir != nullptr && *found->pw_dir == '/')
        return found->pw_dir;
    throw Error(ExitCode::HostCannot, fmt::format("user {} has no home directory", uid),
                "set HOME, or XDG_STATE_HOME and XDG_CACHE_HOME, to directories that are yours");
}

bool is_own_directory(const fs::path& path, uid_t uid) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == uid;
}

/// /tmp is everybody's: what is there under our name may have been put there by someone else.
fs::path directory_in_tmp(uid_t uid) {
    fs::path path = fmt::format("/tmp/qvm-{}", uid);
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        if (errno == ENOENT) return path;
        throw_errno(fmt::format("look at '{}'", path.string()));
    }
    if (S_ISDIR(status.st_mode) && status.st_uid == uid) return path;
    throw Error(
        ExitCode::HostCannot,
        fmt::format("'{}' is not a directory of yours: it belongs to user {}", path.string(), status.st_uid),
        "set QVM_RUNTIME_DIR to a directory that is yours");
}

fs::path runtime_directory_for(uid_t uid) {
    if (auto given = path_variable("QVM_RUNTIME_DIR"); !given.empty()) return given;
    if (uid == 0) return "/run/qvm";
    // After `su` the variable is still the other user's.
    const auto session = path_variable("XDG_RUNTIME_DIR");
    if (!session.empty() && is_own_directory(session, uid)) return session / "qvm";
    const fs::path usual = fmt::format("/run/user/{}", uid);
    if (is_own_directory(usual, uid)) return usual / "qvm";
    return directory_in_tmp(uid);
}

/// systemd-logind(8) removes /run/user/UID with the last session of a user who does not linger.
std::string warning_about(const fs::path& runtime, uid_t uid) {
    const auto session = fmt::format("/run/user/{}/", uid);
    if (!runtime.string().starts_with(session)) return {};
    passwd entry{};
    passwd* found = nullptr;
    std::string buffer(16384, '\0');
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return {};
    std::error_code ignored;
    if (fs::exists(fs::path("/var/lib/systemd/linger") / found->pw_name, ignored)) return {};
    return fmt::format(
        "the VM's sockets are in {}, which vanishes when you log out; `loginctl enable-linger` keeps it",
        runtime.string());
}

}  // namespace

Directories Directories::from_environment() {
    const uid_t uid = ::geteuid();
    Directories directories;
    const auto state = path_variable("XDG_STATE_HOME");
    if (!state.empty())
        directories.state = state / "qvm";
    else
        directories.state = uid == 0 ? fs::path("/var/lib/qvm") : home_directory(uid) / ".local/state/qvm";
    const auto cache = path_variable("XDG_CACHE_HOME");
    if (!cache.empty())
        directories.cache = cache / "qvm";
    else
        directories.cache = uid == 0 ? fs::path("/var/cache/qvm") : home_directory(uid) / ".cache/qvm";
    directories.runtime = runtime_directory_for(uid);
    directories.runtime_warning = warning_about(directories.runtime, uid);
    return directories;
}

}  // namespace qvm::launch
