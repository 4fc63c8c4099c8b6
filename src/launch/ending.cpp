// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/ending.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "launch/spawner.hpp"

namespace qvm::launch {

std::optional<Ending> ending_of(const qmp::Event& shutdown, bool restarts) {
    const auto reason = shutdown.data.value("reason", "");
    if (reason == "guest-shutdown") return Ending{"guest", "the guest powered off"};
    if (reason == "guest-reset" || reason == "host-qmp-system-reset") {
        const auto* who = reason == "guest-reset" ? "the guest rebooted" : "the machine was reset";
        if (restarts)
            return Ending{"restart", fmt::format("{}: it is started again (lifecycle.on-reboot)", who)};
        return Ending{"guest", fmt::format("{}, which ends it (lifecycle.on-reboot)", who)};
    }
    if (reason == "guest-panic") return Ending{"died", "the guest panicked"};
    if (reason == "host-qmp-quit") return Ending{"quit", "a QMP client told QEMU to quit"};
    if (reason == "host-signal") return Ending{"quit", "QEMU was told to end by a signal"};
    return std::nullopt;
}

int Ending::exit_status() const {
    return how == "restart" ? start_again : static_cast<int>(how == "died" ? ExitCode::VmDied : ExitCode::Ok);
}

Json Ending::to_json() const {
    Json json = Json::object();
    json["how"] = how;
    json["detail"] = detail;
    return json;
}

}  // namespace qvm::launch
