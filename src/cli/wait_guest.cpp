// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/wait_guest.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <poll.h>
#include <random>
#include <sys/socket.h>
#include <thread>

#include <fmt/format.h>

#include "cli/terminal.hpp"
#include "config/rules_buses.hpp"
#include "launch/ssh_way.hpp"
#include "qmp/transport.hpp"

namespace qvm::cli {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// How long one attempt listens, and the pause after it.
constexpr milliseconds listening{2'000}, pause{250};

/// Nothing before `text` has come within `listening`.
bool hears(int socket, std::string_view text) {
    std::string heard;
    const auto end = Clock::now() + listening;
    while (heard.find(text) == std::string::npos) {
        const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now()).count();
        pollfd ready{socket, POLLIN, 0};
        if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) <= 0) return false;
        std::array<char, 512> bytes{};
        const auto got = ::recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (got <= 0) return false;
        heard.append(bytes.data(), static_cast<std::size_t>(got));
    }
    return true;
}

/// RFC 4253, 4.2: both sides say who they are. We do so first: passt of March 2023 (Debian 12) does not tell
/// the guest that a connection stands before the host has sent something.
bool ssh_greets(const launch::SshWay& way) {
    try {
        const Fd socket = launch::connect(way, listening);
        constexpr std::string_view greeting = "SSH-2.0-qvm\r\n";
        return qmp::send_some(socket.get(), greeting, -1) == greeting.size() && hears(socket.get(), "SSH-");
    } catch (const SystemError&) {
        return false;
    }
}

/// qapi-schema.json of the guest agent: guest-sync-delimited, which also skips what others have asked.
bool agent_answers(const std::string& path) {
    static std::mt19937 numbers{std::random_device{}()};
    const auto number = std::uniform_int_distribution<std::int32_t>(1)(numbers);
    const auto request =
        fmt::format("\xFF{{\"execute\":\"guest-sync-delimited\",\"arguments\":{{\"id\":{}}}}}\n", number);
    try {
        const Fd socket = qmp::connect_unix(path);
        if (qmp::send_some(socket.get(), request, -1) != request.size()) return false;
        return hears(socket.get(), fmt::format("\"return\": {}", number));
    } catch (const SystemError&) {
        return false;
    }
}

bool has_agent(const config::Vm& vm) {
    return std::ranges::any_of(vm.resources, [](const config::Resource& resource) {
        const std::string* file = config::text_at(resource, "runtime");
        return resource.id.kind == config::Kind::Host && file != nullptr && *file == config::agent_socket;
    });
}

bool has_bytes(const std::filesystem::path& file) {
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    return !error && size > 0;
}

Error no_way(const launch::VmState& vm, const std::string& sign) {
    if (sign.empty())
        return {ExitCode::Usage,
                fmt::format("{} has no console, no agent and no forward to port 22", vm.name()),
                "there is nothing by which its guest could tell that it is there"};
    return {ExitCode::Usage, fmt::format("{} has no {} to wait for", vm.name(), sign),
            sign == "ssh"
                ? "say forward = [\"2222 -> 22\"] in a [net.X] with type = \"user\", or vsock = true"
            : sign == "agent" ? "say agent = true in its file"
                              : "say console = \"serial\" in its file"};
}

}  // namespace

const std::vector<std::string>& GuestSign::names() {
    static const std::vector<std::string> names{"ssh", "agent", "console"};
    return names;
}

std::vector<GuestSign> GuestSign::all_of(const launch::VmState& vm, const config::Vm& made) {
    std::vector<GuestSign> signs;
    const auto way = launch::ssh_way(made);
    const auto add_ssh = [&] {
        signs.push_back({vm, "ssh", "its SSH server answers", [way] { return ssh_greets(*way); }});
    };
    if (way && !way->by_vsock()) add_ssh();
    if (has_agent(made))
        signs.push_back({vm, "agent", "its agent answers",
                         [path = vm.socket(config::agent_socket).string()] { return agent_answers(path); }});
    if (!made.console.empty())
        signs.push_back({vm, "console", "it speaks on its console",
                         [log = vm.directory() / "console.log"] { return has_bytes(log); }});
    // Not every guest has a server there, so nobody waits for it unasked.
    if (way && way->by_vsock()) add_ssh();
    return signs;
}

GuestSign GuestSign::of(const launch::VmState& vm, const config::Vm& made, const std::string& name) {
    const auto signs = all_of(vm, made);
    const auto wanted = std::ranges::find_if(
        signs, [&](const GuestSign& sign) { return name.empty() || sign.name_ == name; });
    if (wanted == signs.end()) throw no_way(vm, name);
    return *wanted;
}

std::string GuestSign::wait(milliseconds timeout) const {
    const auto begun = Clock::now();
    ProgressLine line;
    const auto waited = [&] {
        return std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begun).count();
    };
    while (true) {
        line.show(fmt::format("{}: waiting for its {} ({} s)", vm_.name(), name_, waited()));
        if (is_there_()) return fmt::format("{}, after {} s", came_, waited());
        if (vm_.condition() == launch::Condition::Stopped) {
            const auto applied = vm_.applied();
            throw Error(ExitCode::VmDied,
                        fmt::format("{} has ended: {}", vm_.name(),
                                    applied && applied->ended.is_object() ? applied->ended.value("detail", "")
                                                                          : "nobody knows how"));
        }
        if (Clock::now() - begun >= timeout)
            throw Error(
                ExitCode::TimedOut,
                fmt::format("{} runs, but its {} did not answer within {} s", vm_.name(), name_, waited()),
                fmt::format("`qvm console {0}` and `qvm log {0}` may tell why", vm_.name()));
        std::this_thread::sleep_for(pause);
    }
}

}  // namespace qvm::cli
