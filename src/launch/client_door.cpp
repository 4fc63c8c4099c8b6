// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/client_door.hpp"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <sys/socket.h>
#include <utility>

#include <fmt/format.h>

#include "config/rules_buses.hpp"
#include "launch/host_action.hpp"
#include "launch/runner.hpp"
#include "qmp/async.hpp"

namespace qvm::launch {
namespace {

using qmp::net::awaitable;

/// There may be no descriptor left for a while.
constexpr std::chrono::milliseconds accept_again{100};

}  // namespace

bool is_door(const config::Resource& resource) {
    return resource.id.kind == config::Kind::Host && config::text_at(resource, "protocol") != nullptr;
}

std::vector<Door> doors_of(const Compiled& compiled) {
    std::vector<Door> doors;
    // To read all of it takes its time, and most VMs have none.
    bool any = false;
    for (const auto& resource : compiled.resources)
        any =
            any || (resource.id.starts_with("host.") && resource.text.find("protocol") != std::string::npos);
    if (!any) return doors;
    for (const auto& resource : lower_compiled(compiled).resources)
        if (is_door(resource))
            doors.push_back({{resource.id.to_string(), host_action(resource, config::Access::ReadWrite)},
                             *config::text_at(resource, "protocol")});
    return doors;
}

struct ClientDoor::Impl {
    Impl(qmp::net::io_context& ctx, qmp::Client& client, Fd socket, const std::string& door,
         std::string spoken, std::function<void(const std::string&)> log_line)
        : context(ctx),
          monitor(client),
          descriptor("qvm.client." + door),
          listener(std::move(socket)),
          protocol(std::move(spoken)),
          log(std::move(log_line)) {
        ::fcntl(listener.get(), F_SETFL, ::fcntl(listener.get(), F_GETFL) | O_NONBLOCK);
    }

    awaitable<void> hand_over(Fd client) {
        auto passing =
            try_command(monitor, "getfd", Json::object({{"fdname", descriptor}}), client.get(), nullptr);
        auto failure = co_await std::move(passing);
        client.reset();
        if (!failure) {
            Json arguments = Json::object({{"protocol", protocol}, {"fdname", descriptor}});
            auto adding = try_command(monitor, "add_client", std::move(arguments), -1, nullptr);
            failure = co_await std::move(adding);
        }
        if (failure) log(fmt::format("a client of {} was not let in: {}", protocol, to_string(*failure)));
    }

    awaitable<void> serve() {
        while (open) {
            auto somebody = qmp::wait_readable(listener.get());
            co_await std::move(somebody);
            Fd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!client && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
                auto moment = qmp::sleep_for(accept_again);
                co_await std::move(moment);
            }
            if (!client) continue;
            auto handing = hand_over(std::move(client));
            co_await std::move(handing);
        }
    }

    qmp::net::io_context& context;
    qmp::Client& monitor;
    std::string descriptor;  ///< the name of one on its way: no other door's
    Fd listener;
    std::string protocol;
    std::function<void(const std::string&)> log;
    bool open = true;
};

ClientDoor::ClientDoor(qmp::net::io_context& context, qmp::Client& monitor, Fd listener, const Door& door,
                       std::function<void(const std::string&)> log)
    : impl_(std::make_shared<Impl>(context, monitor, std::move(listener), door.step.name, door.protocol,
                                   std::move(log))) {
    qmp::spawn(context, impl_->serve(), [impl = impl_](const std::exception_ptr& exception) {
        try {
            std::rethrow_exception(exception);
        } catch (const std::exception& error) {
            if (impl->open) impl->log(fmt::format("no more clients of {}: {}", impl->protocol, error.what()));
        }
    });
}

ClientDoor::~ClientDoor() {
    impl_->open = false;
}

}  // namespace qvm::launch
