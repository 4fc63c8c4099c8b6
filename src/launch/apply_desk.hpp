// SPDX-License-Identifier: GPL-3.0-or-later
// Where clients of the attach socket hand in an apply: first its descriptors, one by one, then the order.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "base/fd.hpp"
#include "launch/applier.hpp"
#include "launch/state.hpp"
#include "qmp/server.hpp"

namespace qvm::launch {

class ApplyDesk {
  public:
    using Send = std::function<void(std::uint64_t client, const qmp::Event&)>;
    /// Borrows `applier` and `applied`. `write` may throw Error.
    ApplyDesk(Applier& applier, Applied& applied, std::function<void()> write, Send send)
        : applier_(applier), applied_(applied), write_(std::move(write)), send_(std::move(send)) {}
    ApplyDesk(const ApplyDesk&) = delete;
    ApplyDesk& operator=(const ApplyDesk&) = delete;

    /// control::pass_fd and control::apply. Throw qmp::ExecuteError.
    boost::asio::awaitable<Json> pass_fd(qmp::Call call);
    boost::asio::awaitable<Json> apply(qmp::Call call);
    /// What it has handed in is of no use any more.
    void gone(std::uint64_t client) { fds_.erase(client); }

  private:
    Applier& applier_;
    Applied& applied_;
    std::function<void()> write_;
    Send send_;
    std::map<std::uint64_t, std::map<std::string, Fd>> fds_;  ///< by client
};

}  // namespace qvm::launch
