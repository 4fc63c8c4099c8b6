// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/host.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/tcp_address.hpp"
#include "launch/contain.hpp"
#include "launch/helper_jail.hpp"
#include "launch/last_words.hpp"
#include "launch/new_image.hpp"
#include "launch/overloaded.hpp"
#include "launch/secret.hpp"
#include "launch/seed.hpp"
#include "launch/tap.hpp"
#include "launch/usb_device.hpp"
#include "qmp/transport.hpp"

namespace qvm::launch {
namespace {

int flags_for(config::Access access) {
    switch (access) {
        case config::Access::ReadOnly:
            return O_RDONLY;
        case config::Access::ReadWrite:
            return O_RDWR;
        case config::Access::WriteOnly:
            return O_WRONLY;
    }
    return O_RDONLY;
}

std::string_view purpose_of(config::Access access) {
    switch (access) {
        case config::Access::ReadOnly:
            return "reading";
        case config::Access::ReadWrite:
            return "reading and writing";
        case config::Access::WriteOnly:
            return "writing";
    }
    return "reading";
}

/// Never in the place of a file that is there.
void make_copy(const std::filesystem::path& path, const std::filesystem::path& of) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0 || errno != ENOENT) return;
    const auto content = read_file(of);
    if (!content)
        throw SystemError(fmt::format("read '{}', of which '{}' is to be a copy", of.string(), path.string()),
                          content.error, {}, ExitCode::HostCannot);
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    write_atomically(path, content.bytes);
}

/// The access is exactly that: QEMU finds a descriptor of a set by it, and could open nothing itself.
Fd open_file(const OpenFile& wanted) {
    const auto path = wanted.path.string();
    if (!wanted.copy_of.empty()) make_copy(wanted.path, wanted.copy_of);
    // Not blocking: a FIFO without a peer would hold the start for ever.
    const int how = flags_for(wanted.access) | (wanted.direct ? O_DIRECT : 0);
    // What is only written is a log or the like, which QEMU itself would make too.
    const int make = wanted.access == config::Access::WriteOnly ? O_CREAT : 0;
    Fd file(::open(path.c_str(), how | make | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600));
    const auto action = fmt::format("open '{}' for {}{}", path, purpose_of(wanted.access),
                                    wanted.direct ? " past the page cache" : "");
    if (!file) throw SystemError(action, errno, {}, ExitCode::HostCannot);
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) throw SystemError(action, errno, {}, ExitCode::HostCannot);
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode) && !S_ISCHR(status.st_mode))
        throw Error(ExitCode::HostCannot, fmt::format("'{}' is {}, not a file", path,
                                                      S_ISDIR(status.st_mode) ? "a directory" : "a FIFO"));
    const int flags = ::fcntl(file.get(), F_GETFL);
    if (flags < 0 || ::fcntl(file.get(), F_SETFL, flags & ~O_NONBLOCK) != 0)
        throw SystemError(action, errno, {}, ExitCode::HostCannot);
    return file;
}

std::vector<Fd> alone(Fd one) {
    std::vector<Fd> list;
    list.push_back(std::move(one));
    return list;
}

}  // namespace

HostResources::HostResources(const VmState& state, jail::Cgroup* cgroup, std::optional<HostIds> ids,
                             jail::Mode mode)
    : state_(state), cgroup_(cgroup), ids_(ids), reduced_(mode == jail::Mode::Reduced) {}

HostResources::~HostResources() {
    for (const auto& image : images_) {
        ::unlink(image.c_str());
        state_.forget_image(image);
    }
    if (released_) return;
    for (const auto& socket : sockets_) ::unlink(socket.c_str());
    // Destroying a Child ends its process.
}

void HostResources::make(const HostStep& step) {
    auto made = std::visit(
        Overloaded{[&](const OpenFile& file) {
                       auto list = alone(open(file));
                       while (list.size() < file.count) list.push_back(open(file));
                       return list;
                   },
                   [&](const ListenSocket& socket) { return alone(listen(socket)); },
                   [](const ConnectSocket& socket) { return alone(qmp::connect_unix(socket.path.string())); },
                   [&](const PlaceSocket& socket) { return make_place(socket); },
                   [](const OpenTap& tap) { return open_tap(tap); },
                   [](const OpenUsb& usb) { return alone(open_usb(usb)); },
                   [&](const StartProcess& process) { return alone(start_process(step.name, process)); },
                   [](const ReadSecret& secret) { return alone(read_secret(secret)); },
                   [](const WriteSeed& seed) { return alone(make_seed_image(seed_files(seed))); }},
        step.action);
    for (unsigned i = 0; i < made.size(); ++i) fds_[descriptor_name(step.name, i)] = std::move(made[i]);
}

Fd HostResources::listen(const ListenSocket& socket) {
    if (const auto address = parse_tcp_address(socket.address)) return listen_tcp(*address);
    const auto path = socket.in_runtime.empty() ? socket.path : state_.socket(socket.in_runtime);
    Fd listener = qmp::listen_unix(path.string());
    if (std::ranges::find(sockets_, path) == sockets_.end()) sockets_.push_back(path);
    return listener;
}

std::vector<Fd> HostResources::make_place(const PlaceSocket& socket) {
    places_.emplace_back(socket.path, ids_);
    return {};
}

int HostResources::place_of(const std::filesystem::path& directory) const {
    for (const auto& place : places_)
        if (directory_for(place.socket()) == directory) return place.directory();
    return -1;
}

void HostResources::give_up_places() {
    places_.clear();
}

bool HostResources::publish_sockets() {
    places_.remove_if([&](SocketPlace& place) {
        if (!place.publish()) return false;
        sockets_.push_back(place.socket());
        return true;
    });
    return places_.empty();
}

Fd HostResources::open(const OpenFile& wanted) {
    if (!wanted.create) return open_file(wanted);
    const auto& path = wanted.path;
    const bool ephemeral = wanted.create->ephemeral;
    std::error_code error;
    // Only below what is the VM's own: a directory that the user names and that is missing is a mistake.
    if (path.parent_path() == state_.disks()) std::filesystem::create_directory(state_.disks(), error);
    const bool made = make_image(path, *wanted.create);
    if (made && !ephemeral) images_.push_back(path);
    Fd file = open_file(wanted);
    if (ephemeral)
        ::unlink(path.c_str());
    else
        state_.know_image(path);
    return file;
}

/// QEMU's end of the connection to a helper, and the helper's.
std::pair<Fd, Fd> HostResources::ends_for(const std::string& name, const StartProcess& process) const {
    if (process.profile != "virtiofsd") {
        SocketPair pair(SOCK_STREAM);
        return {std::move(pair.first), std::move(pair.second)};
    }
    // It takes a socket that listens. Nobody else can come by one that has lost its name.
    const auto path = state_.socket(name + ".sock").string();
    Fd listener = qmp::listen_unix(path);
    Fd connection;
    try {
        connection = qmp::connect_unix(path);
    } catch (...) {
        ::unlink(path.c_str());
        throw;
    }
    ::unlink(path.c_str());
    return {std::move(connection), std::move(listener)};
}

Fd HostResources::start_process(const std::string& name, const StartProcess& process) {
    auto [ours, theirs] = ends_for(name, process);
    Helper helper = prepare_helper(name, process, theirs.get(), state_, ids_, reduced_);
    jail::Spec& spec = helper.spec;
    const Fd log = state_.open_file(name + ".log", O_RDWR | O_CREAT | O_TRUNC | O_APPEND);
    spec.stub.log = log.get();
    const auto announce = [&](const PidFd& stub) {
        if (cgroup_ != nullptr) cgroup_->add(name, stub.pid());
    };
    helpers_.emplace_back(name, jail::spawn(spec, announce));
    return std::move(ours);
}

Fd HostResources::take(const std::string& name) {
    fd(name);  // throws if it is not open
    return std::move(fds_.extract(name).mapped());
}

int HostResources::fd(const std::string& name) const {
    const auto found = fds_.find(name);
    if (found == fds_.end() || !found->second)
        throw Error(ExitCode::Usage, fmt::format("the plan uses '{}', which is not open", name));
    return found->second.get();
}

std::vector<std::string> HostResources::made_by(const std::string& step) const {
    std::vector<std::string> names;
    for (unsigned i = 0;; ++i) {
        auto name = descriptor_name(step, i);
        const auto found = fds_.find(name);
        if (found == fds_.end()) return names;
        if (found->second) names.push_back(std::move(name));
    }
}

void HostResources::close(const std::string& name) {
    if (const auto found = fds_.find(name); found != fds_.end()) found->second.reset();
}

std::vector<std::pair<std::string, ProcessRecord>> HostResources::helpers() const {
    std::vector<std::pair<std::string, ProcessRecord>> list;
    for (const auto& [name, child] : helpers_) list.emplace_back(name, ProcessRecord::of(child.stub_pid()));
    return list;
}

void HostResources::expect_helpers_alive() {
    for (auto& [name, child] : helpers_) {
        const auto status = child.wait(0);
        if (!status) continue;
        auto advice = quoted_words(last_words(state_, name + ".log", 4), name);
        throw Error(ExitCode::RolledBack, fmt::format("{}: {} {}", state_.name(), name, status->to_string()),
                    std::move(advice));
    }
}

void HostResources::release_helpers(const std::set<std::string>& names) {
    for (auto& [name, child] : helpers_)
        if (names.contains(name)) child.detach();
}

void HostResources::release() {
    released_ = true;
    for (auto& [name, child] : helpers_) child.detach();
}

}  // namespace qvm::launch
