// SPDX-License-Identifier: GPL-3.0-or-later
// Keeps an eye on the helper processes of a VM that runs: those it was started with, and those that an apply
// has brought.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "base/fd.hpp"
#include "base/json.hpp"
#include "launch/host.hpp"
#include "launch/state.hpp"

namespace qvm::launch {

/// A guest may live without its helper (a network that is gone); whoever asks is told.
class HelperWatch {
  public:
    using Records = std::vector<std::pair<std::string, ProcessRecord>>;
    /// Borrows all it is given. `records`: what is written down of them; kept up to date. `gone`: told the
    /// name of each that end() has ended, once it is no more; `died`: of each that ended by itself.
    HelperWatch(boost::asio::io_context& context, Records& records, HostResources& host,
                std::function<void(const std::string&)> log, std::function<void(const std::string&)> gone,
                std::function<void(const std::string&)> died);
    HelperWatch(const HelperWatch&) = delete;
    HelperWatch& operator=(const HelperWatch&) = delete;

    /// Begins with those that are written down: `host`'s, and others that a supervisor before has left.
    void watch();
    /// One that an apply has started ({name, pid, start-time}), and that is the VM's from now on. Throws
    /// Error when it has ended already.
    void take(const Json& helper);
    /// Ends it and forgets it: {name}, with pid and start-time where it may not have been taken yet.
    void end(const Json& helper);
    /// The VM has ended, and with it goes what was taken.
    void end_taken() noexcept;
    /// How it ended, of one that is the VM's and did by itself; else empty.
    std::string death_of(const std::string& name) const;
    /// By name: "running", or how it ended.
    Json states() const;

  private:
    boost::asio::awaitable<void> watch_started_one(std::string name, jail::Child& helper);
    void watch_taken(const std::string& name, PidFd process);
    boost::asio::awaitable<void> watch_taken_one(std::string name, int process);

    boost::asio::io_context& context_;
    Records& records_;
    HostResources& host_;
    std::function<void(const std::string&)> log_, gone_, died_;
    std::map<std::string, PidFd> taken_;
    std::vector<PidFd> let_go_;                 ///< waited for until they end
    std::map<std::string, std::string> ended_;  ///< how, by name
};

}  // namespace qvm::launch
