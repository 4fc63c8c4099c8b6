// SPDX-License-Identifier: GPL-3.0-or-later
// The supervisor's end of the line to its spawner, which runs the commands of lifecycle.hooks for it. The
// commands are the spawner's from the start on; what goes over the line is which, and what to tell it.
#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include "base/fd.hpp"
#include "base/json.hpp"
#include "launch/state.hpp"

namespace qvm::launch {

/// How long one may take; then it is killed.
inline constexpr std::chrono::seconds hook_time{30};

/// How long who waits for the end of a VM waits for it: its last hook belongs to it.
std::chrono::milliseconds patience_for_end(const Applied& applied, std::chrono::milliseconds without_hook);

/// One datagram to the spawner.
struct HookOrder {
    config::HookEvent event = config::HookEvent::Started;
    std::string exit;    ///< of Stopped: Ending::how
    std::string detail;  ///< for people
    std::string to_text() const;
    /// Nothing when it is none.
    static std::optional<HookOrder> from_text(const std::string& text);
};

class HookLine {
  public:
    using Log = std::function<void(const std::string&)>;
    /// `line` may be empty: then nothing runs.
    HookLine(boost::asio::io_context& context, Fd line, std::vector<HookCommand> hooks, Log log);
    HookLine(const HookLine&) = delete;
    HookLine& operator=(const HookLine&) = delete;

    /// Has the spawner run the event's command, if the file names one, when those before have ended.
    void run(const HookOrder& order);
    /// Returns when all have ended, or the spawner has.
    boost::asio::awaitable<void> settled();
    /// Of those that ran last, by their event: why it failed.
    const std::map<std::string, std::string>& failures() const { return failures_; }

  private:
    boost::asio::awaitable<void> listen();
    void take_answers();
    void give_up(const std::string& why);

    boost::asio::io_context& context_;
    Fd line_;
    std::vector<HookCommand> hooks_;
    Log log_;
    std::map<std::string, std::string> failures_;
    std::size_t running_ = 0;
    bool listening_ = false;
};

}  // namespace qvm::launch
