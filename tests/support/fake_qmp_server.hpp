// SPDX-License-Identifier: GPL-3.0-or-later
// A QEMU that follows a script: what it expects, what it answers, and every way in which it may misbehave. It
// lives on the io_context of the test, so nothing depends on time.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/fd.hpp"
#include "base/json.hpp"
#include "qmp/session.hpp"

namespace qvm::test {

class FakeQmpServer {
  public:
    /// A command that came.
    struct Received {
        std::string command;
        Json arguments;  ///< an object, perhaps empty
        Json id;
        bool oob = false;
        std::vector<Fd> fds;  ///< that came with add-fd or getfd
    };

    explicit FakeQmpServer(boost::asio::io_context& context);
    /// On a connection that is there already: client_end() is not its.
    FakeQmpServer(boost::asio::io_context& context, Fd connection);
    FakeQmpServer(const FakeQmpServer&) = delete;
    FakeQmpServer& operator=(const FakeQmpServer&) = delete;
    ~FakeQmpServer();

    /// The socket for the Client; can be taken once.
    Fd client_end();

    // The script. Steps are done in the order in which they were added, as soon as they can be; more may be
    // added at any time. A command that departs from it is answered with an error and kept as complaint().

    /// The greeting of QEMU 7.2.22 with these capabilities.
    FakeQmpServer& greet(const std::vector<std::string>& capabilities);
    /// Greets (with oob), waits for qmp_capabilities, answers it.
    FakeQmpServer& negotiate();
    /// Waits for this command, with any arguments or with these.
    FakeQmpServer& expect(std::string command);
    FakeQmpServer& expect(std::string command, Json arguments);
    /// Answers the oldest command that has no answer yet (the oldest of that name).
    FakeQmpServer& reply(Json value);
    FakeQmpServer& reply();
    FakeQmpServer& reply_to(std::string command, Json value);
    FakeQmpServer& fail(std::string error_class, std::string description);
    FakeQmpServer& event(std::string name, Json data);
    FakeQmpServer& event(std::string name);
    FakeQmpServer& raw(std::string bytes);
    /// Calls something of the test's.
    FakeQmpServer& call(std::function<void()> action);
    FakeQmpServer& close();
    /// Answers commands after the script: returns the reply's value, or throws qmp::ExecuteError.
    FakeQmpServer& answer_rest(std::function<Json(const Received&)> answer);

    /// Every step is done, and no other command came.
    bool finished() const { return steps_.empty() && met_ == received_.size(); }
    /// The first departure from the script; empty if there was none.
    const std::string& complaint() const { return complaint_; }
    const std::vector<Received>& received() const { return received_; }
    bool is_open() const { return socket_.is_open(); }

  private:
    /// Does its part, or says that it cannot be done yet.
    using Step = std::function<bool()>;

    FakeQmpServer& add(Step step);
    void advance();
    void await_input();
    void read_some();
    void take(const qmp::Framer::Frame& frame);
    void answer_unscripted();
    bool meet(const std::string& command, const std::optional<Json>& arguments);
    void respond(std::optional<std::string> command, Json response);
    void write(std::string_view bytes);
    void write_some();
    void complain(const std::string& what);

    boost::asio::io_context& context_;
    boost::asio::posix::stream_descriptor socket_;
    Fd client_end_;
    qmp::Framer framer_;
    std::deque<Step> steps_;
    std::function<Json(const Received&)> answer_rest_;
    std::vector<Received> received_;
    std::size_t met_ = 0;                  ///< of received_, those that a step has expected
    std::vector<std::size_t> unanswered_;  ///< of received_
    std::vector<Fd> fds_;
    std::string complaint_;
    std::string output_;
    bool writing_ = false;
    bool close_when_written_ = false;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);  ///< for what is posted and may come too late
};

}  // namespace qvm::test
