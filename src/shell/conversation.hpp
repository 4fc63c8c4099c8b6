// SPDX-License-Identifier: GPL-3.0-or-later
// One server and everything said with it: the connection, the transcript, its view, and what is known of the
// server (schema, names of its things, run state, jobs). A shell may have several.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/json.hpp"
#include "shell/grammar.hpp"
#include "shell/hmp_text.hpp"
#include "shell/link.hpp"
#include "shell/live_names.hpp"
#include "shell/log_view.hpp"
#include "shell/manual.hpp"
#include "shell/transcript.hpp"
#include "shell/vocabulary.hpp"

namespace qvm::shell {

/// What the status bar tells of a server.
struct ServerStatus {
    std::string run_state;                    ///< "running", "paused"; empty while unknown
    std::map<std::string, std::string> jobs;  ///< id to "mirror 42%"
    std::string migration;                    ///< "migration 42%", or empty
};

class Conversation final : public Vocabulary {
  public:
    struct Handler {
        /// Something that is on the screen has changed.
        std::function<void()> changed;
        /// An item was appended, or its reply came.
        std::function<void(Conversation&, const Item&)> item;
        /// What was asked for by names() or schema() has come.
        std::function<void()> learned;
        std::function<std::vector<Builtin>()> builtins;
    };

    Conversation(boost::asio::io_context& context, Target target, TranscriptLimits limits, Handler handler);

    /// Tries to connect at once. `done`: it is connected, or that has failed, and the log says why.
    void reconnect(std::function<void(bool)> done);

    const std::string& label() const { return link_.target().label; }
    Link& link() { return link_; }
    const Transcript& transcript() const { return transcript_; }
    LogView& view() { return view_; }
    Hmp& hmp() { return hmp_; }
    const ServerStatus& status() const { return status_; }
    /// Of the last second.
    std::size_t events_per_second() const;

    /// Sends and shows it. A command that cannot be sent is an item with that error. Returns its number; the
    /// handler, if any, gets the answer.
    std::uint64_t run(const Request& request, const std::string& typed, qmp::AnswerHandler answered = {});
    std::uint64_t run(const RawMessage& message, const std::string& typed, qmp::AnswerHandler answered = {});
    /// Asks without showing it. Not connected: the answer is that it was disconnected.
    void ask(std::string command, const Json& arguments, qmp::AnswerHandler answered);
    void notice(std::string text, bool failure = false);
    /// Reads a log into the transcript. Throws SystemError.
    void load(const std::string& path);
    /// Called for each event from now on, until it returns false.
    void on_event(std::function<bool(const qmp::Event&)> waiter) { waiters_.push_back(std::move(waiter)); }

    // ---- Vocabulary.
    const qapi::Schema* schema() const override;
    std::vector<std::string> command_names() const override { return commands_; }
    std::optional<std::vector<std::string>> names(NameKind kind, std::string_view context) override;
    std::string property_type(std::string_view device_type, std::string_view property) override;
    std::string summary(std::string_view command) override;
    std::vector<Builtin> builtins() const override { return handler_.builtins(); }

    /// Begins to fetch the schema, once a connection; it stops QEMU for some 30 ms, so not before somebody
    /// types.
    void want_schema();
    /// No schema is under way: it has come, or none will.
    bool schema_is_settled() const;
    /// Calls it once that is so, or a second has passed; begins to fetch the schema.
    void with_schema(std::function<void()> ready);
    const Manual* manual();

  private:
    void link_changed();
    void take_event(const qmp::Event& event, const std::string& text);
    void count_event();
    void take_traffic(const Json& data);
    void greet();
    void say_why_gone();
    void end_reconnect(bool connected);
    void learn_commands(const Json& reply);
    void settle_schema();
    void follow_status(const qmp::Event& event);
    void ask_wanted();
    void heed(const Item& command);
    /// A question that events give rise to.
    struct Poll {
        bool asked = false;
        bool again = false;  ///< something has happened since
    };
    bool begin_poll(Poll& poll);
    void end_poll(Poll& poll);
    void refresh_jobs();
    void refresh_migration();
    const Item& append(Item item);
    void finish(std::uint64_t number, const qmp::Answer& answer);
    void finish(std::uint64_t number, ItemState state, const std::string& received);
    std::uint64_t submit(const std::string& name, const std::string& typed,
                         const std::function<std::string(qmp::AnswerHandler)>& send,
                         qmp::AnswerHandler answered);

    Handler handler_;
    Transcript transcript_;
    LogView view_;
    ServerStatus status_;
    Poll jobs_poll_, migration_poll_;
    std::vector<std::string> commands_;
    std::string commands_key_;  ///< names the saved schema of this server
    mutable std::optional<qapi::Schema> schema_;
    bool schema_asked_ = false;
    bool schema_settled_ = true;
    std::vector<std::function<void()>> schema_waiters_;
    boost::asio::steady_timer schema_timer_;
    LiveNames live_;
    Hmp hmp_;
    std::optional<std::optional<Manual>> manual_;
    /// The events of some milliseconds.
    struct EventCount {
        std::chrono::steady_clock::time_point since;
        std::size_t count = 0;
    };
    std::deque<EventCount> recent_events_;
    std::vector<std::function<bool(const qmp::Event&)>> waiters_;
    std::map<std::string, std::uint64_t>
        watched_;  ///< other clients' commands without a reply, by client and id
    boost::asio::steady_timer progress_timer_;
    std::string said_why_;  ///< the connection is gone
    std::vector<std::function<void(bool)>> reconnecting_;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);
    Link link_;  ///< last: nothing is called once the rest is gone
};

}  // namespace qvm::shell
