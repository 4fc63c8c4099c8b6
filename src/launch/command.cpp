// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/command.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/text.hpp"
#include "jail/profile.hpp"
#include "launch/find_program.hpp"
#include "launch/jail_uids.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

struct LimitName {
    const char* name;
    int resource;
    bool bytes;
};
constexpr LimitName limit_names[] = {{"nofile", RLIMIT_NOFILE, false}, {"nproc", RLIMIT_NPROC, false},
                                     {"fsize", RLIMIT_FSIZE, true},    {"as", RLIMIT_AS, true},
                                     {"core", RLIMIT_CORE, true},      {"cpu", RLIMIT_CPU, false}};

Error wrong(const std::string& what, const std::string& advice) {
    return Error(ExitCode::Usage, what, advice);
}

std::string without_trailing_slashes(std::string path) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return path;
}

std::string variable(const std::string& text) {
    if (text.find('=') != std::string::npos) return text;
    const char* value = std::getenv(text.c_str());
    if (value == nullptr)
        throw wrong(fmt::format("--env {}: there is no such variable here to hand on", text),
                    fmt::format("give it a value: --env {}=VALUE", text));
    return text + '=' + value;
}

/// The later of two variables of the same name counts.
void set_variable(std::vector<std::string>& env, const std::string& assignment) {
    const auto name = assignment.substr(0, assignment.find('=') + 1);
    std::erase_if(env, [&](const auto& one) { return one.starts_with(name); });
    env.push_back(assignment);
}

void set_limit(std::vector<jail::Limit>& limits, const jail::Limit& limit) {
    std::erase_if(limits, [&](const auto& one) { return one.resource == limit.resource; });
    limits.push_back(limit);
}

struct ProfileName {
    const char* name;
    jail::Spec (*make)(const jail::Program& program);
};
constexpr ProfileName profiles[] = {
    {"command", jail::command_profile},
    {"passt", jail::passt_profile},
    {"qemu", [](const jail::Program& program) { return jail::qemu_profile(program, false); }},
    {"qemu-storage-daemon", jail::storage_daemon_profile},
    {"swtpm", [](const jail::Program& program) { return jail::swtpm_profile(program); }},
    {"virtiofsd", jail::virtiofsd_profile}};

jail::Spec profile_of(const CommandWords& words, const jail::Program& program) {
    std::vector<std::string> names;
    for (const auto& profile : profiles) {
        if (words.profile == profile.name) return profile.make(program);
        names.emplace_back(profile.name);
    }
    const auto near = did_you_mean(words.profile, names);
    throw wrong(fmt::format("--profile {}: there is no such profile", words.profile),
                near.empty() ? "it is one of " + join_or(names) : near);
}

jail::Landlock landlock_of(const std::string& word) {
    if (word == "auto") return jail::Landlock::Auto;
    if (word == "require") return jail::Landlock::Require;
    if (word == "off") return jail::Landlock::Off;
    throw wrong(fmt::format("--landlock {}: there is no such choice", word),
                "it is one of auto, require and off");
}

/// The same for the same command in the same directory, so that what it made there stays its own.
std::optional<std::uint32_t> uid_for(const CommandWords& words) {
    if (::geteuid() != 0) {
        if (!words.uid) return std::nullopt;
        throw wrong("--uid is for root: an ordinary user's jails have his own uid",
                    "leave it out; in the jail it is called 1000 in any case");
    }
    if (words.uid) return words.uid;
    return JailUids().choose(fs::current_path().string() + '\0' + words.command.front());
}

/// The terminal's foreground belongs to us again when this ends: an interactive shell takes it for itself,
/// and cannot give it back, because from its pid namespace it cannot name us.
class Foreground {
  public:
    Foreground() : ours_(::tcgetpgrp(STDIN_FILENO) == ::getpgrp()) {}
    Foreground(const Foreground&) = delete;
    Foreground& operator=(const Foreground&) = delete;
    ~Foreground() {
        if (!ours_) return;
        const auto before = std::signal(SIGTTOU, SIG_IGN);
        ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
        std::signal(SIGTTOU, before);
    }

  private:
    bool ours_;
};

/// The signals to pass on, as a descriptor; they are blocked as long as this lives.
class Signals {
  public:
    Signals() {
        ::sigemptyset(&set_);
        for (const int signal : {SIGINT, SIGQUIT, SIGTERM, SIGHUP}) ::sigaddset(&set_, signal);
        ::sigprocmask(SIG_BLOCK, &set_, nullptr);
        fd_ = Fd(::signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK));
        if (!fd_) throw_errno("wait for signals");
    }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;
    ~Signals() { ::sigprocmask(SIG_UNBLOCK, &set_, nullptr); }

    int fd() const { return fd_.get(); }
    void pass_on(const PidFd& process) const {
        signalfd_siginfo info{};
        while (::read(fd_.get(), &info, sizeof info) == sizeof info) {
            // The kernel's own come from the terminal, which sent them to the process as well.
            if (info.ssi_code == SI_KERNEL && info.ssi_signo != SIGHUP) continue;
            process.send(static_cast<int>(info.ssi_signo));
        }
    }

  private:
    sigset_t set_{};
    Fd fd_;
};

}  // namespace

jail::Bind parse_bind(const std::string& text, bool writable) {
    const auto colon = text.rfind(":/");
    std::string source = text.substr(0, colon);
    if (source.empty() || (colon == std::string::npos && text.back() == ':'))
        throw wrong(fmt::format("'{}' is not SRC or SRC:DST", text), "DST is an absolute path in the jail");
    source = without_trailing_slashes(fs::absolute(source).lexically_normal().string());
    const auto target =
        colon == std::string::npos ? source : without_trailing_slashes(text.substr(colon + 1));
    return {.source = source, .target = target, .writable = writable, .executable = !writable};
}

jail::Limit parse_limit(const std::string& text) {
    const auto equals = text.find('=');
    const auto name = text.substr(0, equals);
    const auto* known = std::ranges::find_if(limit_names, [&](const auto& one) { return name == one.name; });
    if (equals == std::string::npos || known == std::end(limit_names))
        throw wrong(fmt::format("'{}' is no limit", text),
                    "it is NAME=VALUE, and NAME one of nofile, nproc, fsize, as, core, cpu");
    const auto value = text.substr(equals + 1);
    if (known->bytes) {
        const auto size = parse_size(value);
        if (const auto* why = std::get_if<std::string>(&size))
            throw wrong(fmt::format("the limit {} is a size, not '{}'", name, value), *why);
        return {known->resource, std::get<std::uint64_t>(size)};
    }
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size())
        throw wrong(fmt::format("the limit {} is a number, not '{}'", name, value),
                    fmt::format("as in {}=256", name));
    return {known->resource, number};
}

jail::Spec command_spec(const CommandWords& words) {
    if (words.command.empty())
        throw wrong("there is no command to run", "qvm jail [OPTION..] -- CMD [ARG..]");
    jail::Spec spec = profile_of(words, {.binary = find_program(words.command.front(), "")});
    spec.name = fs::path(words.command.front()).filename();
    spec.argv.insert(spec.argv.end(), words.command.begin() + 1, words.command.end());
    for (const auto& text : words.bind_ro) spec.binds.push_back(parse_bind(text, false));
    for (const auto& text : words.bind_rw) spec.binds.push_back(parse_bind(text, true));
    for (const auto& path : words.tmpfs) spec.tmpfs.push_back(without_trailing_slashes(path));
    for (const auto& text : words.env) set_variable(spec.env, variable(text));
    for (const auto& text : words.limits) set_limit(spec.limits, parse_limit(text));
    for (const int fd : words.fds) spec.fds.push_back({fd, fd});
    if (words.net == "host")
        spec.namespaces.net = false;
    else if (words.net != "none")
        throw wrong(fmt::format("--net {}: there is no such network", words.net), "it is none or host");
    if (!words.landlock.empty()) spec.landlock = landlock_of(words.landlock);
    spec.proc = spec.proc || words.proc;
    spec.filter.log = words.log;
    spec.inherit_streams = true;
    spec.end_with_parent = true;
    spec.host_uid = uid_for(words);
    return spec;
}

jail::ExitStatus run_command(const jail::Spec& spec) {
    const Foreground foreground;
    const Signals signals;
    jail::Child child = jail::spawn(spec);
    // If it has ended already, the stub, which reaped it, is ending too, and nothing is passed on any more.
    const PidFd process = PidFd::open(child.process_pid());
    pollfd sources[] = {{.fd = child.stub().get(), .events = POLLIN, .revents = 0},
                        {.fd = signals.fd(), .events = POLLIN, .revents = 0}};
    while ((sources[0].revents & POLLIN) == 0) {
        if (::poll(sources, std::size(sources), -1) < 0 && errno != EINTR)
            throw_errno("wait for the command");
        if (process) signals.pass_on(process);
    }
    const auto status = child.wait(-1);
    return status.value_or(jail::ExitStatus{true, SIGKILL});
}

int shell_status(const jail::ExitStatus& status) {
    constexpr int signal_base = 128;
    return status.signaled ? signal_base + status.code : status.code;
}

}  // namespace qvm::launch
