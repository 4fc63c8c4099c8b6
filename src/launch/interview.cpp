// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/interview.hpp"

#include <array>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "jail/profile.hpp"
#include "jail/reduced.hpp"
#include "jail/spawn.hpp"
#include "launch/contain.hpp"
#include "launch/jail_uids.hpp"
#include "qmp/async.hpp"
#include "qmp/client.hpp"

namespace qvm::launch {
namespace {

constexpr std::chrono::seconds greeting_deadline{60};
constexpr std::chrono::seconds answer_deadline{30};
constexpr int monitor_number = 10;
/// How long a QEMU that has closed its monitor may take to be gone.
constexpr int last_breath_ms = 2'000;

/// As root a jail needs a uid of its own, and two probes at the same time are strangers to each other.
std::uint32_t probe_uid() {
    return JailUids().choose(fmt::format("probe {}", ::getpid()));
}

Fd memory_file(const char* name) {
    Fd file(::memfd_create(name, MFD_CLOEXEC));
    if (!file) throw_errno("make a file in memory");
    return file;
}

jail::Spec spec_for(const config::QemuBinary& qemu, const std::filesystem::path& binary,
                    config::JailMode mode) {
    jail::Spec spec = jail::qemu_profile({.binary = binary,
                                          .loader = qemu.loader,
                                          .library_path = qemu.library_path,
                                          .data = qemu.data,
                                          .modules = qemu.module_dir},
                                         false, filter_for({.mode = mode_of(mode)}, jail::Violation::Errno));
    spec.name = "probe";
    spec.mode = mode_of(mode);
    spec.end_with_parent = true;
    if (::geteuid() == 0) spec.host_uid = probe_uid();
    if (spec.mode == jail::Mode::Reduced) jail::reduce(spec);
    const auto chardev = fmt::format("socket,id=monitor,fd={}", monitor_number);
    for (const char* word : {"-M", "none", "-nodefaults", "-no-user-config", "-S", "-display", "none",
                             "-chardev", chardev.c_str(), "-mon", "chardev=monitor,mode=control"})
        spec.argv.emplace_back(word);
    return spec;
}

qmp::net::awaitable<void> greet(qmp::Client& client, qmp::Greeting& greeting) {
    auto handshake = client.handshake(greeting_deadline);
    greeting = co_await std::move(handshake);
}

qmp::net::awaitable<void> execute_into(qmp::Client& client, std::string command, Json arguments,
                                       Json& answer) {
    qmp::ExecuteOptions options;
    options.deadline = answer_deadline;
    auto reply = client.execute(std::move(command), std::move(arguments), options);
    answer = co_await std::move(reply);
}

}  // namespace

struct Interview::Impl {
    Impl(const config::QemuBinary& qemu, const std::filesystem::path& path, config::JailMode mode,
         Stage stage)
        : binary(path), output(memory_file("qemu-output")) {
        SocketPair pair(SOCK_STREAM);
        jail::Spec spec = spec_for(qemu, binary, mode);
        if (stage == Stage::Preconfig) spec.argv.emplace_back("--preconfig");
        spec.fds = {{pair.second.get(), monitor_number}};
        spec.stub.log = output.get();
        process.emplace(jail::spawn(spec));
        pair.second.reset();
        client.emplace(context, std::move(pair.first));
        try {
            qmp::run(context, greet(*client, greeting));
        } catch (const qmp::ConnectError&) {
            throw over("before it could be asked");
        }
    }

    /// What is to be said of a QEMU that has gone silent.
    InterviewOver over(const std::string& when) {
        const auto status = process->wait(last_breath_ms);
        const auto how = status ? status->to_string() : std::string("does not answer");
        return {ExitCode::HostCannot, fmt::format("'{}' {} {}", binary.string(), how, when), words()};
    }

    std::string words() const {
        std::array<char, 2048> buffer{};
        const auto size = ::lseek(output.get(), 0, SEEK_END);
        const auto from =
            size > static_cast<off_t>(buffer.size()) ? size - static_cast<off_t>(buffer.size()) : 0;
        const auto got = ::pread(output.get(), buffer.data(), buffer.size(), from);
        std::string_view rest(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
        std::string text;
        while (!rest.empty()) {
            const auto end = std::min(rest.find('\n'), rest.size());
            const auto line = escape_controls(rest.substr(0, end));
            rest.remove_prefix(std::min(rest.size(), end + 1));
            // About the monitor's own option, which older QEMUs know no other form of.
            if (line.empty() || line.find("deprecated") != std::string::npos) continue;
            text += (text.empty() ? "" : "\n") + ("it said: " + line);
        }
        return text;
    }

    std::filesystem::path binary;
    boost::asio::io_context context{1};
    Fd output;
    std::optional<jail::Child> process;
    std::optional<qmp::Client> client;
    qmp::Greeting greeting;
};

Interview::Interview(const config::QemuBinary& qemu, const std::filesystem::path& binary,
                     config::JailMode mode, Stage stage)
    : impl_(std::make_unique<Impl>(qemu, binary, mode, stage)) {}

Interview::~Interview() = default;

const qmp::Greeting& Interview::greeting() const {
    return impl_->greeting;
}

Json Interview::ask(const std::string& command, const Json& arguments) {
    Json answer;
    try {
        impl_->context.restart();
        qmp::run(impl_->context, execute_into(*impl_->client, command, arguments, answer));
    } catch (const qmp::InterruptedError&) {
        throw impl_->over(fmt::format("when it was asked for {}", command));
    } catch (const qmp::StateError&) {
        throw impl_->over(fmt::format("before it was asked for {}", command));
    }
    return answer;
}

}  // namespace qvm::launch
