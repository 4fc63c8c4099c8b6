// SPDX-License-Identifier: GPL-3.0-or-later
// The shell: keys become edits, commands and movements; the conversations, the editor and the page in front
// become frames. Drawing never touches the line being typed.
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "shell/builtin.hpp"
#include "shell/completer.hpp"
#include "shell/conversation.hpp"
#include "shell/details.hpp"
#include "shell/editor.hpp"
#include "shell/keymap.hpp"
#include "shell/page.hpp"
#include "shell/screen.hpp"
#include "shell/transcript_file.hpp"
#include "shell/ui.hpp"

namespace qvm::shell {

struct ShellOptions {
    std::vector<Target> targets;  ///< at least one
    std::string history_file;     ///< empty: none
    std::string config_file;      ///< read at the beginning, if it is there
    std::string state_directory;  ///< of logs and saved transcripts
    std::string macro_directory;
    /// What a word means that names a VM or a socket. Throws Error.
    std::function<Target(const std::string&)> find_target;
    TranscriptLimits limits;
    bool mouse = false;  ///< the user interface has taken it
    bool welcome = true;
    /// Without a screen: where pages go.
    std::function<void(const std::vector<Line>&)> print_page;
};

class Shell {
  public:
    Shell(boost::asio::io_context& context, Ui& ui, ShellOptions options);
    Shell(const Shell&) = delete;
    Shell& operator=(const Shell&) = delete;
    Shell(Shell&&) = delete;
    Shell& operator=(Shell&&) = delete;
    ~Shell();

    /// Connects, reads the configuration, draws. The io_context is stopped when the user leaves.
    void start();

    // ---- For builtins.

    Conversation& here() { return *conversations_[current_]; }
    std::vector<std::unique_ptr<Conversation>>& conversations() { return conversations_; }
    std::size_t current() const { return current_; }
    void show_conversation(std::size_t index);
    Conversation& add_conversation(Target target);
    /// The one in front, which is not the last.
    void close_conversation();
    boost::asio::io_context& context() { return context_; }
    const ShellOptions& options() const { return options_; }
    Keymap& keymap() { return keymap_; }
    Editor& editor() { return editor_; }
    std::map<std::string, std::string>& aliases() { return aliases_; }

    void say(std::string text) { here().notice(std::move(text)); }
    void complain(std::string text) { here().notice(std::move(text), true); }
    void open(Page page);
    /// The page in front, if any.
    Page* page() { return pages_.empty() ? nullptr : &pages_.back(); }
    /// A page is known by what keeps it up to date.
    bool has_page(const void* key) const;
    void refresh_page(const void* key);
    void copy(std::string_view text);
    /// Asks in the input line.
    void ask(std::string prompt, std::function<void(const std::string&)> answered,
             const std::string& text = {});
    /// Where items are logged as they come; empty: nowhere.
    void log_to(const std::string& path);
    std::string log_path() const { return log_ ? log_->path().string() : std::string(); }
    /// Runs an entry as if it had been typed; warnings are no hindrance. `done`: its reply has come, or it
    /// has failed; true if it succeeded.
    void run(const std::string& entry, std::function<void(bool)> done = {});
    /// One after the other, each when the reply to the one before has come.
    void run_all(std::vector<std::string> entries, std::function<void()> done = {});
    void changed();
    void leave();

    /// Recording of a macro: entries that are run are put there.
    std::optional<std::vector<std::string>> recording;
    std::string recording_name;
    int macro_depth = 0;
    /// Called for each item that is appended or finished, of any conversation.
    std::vector<std::function<void(Conversation&, const Item&)>> listeners;

  private:
    struct Question {
        std::string prompt;
        std::string line;  ///< what stood in the input line before
        std::function<void(const std::string&)> answered;
    };

    void read_config();
    std::unique_ptr<Conversation> make_conversation(Target target);
    void write_log(const Item& item);

    // ---- Keys.
    Mode mode() const;
    void take(const Key& key);
    void take_in_command(const Key& key);
    void take_in_history(const Key& key);
    void take_in_details(const Key& key);
    void take_in_page(const Key& key);
    void take_mouse(const Key& key);
    void paste(const std::string& text);
    bool act_anywhere(std::string_view action);
    void edit(const Key& key);
    void edited();
    void accept(bool oob);
    void accept_text(const std::string& text, bool oob, bool sure);
    void send(Entered entered, const std::string& text, bool oob);
    void forget_line();
    void send_when_known(const std::string& text, bool oob);
    void send_waiting(const Conversation& where);
    void enter_history(bool up);
    void ask_search(bool up);
    void go_to_effect(std::uint64_t item);
    void go_to_cause(std::uint64_t event);
    /// Selects it, and looks at it where another one was looked at.
    void go_to(std::uint64_t item);
    void help_on_line();
    std::size_t page_size() const;

    // ---- Running.
    void run_entered(Entered entered, const std::string& typed, std::function<void(bool)> done);
    void run_request(const std::shared_ptr<Request>& request, const std::string& typed,
                     std::function<void(bool)> done);
    /// Fills in what is deferred, one after the other, then calls `ready`.
    void resolve(const std::shared_ptr<Request>& request, std::function<void(bool)> ready);
    void show_piped(const std::vector<PipeStage>& stages, const Json& reply);

    // ---- Drawing.
    void draw();
    void draw_later();
    Line title();
    Line hint();
    Line command_hint();
    Line history_hint();
    /// "[Up k] up"; "" if no key does that.
    std::string key_hint(const char* action, const char* does) const;
    Line status();
    InputLine input();

    boost::asio::io_context& context_;
    Ui& ui_;
    ShellOptions options_;
    Editor editor_;
    Keymap keymap_;
    std::vector<std::unique_ptr<Conversation>> conversations_;
    std::size_t current_ = 0;
    std::vector<bool> activity_;  ///< something was said in a conversation that is not in front

    std::optional<Details> details_;
    std::vector<Page> pages_;
    std::optional<Question> question_;
    Completer completer_;
    std::map<std::string, std::string> aliases_;
    std::optional<TranscriptLog> log_;

    std::optional<std::string> accepted_;  ///< a line that readline took by itself
    std::string checked_text_;             ///< what findings_ are of
    std::vector<Finding> findings_;
    struct Waiting {
        std::string text;
        bool oob = false;
    };
    std::vector<Waiting> waiting_;  ///< entries that wait for the schema, which tells their values' types
    std::string warned_text_;       ///< was warned of: the next Enter sends it
    Line message_;                  ///< in the hint row until the next key
    std::string needle_;            ///< last searched for
    std::string suggestion_;

    std::size_t rows_ = 24, columns_ = 80;
    bool bell_ = false;
    bool mouse_ = false;
    bool drawing_soon_ = false;
    bool drawing_later_ = false;
    boost::asio::steady_timer draw_timer_;
    boost::asio::steady_timer later_timer_;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace qvm::shell
