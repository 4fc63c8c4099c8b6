// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/spawn.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <sys/resource.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "base/text.hpp"
#include "jail/child.hpp"
#include "jail/filter.hpp"
#include "jail/layout.hpp"
#include "jail/path_rules.hpp"
#include "jail/reduced.hpp"
#include "jail/sources.hpp"
#include "jail/spec_check.hpp"
#include "jail/sys.hpp"

namespace qvm::jail {

namespace {

/// CLONE_CLEAR_SIGHAND, which linux/sched.h gives as a macro of a type that -Wconversion minds.
constexpr std::uint64_t clear_handlers = std::uint64_t{1} << 32U;

std::string subject_of(const Failure& failure, const Spec& spec, const Layout& layout) {
    const auto at = [&](const auto& list, std::size_t index) {
        return list.at(std::min(index, list.size() - 1));
    };
    const auto index = static_cast<std::size_t>(std::max(failure.index, 0));
    switch (failure.stage) {
        case Stage::OpenExecutable:
        case Stage::Execute:
            return fmt::format("'{}'", spec.executable);
        case Stage::OpenSource:
            return fmt::format("'{}'", at(layout.attachments, index).source);
        case Stage::Bind: {
            const auto attachment = at(layout.attachments, index);
            return fmt::format("'{}' at '/{}'", attachment.source, attachment.target);
        }
        case Stage::Directory:
            return index < layout.directories.size()
                       ? fmt::format("'/{}'", layout.directories[index])
                       : fmt::format("'/{}'", at(layout.files, index - layout.directories.size()));
        case Stage::Symlink:
            return fmt::format("'/{}'", at(layout.symlinks, index).path);
        case Stage::Copy:
            return fmt::format("{} to '/{}'", at(layout.copies, index).subject,
                               at(layout.copies, index).path);
        case Stage::Tmpfs:
            return fmt::format("'/{}'", at(layout.tmpfs, index));
        case Stage::Descriptors:
            return index < spec.fds.size() ? std::to_string(spec.fds[index].number) : "of a copy";
        case Stage::Limits:
            return failure.index < 0 || spec.limits.empty() ? "of open files"
                                                            : std::to_string(at(spec.limits, index).resource);
        default:
            return {};
    }
}

[[noreturn]] void refuse(const Failure& failure, const Spec& spec, const Layout& layout) {
    const auto action = fmt::format(fmt::runtime(stage_action(failure.stage)),
                                    escape_controls(subject_of(failure, spec, layout)));
    throw SetupError(std::string(stage_name(failure.stage)),
                     fmt::format("jail '{}': cannot {}: {}", escape_controls(spec.name), action,
                                 errno_text(failure.error)),
                     failure.error, stage_advice(failure.stage, failure.error));
}

std::vector<const char*> pointers(const std::vector<std::string>& words) {
    std::vector<const char*> result;
    result.reserve(words.size() + 1);
    for (const auto& word : words) result.push_back(word.c_str());
    result.push_back(nullptr);
    return result;
}

/// What we may set of `limit`: raising a hard limit is for the privileged.
rlimit within_reach(const Limit& limit) {
    rlimit now{};
    // SAFETY: the C library's own type for the resource is an enum in C++; check_spec saw that the number is
    // one.
    ::getrlimit(static_cast<__rlimit_resource_t>(limit.resource), &now);
    const auto value = std::min<rlim_t>(limit.value, now.rlim_max);
    return {value, value};
}

Fd open_or_throw(const char* path, int flags) {
    const int fd = ::open(path, flags | O_CLOEXEC);
    if (fd < 0) throw_errno(fmt::format("open '{}'", path));
    return Fd(fd);
}

/// Blocks all signals for its lifetime: a handler of ours must not run in the child.
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;
    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  private:
    sigset_t before_{};
};

/// One start of one jail, from the parent's side.
class Spawner {
  public:
    Spawner(const Spec& spec, std::optional<Failure> fault)
        : spec_(spec),
          strict_(spec.mode == Mode::Strict),
          layout_(strict_ ? lay_out(spec) : Layout{}),
          privileged_(spec.mode != Mode::Off && ::geteuid() == 0),
          sync_(SOCK_SEQPACKET) {
        order_.fault = fault;
    }

    Spawner(const Spawner&) = delete;
    Spawner& operator=(const Spawner&) = delete;
    ~Spawner() { const Child kills_and_reaps(std::move(stub_), -1, std::move(sync_.first)); }

    Child run(const Announce& announce) {
        open_program();
        if (strict_ && privileged_)
            if (const auto failure = open_sources(layout_, device_paths(spec_), *spec_.host_uid, trees_))
                refuse(*failure, spec_, layout_);
        prepare_order();
        clone();
        map_ids();
        if (announce) announce(stub_);
        let_go();
        return await_exec();
    }

  private:
    void open_program() {
        null_ = open_or_throw("/dev/null", O_RDWR);
        if (spec_.mode == Mode::Off) return;
        executable_ = Fd(::open(spec_.executable.c_str(), O_RDONLY | O_CLOEXEC));
        if (!executable_) refuse({Stage::OpenExecutable, 0, errno}, spec_, layout_);
    }

    void prepare_order() {
        const bool logged = spec_.stub.log >= 0;
        order_.argv = pointers(spec_.argv);
        order_.env = pointers(spec_.env);
        order_.executable = executable_.get();
        order_.null = null_.get();
        order_.output = logged ? log_.write.get() : STDERR_FILENO;
        if (!logged && ::fcntl(STDERR_FILENO, F_GETFD) < 0) order_.output = null_.get();
        order_.log_pipe = logged ? log_.read.get() : -1;
        // Only our end: the process writes to the other, and must wait when the pipe is full.
        if (logged && ::fcntl(log_.read.get(), F_SETFL, O_NONBLOCK) < 0) throw_errno("set up the log's pipe");
        order_.error_pipe = errors_.write.get();
        order_.sync = sync_.second.get();
        order_.parents_sync = sync_.first.get();
        order_.drop_groups = privileged_;
        for (const auto& limit : spec_.limits) order_.limits.push_back(within_reach(limit));
        order_.fds = spec_.fds;
        if (spec_.mode == Mode::Reduced) reduce_further();
        order_.moved.assign(order_.fds.size(), -1);
        order_.filter = spec_.filter.program;
        order_.path_rules = path_rules(spec_, executable_.get());
        if (spec_.mode != Mode::Off) order_.stub_filter = stub_filter(spec_.mode);

        auto& keeps = order_.stub_keeps;
        keeps = spec_.stub.held;
        keeps.insert(keeps.end(), {spec_.stub.log, spec_.stub.log_previous, spec_.stub.exit_report,
                                   order_.log_pipe, order_.sync});
        std::sort(keeps.begin(), keeps.end());
        keeps.erase(std::unique(keeps.begin(), keeps.end()), keeps.end());
        keeps.erase(keeps.begin(), std::find_if(keeps.begin(), keeps.end(), [](int fd) { return fd >= 0; }));

        const int on = 1;
        if (::setsockopt(sync_.first.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
            throw_errno("ask for the credentials of the jail");
    }

    /// What a reduced jail has in place of a root of its own.
    void reduce_further() {
        copies_ = copies_in_memory(spec_);
        for (std::size_t i = 0; i < copies_.size(); ++i)
            order_.fds.push_back({copies_[i].get(), spec_.copies[i].number});
        const bool kvm = std::ranges::find(spec_.devices, Device::Kvm) != spec_.devices.end();
        if (kvm && privileged_) order_.only_group = group_of_kvm();
    }

    std::uint64_t namespaces() const {
        if (!strict_) return 0;
        std::uint64_t flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
        if (spec_.namespaces.pid) flags |= CLONE_NEWPID;
        if (spec_.namespaces.net) flags |= CLONE_NEWNET;
        return flags;
    }

    void clone() {
        int pidfd = -1;
        clone_args arguments{};
        arguments.flags = CLONE_PIDFD | clear_handlers | namespaces();
        // SAFETY: the kernel stores a descriptor at this address before clone3 returns.
        arguments.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
        arguments.exit_signal = SIGCHLD;
        const SignalsBlocked blocked;
        const int pid = sys::clone3(arguments);
        if (pid < 0) refuse({Stage::Clone, 0, -pid}, spec_, layout_);
        if (pid == 0) run_child(order_);
        stub_ = PidFd(Fd(pidfd), pid);
        sync_.second.reset();
        errors_.write.reset();
        log_.write.reset();
        trees_.clear();
        copies_.clear();
    }

    void write_proc(const char* file, const std::string& text) {
        const Fd fd(::open(fmt::format("/proc/{}/{}", stub_.pid(), file).c_str(), O_WRONLY | O_CLOEXEC));
        if (fd && ::write(fd.get(), text.data(), text.size()) >= 0) return;
        const int error = errno;
        // A child that ended early has said why, and that is why there is nothing to write to.
        pollfd said{.fd = errors_.read.get(), .events = POLLIN, .revents = 0};
        if (::poll(&said, 1, 0) <= 0) refuse({Stage::IdMap, 0, error}, spec_, layout_);
    }
    void map_ids() {
        if (!strict_) return;
        const auto uid = privileged_ ? *spec_.host_uid : ::geteuid();
        const auto gid = privileged_ ? spec_.host_gid.value_or(*spec_.host_uid) : ::getegid();
        // Who is not privileged may only map a group after giving setgroups(2) up, which could take a group
        // away that a file denies something to.
        if (!privileged_) write_proc("setgroups", "deny");
        write_proc("gid_map", lines_of_map(gid, spec_.gid_map));
        write_proc("uid_map", lines_of_map(uid, spec_.uid_map));
    }
    static std::string lines_of_map(std::uint32_t own, const std::vector<IdRange>& map) {
        if (map.empty()) return fmt::format("{} {} 1", uid_inside, own);
        std::string lines;
        for (const auto& [inside, outside, count] : map)
            lines += fmt::format("{} {} {}\n", inside, outside, count);
        return lines;
    }

    void let_go() {
        // A child that is gone is found out below.
        ::send(sync_.first.get(), "g", 1, MSG_NOSIGNAL);
    }

    /// The pipe's end without a message means that exec has closed the last copy, or that everyone died.
    Child await_exec() {
        Failure failure;
        ssize_t count = 0;
        do {
            count = ::read(errors_.read.get(), &failure, sizeof failure);
        } while (count < 0 && errno == EINTR);
        if (count == sizeof failure) refuse(failure, spec_, layout_);
        const auto process = announced_pid();
        Child child(std::move(stub_), process, std::move(sync_.first));
        if (process > 0) return child;
        child.kill();
        const auto status = child.wait(-1);
        throw SetupError("died",
                         fmt::format("jail '{}': the process that builds it {}", escape_controls(spec_.name),
                                     status ? status->to_string() : "ended"),
                         0, "not enough memory, perhaps: see dmesg");
    }

    /// The process wrote one byte; the kernel tells who that was, in our numbers.
    pid_t announced_pid() {
        char byte = 0;
        iovec data{.iov_base = &byte, .iov_len = 1};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
        msghdr message{};
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        if (::recvmsg(sync_.first.get(), &message, MSG_DONTWAIT) != 1) return -1;
        for (auto* header = CMSG_FIRSTHDR(&message); header != nullptr;
             header = CMSG_NXTHDR(&message, header)) {
            if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS) continue;
            ucred credentials{};
            std::memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
            return credentials.pid;
        }
        return -1;
    }

    const Spec& spec_;
    const bool strict_;
    Layout layout_;
    const bool privileged_;
    Fd executable_;
    Fd null_;
    std::vector<Fd> trees_;
    std::vector<Fd> copies_;
    Pipe log_;
    Pipe errors_;
    SocketPair sync_;
    Order order_{.spec = spec_, .layout = layout_};
    PidFd stub_;  ///< ours to kill until it is given to a Child
};

}  // namespace

SetupError::SetupError(std::string stage, const std::string& what, int error, std::string advice)
    : Error(ExitCode::HostCannot, what, std::move(advice)), stage_(std::move(stage)), error_(error) {}

Child spawn(const Spec& spec, const Announce& announce) {
    check_spec(spec);
    return Spawner(spec, std::nullopt).run(announce);
}

Child spawn_with_fault(const Spec& spec, Stage stage, int error) {
    check_spec(spec);
    return Spawner(spec, Failure{stage, 0, error}).run({});
}

}  // namespace qvm::jail
