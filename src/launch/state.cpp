// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/state.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/hash.hpp"
#include "launch/jail_uids.hpp"
#include "launch/lock_file.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr auto origin_file = "origin.json";
constexpr auto applied_file = "applied.json";
constexpr auto uid_file = "uid";
constexpr auto images_file = "images.json";

/// mkdir -p, everything that has to be made with mode 0700 whatever the umask.
void make_directories(const fs::path& path) {
    if (path.empty() || path == path.root_path()) return;
    if (::mkdir(path.c_str(), 0700) != 0) {
        if (errno == EEXIST) return;
        if (errno != ENOENT) throw_errno(fmt::format("make the directory '{}'", path.string()));
        make_directories(path.parent_path());
        if (::mkdir(path.c_str(), 0700) != 0) {
            if (errno == EEXIST) return;
            throw_errno(fmt::format("make the directory '{}'", path.string()));
        }
    }
    if (::chmod(path.c_str(), 0700) != 0) throw_errno(fmt::format("set the mode of '{}'", path.string()));
}

/// One VM's own directory: nobody else may look into it, whoever made it.
void make_private_directory(const fs::path& path) {
    make_directories(path);
    const Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) throw_errno(fmt::format("open the directory '{}'", path.string()));
    struct stat status {};
    if (::fstat(directory.get(), &status) != 0) throw_errno(fmt::format("look at '{}'", path.string()));
    if (status.st_uid != ::geteuid())
        throw Error(ExitCode::HostCannot,
                    fmt::format("'{}' belongs to user {}, not to you", path.string(), status.st_uid),
                    "remove it, or choose another place with XDG_STATE_HOME or QVM_RUNTIME_DIR");
    if ((status.st_mode & 07777U) != 0700 && ::fchmod(directory.get(), 0700) != 0)
        throw_errno(fmt::format("set the mode of '{}'", path.string()));
}

/// Whoever may rename what is in it could put a directory of his own in the place of a VM's.
void expect_trustworthy(const fs::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) throw_errno(fmt::format("look at '{}'", path.string()));
    const bool ours = status.st_uid == ::geteuid() || status.st_uid == 0;
    if (ours && ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (status.st_mode & S_ISVTX) != 0)) return;
    throw Error(ExitCode::HostCannot,
                fmt::format("'{}' can be written to by others (owner {}, mode {:o})", path.string(),
                            status.st_uid, status.st_mode & 07777U),
                "choose a directory that is yours alone with QVM_RUNTIME_DIR");
}

/// Nothing if there is no such file.
std::optional<std::string> read_if_there(const fs::path& path) {
    auto content = read_file(path);
    if (content.error == ENOENT || content.error == ENOTDIR) return std::nullopt;
    if (!content) throw SystemError(fmt::format("read '{}'", path.string()), content.error);
    return std::move(content.bytes);
}

/// Who wrote itself into the operation lock.
std::string holder_of(const fs::path& lock) {
    std::ifstream file(lock);
    ProcessRecord holder;
    std::string verb;
    file >> holder.pid >> holder.start_time;
    std::getline(file >> std::ws, verb);
    if (!holder.open()) return "another qvm";
    return fmt::format("process {} ({})", holder.pid, verb);
}

/// "qvm up web.toml": what this process was called with, as far as it fits a line.
std::string own_command_line() {
    auto text = read_file("/proc/self/cmdline").bytes;
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    while (text.ends_with(' ')) text.pop_back();
    return text.substr(0, 120);
}

/// For the message of whoever waits for us; nothing depends on it.
void sign(const Fd& lock) {
    const auto self = ProcessRecord::of(::getpid());
    const auto text = fmt::format("{} {} {}\n", self.pid, self.start_time, own_command_line());
    [[maybe_unused]] const bool cut = ::ftruncate(lock.get(), 0) == 0;
    [[maybe_unused]] const auto written = ::pwrite(lock.get(), text.data(), text.size(), 0);
}

void write_images(const fs::path& file, const std::set<fs::path>& images) {
    Json json = Json::array();
    for (const auto& path : images) json.push_back(path.string());
    write_atomically(file, json.dump(1, ' ', false, Json::error_handler_t::replace) + '\n');
}

}  // namespace

VmState::VmState(const Directories& directories, std::string name)
    : directories_(directories), name_(std::move(name)) {}

fs::path VmState::directory() const {
    return directories_.state / name_;
}

fs::path VmState::runtime_directory() const {
    return directories_.runtime / name_;
}

fs::path VmState::socket(const std::string& file) const {
    const auto full = runtime_directory() / file;
    constexpr std::size_t longest = sizeof(sockaddr_un::sun_path) - 1;
    if (full.string().size() <= longest) return full;
    const auto shortened = directories_.runtime /
                           fmt::format("{:016x}-{:08x}.sock", stable_hash(name_), stable_hash(file) >> 32U);
    return shortened.string().size() <= longest ? shortened : full;
}

bool VmState::exists() const {
    std::error_code ignored;
    return fs::exists(directory() / origin_file, ignored);
}

void VmState::create() {
    make_private_directory(directory());
    make_private_directory(runtime_directory());
    expect_trustworthy(directories_.runtime);
}

std::optional<Applied> VmState::applied() const {
    const auto path = directory() / applied_file;
    const auto text = read_if_there(path);
    if (!text || text->empty()) return std::nullopt;
    try {
        const auto json = Json::parse(*text, nullptr, false);
        if (json.is_discarded()) throw Error(ExitCode::Usage, "it is no JSON");
        return Applied::from_json(json);
    } catch (const Error& error) {
        throw Error(
            error.exit_code(), fmt::format("cannot understand '{}': {}", path.string(), error.what()),
            fmt::format("`qvm kill {0}` ends the VM if it runs; delete the file then, or `qvm rm {0}`",
                        name_));
    }
}

void VmState::write_applied(const Applied& applied) {
    const bool over = applied.phase == Applied::Phase::Ended;
    write_atomically(directory() / applied_file,
                     applied.to_json().dump(1, ' ', false, Json::error_handler_t::replace),
                     over ? Survives::PowerLoss : Survives::Us);
}

Condition VmState::condition() const {
    const auto here = directory();
    if (!is_locked(here / "supervisor.lock"))
        return is_locked(here / "vm.lock") ? Condition::Orphaned : Condition::Stopped;
    try {
        const auto now = applied();
        const bool begun = now && now->phase != Applied::Phase::Starting;
        // A start takes the lock first: for a moment the file still tells of the life before.
        return begun && now->supervisor.open() ? Condition::Running : Condition::Starting;
    } catch (const Error&) {
        // Damaged: the locks still tell that it is supervised.
        return Condition::Running;
    }
}

fs::path VmState::owner() const {
    const auto text = read_if_there(directory() / origin_file);
    const auto saved = text ? Json::parse(*text, nullptr, false) : Json();
    return saved.is_object() ? saved.value("file", std::string()) : std::string();
}

std::optional<fs::path> VmState::owner_other_than(const fs::path& origin) const {
    const fs::path file = owner();
    if (file.empty() || file == origin) return std::nullopt;
    std::error_code error;
    const bool there = fs::exists(file, error) || error;
    std::error_code ignored;
    return there && !fs::equivalent(file, origin, ignored) ? std::optional(file) : std::nullopt;
}

std::string VmState::claim(const fs::path& origin) {
    create();
    const Fd lock = lock_briefly(directory() / "claim.lock");
    const fs::path before = owner();
    if (before == origin) return {};
    if (const auto other = owner_other_than(origin))
        throw Error(ExitCode::Invalid, fmt::format("name '{}' belongs to {}", name_, other->string()),
                    fmt::format("set name = \"..\" in {}, or `qvm rm {}`", origin.string(), name_));
    std::error_code ignored;
    const bool gone = !before.empty() && !fs::exists(before, ignored);
    Json json = Json::object();
    json["file"] = origin.string();
    try {
        write_atomically(directory() / origin_file, json.dump(1, ' ', false, Json::error_handler_t::replace));
    } catch (const Error&) {
        if (before.empty()) remove_runtime();  // there is no such VM, and nobody else would
        throw;
    }
    return gone ? fmt::format("name '{}' belonged to {}, which is gone; it belongs to {} now", name_,
                              before.string(), origin.string())
                : std::string();
}

std::optional<std::uint32_t> VmState::known_uid() const {
    std::ifstream file(directory() / uid_file);
    std::uint32_t uid = 0;
    return file >> uid ? std::optional(uid) : std::nullopt;
}

std::optional<std::uint32_t> VmState::host_uid(JailUids::Range range) {
    if (::geteuid() != 0) return std::nullopt;
    if (const auto own = known_uid(); own && *own >= range.first && *own <= range.second) return own;
    const Fd lock = lock_briefly(directories_.state / ".uids.lock");
    JailUids uids(range);
    for (const auto& name : all_names(directories_))
        if (const auto taken = VmState(directories_, name).known_uid()) uids.take(*taken);
    const auto uid = uids.choose(directory().string());
    write_atomically(directory() / uid_file, fmt::format("{}\n", uid));
    return uid;
}

Fd VmState::lock_operation(milliseconds timeout) {
    const auto path = directory() / "operation.lock";
    const auto end = std::chrono::steady_clock::now() + timeout;
    for (;;) {
        if (!exists())
            throw Error(ExitCode::NoSuchVm, fmt::format("VM '{}' has just been removed", name_), "try again");
        if (Fd lock = try_lock(path)) {
            sign(lock);
            return lock;
        }
        if (std::chrono::steady_clock::now() >= end)
            throw Error(ExitCode::TimedOut,
                        fmt::format("{} is busy: {} is at work on it", name_, holder_of(path)),
                        "wait for it to finish, or end it, and try again");
        constexpr int between_tries_ms = 10;
        ::poll(nullptr, 0, between_tries_ms);
    }
}

Fd VmState::try_lock_supervisor() {
    return try_lock(directory() / "supervisor.lock");
}

Fd VmState::try_lock_vm() {
    return try_lock(directory() / "vm.lock");
}

std::optional<jail::ExitStatus> VmState::exit_report() const {
    const Fd file(::open((directory() / "exit.json").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    return file ? jail::read_exit_report(file.get()) : std::nullopt;
}

std::set<std::filesystem::path> VmState::known_images() const {
    std::set<fs::path> known;
    const auto json = Json::parse(read_file(directory() / images_file).bytes, nullptr, false);
    if (json.is_array())
        for (const auto& path : json)
            if (path.is_string()) known.insert(path.get<std::string>());
    return known;
}

void VmState::know_image(const fs::path& path) {
    auto known = known_images();
    if (known.insert(path).second) write_images(directory() / images_file, known);
}

void VmState::forget_image(const fs::path& path) noexcept {
    try {
        auto known = known_images();
        if (known.erase(path) != 0) write_images(directory() / images_file, known);
    } catch (const std::exception&) {
        return;  // it is said to be gone at the next start, and how to make it
    }
}

Fd VmState::open_file(const std::string& file, int flags) const {
    const auto path = directory() / file;
    Fd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600));
    if (!fd) throw_errno(fmt::format("open '{}'", path.string()));
    // Whatever the umask was when it was made.
    if ((flags & O_CREAT) != 0 && ::fchmod(fd.get(), 0600) != 0)
        throw_errno(fmt::format("set the mode of '{}'", path.string()));
    return fd;
}

void VmState::remove_runtime() noexcept {
    std::error_code error;
    fs::remove_all(runtime_directory(), error);
    // Sockets whose path was too long are beside it.
    const auto prefix = fmt::format("{:016x}-", stable_hash(name_));
    for (fs::directory_iterator entry(directories_.runtime, error), end; !error && entry != end;
         entry.increment(error))
        if (entry->path().filename().string().starts_with(prefix)) ::unlink(entry->path().c_str());
}

void VmState::remove(bool keep_disks) {
    remove_runtime();
    // At one stroke: from then on the VM does not exist, and an `up` makes all of it anew.
    const auto doomed = directories_.state / fmt::format(".removed-{}-{}", ::getpid(), name_);
    std::error_code error;
    fs::rename(directory(), doomed, error);
    if (!error && keep_disks && fs::exists(doomed / disks().filename(), error)) {
        make_private_directory(directory());
        for (const auto& kept : {disks().filename(), fs::path(images_file)})
            if (!error && fs::exists(doomed / kept, error))
                fs::rename(doomed / kept, directory() / kept, error);
    }
    if (!error) fs::remove_all(doomed, error);
    if (error) throw SystemError(fmt::format("remove '{}'", directory().string()), error.value());
}

std::vector<std::string> all_names(const Directories& directories) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(directories.state, error), end; !error && entry != end;
         entry.increment(error)) {
        std::error_code ignored;
        if (entry->path().filename().string().starts_with('.')) continue;
        if (fs::exists(entry->path() / origin_file, ignored))
            names.push_back(entry->path().filename().string());
    }
    std::ranges::sort(names);
    return names;
}

}  // namespace qvm::launch
