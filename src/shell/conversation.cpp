// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/conversation.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/schema_cache.hpp"
#include "shell/transcript_loader.hpp"

namespace qvm::shell {
namespace {

using namespace std::chrono_literals;

constexpr const char* traffic_event = "__ORG.QVM_TRAFFIC";

std::string text_of(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

double number_of(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

std::string percent(double done, double whole) {
    return whole > 0 ? fmt::format("{}%", static_cast<int>(done * 100 / whole)) : std::string("0%");
}

const Json* value_of(const qmp::Answer& answer) {
    return std::get_if<Json>(&answer.outcome);
}

}  // namespace

Conversation::Conversation(boost::asio::io_context& context, Target target, TranscriptLimits limits,
                           Handler handler)
    : handler_(std::move(handler)),
      transcript_(limits),
      view_(transcript_),
      schema_timer_(context),
      progress_timer_(context),
      link_(context, std::move(target),
            {.changed = [this] { link_changed(); },
             .event = [this](const qmp::Event& event, const std::string& text) { take_event(event, text); },
             .notice = [this](const std::string& sentence) { notice(sentence, true); }}) {}

// ---- The connection.

void Conversation::link_changed() {
    switch (link_.state()) {
        case LinkState::Connected:
            greet();
            end_reconnect(true);
            break;
        case LinkState::Connecting:
        case LinkState::Offline:
            break;
        case LinkState::Waiting:
            for (const auto& [key, number] : std::exchange(watched_, {})) finish(number, ItemState::Lost, {});
            status_ = {};
            live_.forget();
            hmp_ = {};
            settle_schema();
            progress_timer_.cancel();
            say_why_gone();
            break;
    }
    handler_.changed();
}

/// Each reason once, but to who asked: how a VM has ended is often known only a moment after its connection
/// has.
void Conversation::say_why_gone() {
    const auto next = link_.next_try();
    if (!reconnecting_.empty()) {
        // The connection that was there has been ended for that: it is not the answer yet.
        if (next.count() == 0) return;
        said_why_ = link_.what();
        notice(
            fmt::format("still not connected: {}; the next try is in {}", said_why_, format_duration(next)),
            true);
        return end_reconnect(false);
    }
    if (link_.what() == said_why_) return;
    notice(said_why_.empty()
               ? fmt::format("not connected: {}; it is tried again and again (/reconnect: at once)",
                             link_.what())
               : "still not connected: " + link_.what(),
           true);
    said_why_ = link_.what();
}

void Conversation::reconnect(std::function<void(bool)> done) {
    if (link_.state() == LinkState::Offline) {
        notice("/reconnect: there is no server: " + link_.what(), true);
        return done(false);
    }
    reconnecting_.push_back(std::move(done));
    link_.reconnect();
}

void Conversation::end_reconnect(bool connected) {
    for (const auto& done : std::exchange(reconnecting_, {})) done(connected);
}

void Conversation::greet() {
    said_why_.clear();
    const auto& greeting = link_.greeting();
    commands_.clear();
    schema_.reset();
    schema_asked_ = false;
    schema_settled_ = !greeting;  // an agent does not tell its schema
    if (!greeting) {
        notice(fmt::format("connected to the guest agent at {}", label()));
        ask("guest-info", Json::object(), [this](const qmp::Answer& answer) {
            const auto* value = value_of(answer);
            if (value == nullptr || !value->contains("supported_commands")) return;
            learn_commands((*value)["supported_commands"]);
        });
        return;
    }
    notice(fmt::format("connected to {}: QEMU {}.{}.{}{}{}", label(), greeting->major, greeting->minor,
                       greeting->micro, greeting->package.empty() ? "" : " ", greeting->package));
    ask("query-commands", Json::object(), [this](const qmp::Answer& answer) {
        const auto* value = value_of(answer);
        value != nullptr ? learn_commands(*value) : settle_schema();
    });
    ask("query-status", Json::object(), [this](const qmp::Answer& answer) {
        if (const auto* value = value_of(answer)) status_.run_state = text_of(*value, "status");
        handler_.changed();
    });
    jobs_poll_ = migration_poll_ = {};
    refresh_jobs();
    refresh_migration();
}

void Conversation::learn_commands(const Json& reply) {
    commands_.clear();
    if (!reply.is_array()) return settle_schema();
    for (const auto& command : reply)
        if (command.is_object()) commands_.push_back(text_of(command, "name"));
    std::ranges::sort(commands_);
    if (link_.greeting()) commands_key_ = schema_key(*link_.greeting(), commands_);
    if (!schema_waiters_.empty()) want_schema();
    handler_.learned();
}

void Conversation::ask(std::string command, const Json& arguments, qmp::AnswerHandler answered) {
    const auto guarded = [alive = std::weak_ptr<int>(alive_),
                          handler = std::move(answered)](qmp::Answer answer) {
        if (!alive.expired()) handler(std::move(answer));
    };
    try {
        link_.send(std::move(command), arguments, false, guarded);
    } catch (const Error&) {
        qmp::Answer none;
        none.outcome = qmp::InterruptedError::Why::Disconnected;
        guarded(std::move(none));
    }
}

// ---- Commands.

std::uint64_t Conversation::submit(const std::string& name, const std::string& typed,
                                   const std::function<std::string(qmp::AnswerHandler)>& send,
                                   qmp::AnswerHandler answered) {
    // The number is known only once the bytes are: what is written stands in the item from its beginning.
    const auto number = std::make_shared<std::uint64_t>(0);
    Item item;
    item.kind = ItemKind::Command;
    item.began = wall_clock();
    item.name = name;
    item.edit_command().typed = typed;
    try {
        item.edit_command().sent = send([this, number, alive = std::weak_ptr<int>(alive_),
                                         handler = std::move(answered)](qmp::Answer answer) {
            if (alive.expired()) return;
            finish(*number, answer);
            if (handler) handler(std::move(answer));
        });
        item.state = ItemState::Pending;
    } catch (const Error& error) {
        item.state = ItemState::Error;
        item.edit_command().ended = item.began;
        Json said = Json::object();
        said["error"] = {{"class", "NotSent"}, {"desc", error.what()}};
        item.received = said.dump(-1, ' ', false, Json::error_handler_t::replace);
    }
    *number = append(std::move(item)).number;
    return *number;
}

std::uint64_t Conversation::run(const Request& request, const std::string& typed,
                                qmp::AnswerHandler answered) {
    return submit(
        request.command, typed,
        [this, &request](qmp::AnswerHandler handler) {
            return link_.send(request.command, request.arguments, request.oob, std::move(handler));
        },
        std::move(answered));
}

std::uint64_t Conversation::run(const RawMessage& message, const std::string& typed,
                                qmp::AnswerHandler answered) {
    auto name = text_of(message.object, "execute");
    if (name.empty()) name = text_of(message.object, "exec-oob");
    return submit(
        name.empty() ? "(message)" : name, typed,
        [this, &message](qmp::AnswerHandler handler) {
            return link_.send(message.object, std::move(handler));
        },
        std::move(answered));
}

void Conversation::finish(std::uint64_t number, const qmp::Answer& answer) {
    auto state = ItemState::Ok;
    if (std::holds_alternative<qmp::ErrorReply>(answer.outcome)) state = ItemState::Error;
    if (std::holds_alternative<qmp::InterruptedError::Why>(answer.outcome)) state = ItemState::Lost;
    finish(number, state, answer.text);
}

void Conversation::finish(std::uint64_t number, ItemState state, const std::string& received) {
    const auto* item = transcript_.finish(number, state, received, wall_clock());
    if (item == nullptr) return;
    heed(*item);
    view_.changed(*item);
    handler_.item(*this, *item);
    handler_.changed();
}

const Item& Conversation::append(Item item) {
    const auto& appended = transcript_.append(std::move(item));
    view_.changed(appended);
    handler_.item(*this, appended);
    handler_.changed();
    return appended;
}

void Conversation::load(const std::string& path) {
    TranscriptLoader loader(transcript_);
    load_transcript(path, loader);
    for (const auto& item : transcript_.items()) view_.changed(item);
    handler_.changed();
}

void Conversation::notice(std::string text, bool failure) {
    Item item;
    item.state = failure ? ItemState::Error : ItemState::Ok;
    item.began = wall_clock();
    item.name = std::move(text);
    append(std::move(item));
}

// ---- Events.

void Conversation::take_event(const qmp::Event& event, const std::string& text) {
    if (event.name == traffic_event) return take_traffic(event.data);
    count_event();
    Item item;
    item.kind = ItemKind::Event;
    item.began = event.seconds > 0 ? event.seconds * 1'000'000 + event.microseconds : wall_clock();
    item.name = event.name;
    item.received = text;
    append(std::move(item));
    live_.heed_event(event.name);
    follow_status(event);
    std::erase_if(waiters_, [&event](const auto& waiter) { return !waiter(event); });
}

/// What another client said, or was answered (qvm's supervisor tells, after __org.qvm_watch).
void Conversation::take_traffic(const Json& data) {
    const auto message = data.find("message");
    if (message == data.end() || !message->is_object()) return;
    const auto client = text_of(data, "client");
    const auto text = message->dump(-1, ' ', false, Json::error_handler_t::replace);
    const auto key =
        client + " " + message->value("id", Json()).dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text_of(data, "direction") == "client") {
        Item item;
        item.kind = ItemKind::Command;
        item.state = ItemState::Pending;
        item.began = wall_clock();
        item.name = text_of(*message, message->contains("exec-oob") ? "exec-oob" : "execute");
        item.edit_command().sent = text;
        item.edit_command().client = client;
        watched_[key] = append(std::move(item)).number;
        return;
    }
    const auto asked = watched_.find(key);
    if (asked == watched_.end()) return;
    const auto state = message->contains("error") ? ItemState::Error : ItemState::Ok;
    const auto number = asked->second;
    watched_.erase(asked);
    finish(number, state, text);
}

void Conversation::follow_status(const qmp::Event& event) {
    const auto& name = event.name;
    if (name == "STOP" || name == "RESUME" || name == "SHUTDOWN" || name == "SUSPEND" || name == "WAKEUP" ||
        name == "GUEST_PANICKED" || name == "RESET") {
        // In a flood, asking once is enough: the answer tells the state after the last of them.
        static constexpr std::size_t flood = 20;
        if (events_per_second() > flood) {
            if (name == "STOP") status_.run_state = "paused";
            if (name == "RESUME") status_.run_state = "running";
            return;
        }
        ask("query-status", Json::object(), [this](const qmp::Answer& answer) {
            if (const auto* value = value_of(answer)) status_.run_state = text_of(*value, "status");
            handler_.changed();
        });
    }
    if (name == "JOB_STATUS_CHANGE" || name.starts_with("BLOCK_JOB_")) refresh_jobs();
    if (name == "MIGRATION" || name == "MIGRATION_PASS") refresh_migration();
}

/// False while a question has no answer yet, or another one is due soon: that one is for all events until
/// then.
bool Conversation::begin_poll(Poll& poll) {
    if (poll.asked) {
        poll.again = true;
        return false;
    }
    poll.asked = true;
    return true;
}

void Conversation::end_poll(Poll& poll) {
    handler_.changed();
    // A job may tell of itself a thousand times a second.
    const bool soon = poll.again;
    poll.asked = soon;
    if (!soon && status_.jobs.empty() && status_.migration.empty()) return;
    progress_timer_.expires_after(soon ? 100ms : 1000ms);
    progress_timer_.async_wait([this](const boost::system::error_code& error) {
        if (error) return;
        const auto due = [](Poll& which, bool going_on) {
            const bool again = std::exchange(which.again, false);
            if (again) which.asked = false;
            return again || (going_on && !which.asked);
        };
        if (due(jobs_poll_, !status_.jobs.empty())) refresh_jobs();
        if (due(migration_poll_, !status_.migration.empty())) refresh_migration();
    });
}

void Conversation::refresh_jobs() {
    if (!begin_poll(jobs_poll_)) return;
    ask("query-jobs", Json::object(), [this](const qmp::Answer& answer) {
        status_.jobs.clear();
        const auto* value = value_of(answer);
        if (value != nullptr && value->is_array())
            for (const auto& job : *value)
                if (job.is_object())
                    status_.jobs[text_of(job, "id")] = fmt::format(
                        "{} {}", text_of(job, "type"),
                        percent(number_of(job, "current-progress"), number_of(job, "total-progress")));
        end_poll(jobs_poll_);
    });
}

void Conversation::refresh_migration() {
    if (!begin_poll(migration_poll_)) return;
    ask("query-migrate", Json::object(), [this](const qmp::Answer& answer) {
        status_.migration.clear();
        const auto* value = value_of(answer);
        const auto state = value != nullptr && value->is_object() ? text_of(*value, "status") : std::string();
        if (!state.empty() && state != "none" && state != "completed" && state != "failed" &&
            state != "cancelled") {
            const auto ram = value->value("ram", Json::object());
            const auto total = number_of(ram, "total");
            status_.migration =
                fmt::format("migration {} {}", state, percent(total - number_of(ram, "remaining"), total));
        }
        end_poll(migration_poll_);
    });
}

void Conversation::count_event() {
    const auto now = std::chrono::steady_clock::now();
    if (recent_events_.empty() || now - recent_events_.back().since > 10ms)
        recent_events_.push_back({.since = now, .count = 0});
    ++recent_events_.back().count;
    while (recent_events_.front().since < now - 1s) recent_events_.pop_front();
}

std::size_t Conversation::events_per_second() const {
    const auto since = std::chrono::steady_clock::now() - 1s;
    std::size_t sum = 0;
    for (const auto& events : recent_events_)
        if (events.since >= since) sum += events.count;
    return sum;
}

// ---- What is known.

void Conversation::want_schema() {
    if (schema_asked_ || link_.state() != LinkState::Connected || commands_.empty()) return;
    schema_asked_ = true;
    if (!link_.greeting()) return;  // an agent does not tell its schema
    schema_ = cached_schema(commands_key_);
    if (schema_) {
        settle_schema();
        return handler_.learned();
    }
    ask("query-qmp-schema", Json::object(), [this](const qmp::Answer& answer) {
        const auto* value = value_of(answer);
        if (value == nullptr) return settle_schema();
        try {
            schema_ = qapi::Schema::parse(*value);
        } catch (const Error& error) {
            notice(fmt::format("the server's schema cannot be read: {}", error.what()), true);
            return settle_schema();
        }
        cache_schema(commands_key_, *schema_);
        settle_schema();
        handler_.learned();
    });
}

bool Conversation::schema_is_settled() const {
    return schema_settled_ || link_.state() != LinkState::Connected;
}

void Conversation::with_schema(std::function<void()> ready) {
    want_schema();
    if (schema_is_settled()) return ready();
    schema_waiters_.push_back(std::move(ready));
    schema_timer_.expires_after(1s);
    schema_timer_.async_wait([this](const boost::system::error_code& error) {
        if (!error) settle_schema();
    });
}

void Conversation::settle_schema() {
    schema_settled_ = true;
    schema_timer_.cancel();
    for (const auto& ready : std::exchange(schema_waiters_, {})) ready();
}

const qapi::Schema* Conversation::schema() const {
    return schema_ ? &*schema_ : nullptr;
}

std::optional<std::vector<std::string>> Conversation::names(NameKind kind, std::string_view context) {
    auto known = live_.names(kind, context);
    if (known) return known;
    ask_wanted();
    return std::nullopt;
}

std::string Conversation::property_type(std::string_view device_type, std::string_view property) {
    auto type = live_.property_type(device_type, property);
    ask_wanted();
    return type;
}

/// An answer may make more wanted.
void Conversation::ask_wanted() {
    for (const auto& query : live_.take_wanted()) {
        ask(query.command, query.arguments, [this, query](const qmp::Answer& answer) {
            const auto* value = value_of(answer);
            value != nullptr ? live_.absorb(query, *value) : live_.refuse(query);
            ask_wanted();
            handler_.learned();
        });
    }
}

/// What a command has changed is no longer known.
void Conversation::heed(const Item& command) {
    constexpr std::size_t long_command = std::size_t{1} << 16U;
    if (command.sent().size() > long_command) return live_.heed_command(command.name, Json::object());
    const auto message = Json::parse(command.sent(), nullptr, false);
    const auto arguments = message.is_object() ? message.value("arguments", Json::object()) : Json::object();
    live_.heed_command(command.name, arguments.is_object() ? arguments : Json::object());
}

const Manual* Conversation::manual() {
    if (!manual_) manual_ = Manual::load(manual_places({}, ""));
    return *manual_ ? &**manual_ : nullptr;
}

std::string Conversation::summary(std::string_view command) {
    const auto* pages = manual();
    return pages == nullptr ? std::string() : std::string(pages->summary(command));
}

}  // namespace qvm::shell
