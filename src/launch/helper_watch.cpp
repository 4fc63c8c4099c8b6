// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/helper_watch.hpp"

#include <algorithm>
#include <csignal>

#include <fmt/format.h>

#include "base/error.hpp"
#include "launch/control.hpp"
#include "qmp/async.hpp"

namespace qvm::launch {

using qmp::net::awaitable;

namespace {

ProcessRecord record_in(const Json& helper) {
    return {helper.value("pid", pid_t{-1}), helper.value("start-time", std::uint64_t{0})};
}

}  // namespace

HelperWatch::HelperWatch(boost::asio::io_context& context, Records& records, HostResources& host,
                         std::function<void(const std::string&)> log,
                         std::function<void(const std::string&)> gone,
                         std::function<void(const std::string&)> died)
    : context_(context),
      records_(records),
      host_(host),
      log_(std::move(log)),
      gone_(std::move(gone)),
      died_(std::move(died)) {}

void HelperWatch::watch() {
    for (auto& [name, helper] : host_.processes())
        qmp::spawn(context_, watch_started_one(name, helper), [](const std::exception_ptr&) {});
    for (const auto& known : records_) {
        const auto is_it = [&](const auto& child) { return child.first == known.first; };
        if (std::ranges::any_of(host_.processes(), is_it)) continue;
        if (PidFd process = known.second.open())
            watch_taken(known.first, std::move(process));
        else
            ended_[known.first] = "ended";
    }
}

void HelperWatch::watch_taken(const std::string& name, PidFd process) {
    auto& kept = taken_[name] = std::move(process);
    qmp::spawn(context_, watch_taken_one(name, kept.get()), [](const std::exception_ptr&) {});
}

awaitable<void> HelperWatch::watch_started_one(std::string name, jail::Child& helper) {
    auto over = qmp::wait_readable(helper.stub().get());
    co_await std::move(over);
    const auto status = helper.wait(0);
    const auto is_it = [&](const auto& known) { return known.first == name; };
    if (std::ranges::none_of(records_, is_it)) co_return gone_(name);  // an apply has ended it
    ended_[name] = status ? status->to_string() : "ended";
    log_(fmt::format("helper {} {}", name, ended_[name]));
    died_(name);
}

void HelperWatch::take(const Json& helper) {
    const auto name = helper.at("name").get<std::string>();
    const auto record = record_in(helper);
    PidFd process = record.open();
    if (!process) throw Error(ExitCode::HostCannot, name + " has ended already");
    std::erase_if(records_, [&](const auto& known) { return known.first == name; });
    records_.emplace_back(name, record);
    ended_.erase(name);
    watch_taken(name, std::move(process));
}

awaitable<void> HelperWatch::watch_taken_one(std::string name, int process) {
    auto over = qmp::wait_readable(process);
    co_await std::move(over);
    const auto ended = std::ranges::find(let_go_, process, &PidFd::get);
    if (ended != let_go_.end()) {
        let_go_.erase(ended);
        co_return gone_(name);
    }
    ended_[name] = "ended";
    log_(fmt::format("helper {} ended", name));
    died_(name);
}

void HelperWatch::end(const Json& helper) {
    const auto name = helper.at("name").get<std::string>();
    std::erase_if(records_, [&](const auto& known) { return known.first == name; });
    if (const auto taken = taken_.find(name); taken != taken_.end()) {
        taken->second.send(SIGKILL);
        // One that had ended by itself is waited for no more.
        if (ended_.contains(name))
            gone_(name);
        else
            let_go_.push_back(std::move(taken->second));
        taken_.erase(taken);
    }
    for (auto& [known, child] : host_.processes())
        if (known == name) child.kill();
    if (const PidFd process = record_in(helper).open()) process.send(SIGKILL);
    ended_.erase(name);
}

void HelperWatch::end_taken() noexcept {
    for (const auto& [name, process] : taken_) process.send(SIGKILL);
}

std::string HelperWatch::death_of(const std::string& name) const {
    const bool is_ours =
        std::ranges::any_of(records_, [&](const auto& known) { return known.first == name; });
    const auto ended = ended_.find(name);
    return is_ours && ended != ended_.end() ? ended->second : std::string();
}

Json HelperWatch::states() const {
    Json states = Json::object();
    for (const auto& [name, process] : records_)
        states[name] = ended_.contains(name) ? ended_.at(name) : control::helper_runs;
    return states;
}

}  // namespace qvm::launch
