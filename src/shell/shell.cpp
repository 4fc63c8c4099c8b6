// SPDX-License-Identifier: GPL-3.0-or-later
// The shell's beginning and end, its conversations, and what runs.
#include "shell/shell.hpp"

#include <algorithm>
#include <fstream>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/own_file.hpp"

namespace qvm::shell {
namespace {

using namespace std::chrono_literals;

/// What the log brings is drawn this often; what a key brings, at once.
constexpr auto frame_time = 16ms;

}  // namespace

Shell::Shell(boost::asio::io_context& context, Ui& ui, ShellOptions options)
    : context_(context),
      ui_(ui),
      options_(std::move(options)),
      editor_({.history_file = options_.history_file,
               .entered = [this](const std::string& line) { accepted_ = line; },
               .ended = [this] { leave(); },
               .complete = [this](int direction) { completer_.complete(editor_, here(), direction); }}),
      draw_timer_(context),
      later_timer_(context) {}

Shell::~Shell() = default;

void Shell::start() {
    mouse_ = options_.mouse;
    for (auto& target : std::exchange(options_.targets, {})) add_conversation(std::move(target));
    show_conversation(0);
    if (options_.welcome)
        here().notice("Welcome to the QEMU Machine Protocol shell. /help or F1 tells what it can do.");
    for (auto& complaint : editor_.inputrc_complaints()) complain(std::move(complaint));
    if (auto complaint = editor_.complaint(); !complaint.empty()) complain(std::move(complaint));
    read_config();
    ui_.start({.key =
                   [this](const Key& key) {
                       take(key);
                       draw();
                   },
               .resized =
                   [this](std::size_t rows, std::size_t columns) {
                       rows_ = std::max<std::size_t>(rows, 1);
                       columns_ = std::max<std::size_t>(columns, 1);
                       draw();
                   },
               .flush = [this] { draw(); },
               .gone = [this] { leave(); }});
}

void Shell::leave() {
    context_.stop();
}

void Shell::read_config() {
    if (options_.config_file.empty()) return;
    std::ifstream file(options_.config_file);
    if (!file) return;
    std::size_t number = 0;
    for (std::string line; std::getline(file, line);) {
        ++number;
        const auto begin = line.find_first_not_of(" \t");
        if (begin == std::string::npos || line[begin] == '#') continue;
        line.erase(0, begin);
        const auto entered = parse(line, here());
        const auto* call = std::get_if<BuiltinCall>(&entered.what);
        if (call == nullptr || entered.blocked() || find_builtin(call->name) == nullptr) {
            complain(fmt::format(
                "{}:{}: only commands of the shell stand here, one a line, as in /set view pretty: {}",
                options_.config_file, number, line));
            continue;
        }
        find_builtin(call->name)->run(*this, *call, [](bool) {});
    }
}

// ---- Conversations.

std::unique_ptr<Conversation> Shell::make_conversation(Target target) {
    return std::make_unique<Conversation>(
        context_, std::move(target), options_.limits,
        Conversation::Handler{.changed = [this] { changed(); },
                              .item =
                                  [this](Conversation& where, const Item& item) {
                                      for (const auto& listener : listeners) listener(where, item);
                                      write_log(item);
                                      for (std::size_t i = 0; i < conversations_.size(); ++i)
                                          if (conversations_[i].get() == &where && i != current_)
                                              activity_[i] = true;
                                      if (details_ && &where == &here() && details_->item() == item.number)
                                          details_->update(item);
                                  },
                              .learned =
                                  [this] {
                                      completer_.learned(editor_, here());
                                      checked_text_.clear();
                                      changed();
                                  },
                              .builtins =
                                  [this] {
                                      std::vector<Vocabulary::Builtin> out;
                                      for (const auto& [name, entry] : aliases_)
                                          out.push_back({name, "", entry});
                                      for (const auto& one : builtin_commands())
                                          out.push_back({one.name, one.arguments, one.summary});
                                      return out;
                                  }});
}

void Shell::write_log(const Item& item) {
    if (!log_) return;
    const bool reply = item.kind == ItemKind::Command && item.state != ItemState::Pending;
    // A command whose reply is there already could not be sent: both parts are new.
    const auto complaint = log_->append(item, reply                            ? Part::Received
                                              : item.kind == ItemKind::Command ? Part::Sent
                                                                               : Part::Both);
    // Not from here: a notice is an item, too.
    if (complaint) boost::asio::post(context_, [this, text = *complaint] { complain(text); });
}

Conversation& Shell::add_conversation(Target target) {
    conversations_.push_back(make_conversation(std::move(target)));
    activity_.push_back(false);
    auto& conversation = *conversations_.back();
    const auto& made = conversation.link().target();
    if (!made.offline) return conversation;
    try {
        conversation.load(made.label);
    } catch (const Error& error) {
        conversation.notice(error.what(), true);
    }
    return conversation;
}

void Shell::show_conversation(std::size_t index) {
    if (index >= conversations_.size()) {
        message_ = {{fmt::format("there are {} windows; /window open NAME or SOCKET opens one",
                                 conversations_.size()),
                     Role::Warning}};
        return;
    }
    current_ = index;
    activity_[index] = false;
    details_.reset();
    checked_text_.clear();
    changed();
}

void Shell::close_conversation() {
    const auto at = static_cast<std::ptrdiff_t>(current_);
    details_.reset();
    // What is under way may still speak of it: it goes when the event loop comes round.
    boost::asio::post(context_,
                      [gone = std::shared_ptr<Conversation>(std::move(conversations_[current_]))] {});
    conversations_.erase(conversations_.begin() + at);
    activity_.erase(activity_.begin() + at);
    current_ = 0;
    show_conversation(at > 0 ? static_cast<std::size_t>(at - 1) : 0);
}

// ---- Running.

void Shell::run(const std::string& entry, std::function<void(bool)> done) {
    auto entered = parse(entry, here());
    if (entered.blocked()) {
        for (const auto& finding : entered.findings)
            if (finding.blocks) complain(fmt::format("{}: {}", entry, finding.message));
        if (done) done(false);
        return;
    }
    run_entered(std::move(entered), entry, std::move(done));
}

void Shell::run_all(std::vector<std::string> entries, std::function<void()> done) {
    if (entries.empty()) {
        if (done) done();
        return;
    }
    const auto first = entries.front();
    entries.erase(entries.begin());
    run(first, [this, rest = std::move(entries), done = std::move(done)](bool succeeded) mutable {
        if (succeeded) return run_all(std::move(rest), std::move(done));
        if (!rest.empty()) complain(fmt::format("the {} entries after it were not run", rest.size()));
        if (done) done();
    });
}

void Shell::run_entered(Entered entered, const std::string& typed, std::function<void(bool)> done) {
    if (!done) done = [](bool) {};
    if (recording && !typed.starts_with("/macro")) recording->push_back(typed);
    if (auto* call = std::get_if<BuiltinCall>(&entered.what)) {
        if (const auto alias = aliases_.find(call->name); alias != aliases_.end()) {
            // An alias of an alias would never end.
            auto entry = alias->second + (call->rest.empty() ? "" : " " + call->rest);
            if (entry.starts_with("/" + call->name + " ") || entry == "/" + call->name)
                return complain(fmt::format("the alias '{}' names itself", call->name));
            return run(entry, std::move(done));
        }
        if (const auto* builtin = find_builtin(call->name)) return builtin->run(*this, *call, done);
        std::vector<std::string> names;
        for (const auto& one : builtin_commands()) names.emplace_back(one.name);
        const auto meant = did_you_mean(call->name, names);
        complain(fmt::format("the shell has no command '/{}'{}{}; /help lists them", call->name,
                             meant.empty() ? "" : ": ", meant));
        return done(false);
    }
    if (auto* message = std::get_if<RawMessage>(&entered.what)) {
        here().run(*message, typed, [this, stages = message->pipes, done](const qmp::Answer& answer) {
            const auto* value = std::get_if<Json>(&answer.outcome);
            if (value != nullptr) show_piped(stages, *value);
            done(value != nullptr);
        });
        return;
    }
    if (auto* request = std::get_if<Request>(&entered.what))
        return run_request(std::make_shared<Request>(std::move(*request)), typed, std::move(done));
    done(true);
}

void Shell::run_request(const std::shared_ptr<Request>& request, const std::string& typed,
                        std::function<void(bool)> done) {
    resolve(request, [this, request, typed, done = std::move(done)](bool ready) {
        if (!ready) return done(false);
        // In the background: what comes next does not wait for it.
        if (request->background) done(true);
        here().run(*request, typed, [this, request, done](const qmp::Answer& answer) {
            const auto* value = std::get_if<Json>(&answer.outcome);
            if (value != nullptr) show_piped(request->pipes, *value);
            if (!request->background) done(value != nullptr);
        });
    });
}

void Shell::resolve(const std::shared_ptr<Request>& request, std::function<void(bool)> ready) {
    if (request->deferred.empty()) return ready(true);
    const auto deferred = request->deferred.front();
    request->deferred.erase(request->deferred.begin());
    const auto failed = [this, &ready](const std::string& why) {
        complain(why);
        ready(false);
    };
    if (!deferred.command) {
        try {
            fill_from_file(*request, deferred, read_own_file(deferred.file));
        } catch (const Error& error) {
            return failed(error.what());
        }
        return resolve(request, std::move(ready));
    }
    const auto inner = deferred.command;
    resolve(inner, [this, request, deferred, inner, ready = std::move(ready)](bool resolved) {
        if (!resolved) return ready(false);
        here().run(*inner, to_text(inner->command, inner->arguments, &here()),
                   [this, request, deferred, inner, ready](const qmp::Answer& answer) {
                       const auto* value = std::get_if<Json>(&answer.outcome);
                       if (value == nullptr) return ready(false);
                       try {
                           fill_from_reply(*request, deferred, qvm::shell::apply(inner->pipes, *value));
                       } catch (const std::exception& error) {
                           complain(fmt::format("$({}): {}", inner->command, error.what()));
                           return ready(false);
                       }
                       resolve(request, ready);
                   });
    });
}

void Shell::show_piped(const std::vector<PipeStage>& stages, const Json& reply) {
    if (stages.empty()) return;
    try {
        const auto result = qvm::shell::apply(stages, reply);
        say(result.is_string() ? result.get<std::string>()
                               : result.dump(2, ' ', false, Json::error_handler_t::replace));
    } catch (const PipeError& error) {
        complain(error.what());
    }
}

// ---- Drawing.

void Shell::changed() {
    if (std::exchange(drawing_soon_, true)) return;
    draw_timer_.expires_after(frame_time);
    draw_timer_.async_wait(
        [this, alive = std::weak_ptr<int>(alive_)](const boost::system::error_code& error) {
            if (alive.expired()) return;
            drawing_soon_ = false;
            if (!error) draw();
        });
}

void Shell::copy(std::string_view text) {
    ui_.copy(text);
    message_ = {{fmt::format("copied {} bytes", text.size()), Role::Ok}};
}

/// A number of the status bar changes though nothing happens.
void Shell::draw_later() {
    if (drawing_soon_ || std::exchange(drawing_later_, true)) return;
    later_timer_.expires_after(1s);
    later_timer_.async_wait(
        [this, alive = std::weak_ptr<int>(alive_)](const boost::system::error_code& error) {
            if (alive.expired()) return;
            drawing_later_ = false;
            if (!error) draw();
        });
}

void Shell::open(Page page) {
    if (options_.print_page) return options_.print_page(page.lines(std::size_t{1} << 20U, 80));
    pages_.push_back(std::move(page));
    changed();
}

bool Shell::has_page(const void* key) const {
    return std::ranges::any_of(pages_, [key](const Page& page) { return page.key() == key; });
}

void Shell::refresh_page(const void* key) {
    for (auto& page : pages_)
        if (page.key() == key) page.refresh();
    changed();
}

void Shell::ask(std::string prompt, std::function<void(const std::string&)> answered,
                const std::string& text) {
    question_ = Question{std::move(prompt), editor_.state().text, std::move(answered)};
    editor_.set_text(text);
    changed();
}

void Shell::log_to(const std::string& path) {
    log_.reset();
    if (!path.empty()) log_.emplace(path);
}

}  // namespace qvm::shell
