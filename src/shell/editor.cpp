// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/editor.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <readline/history.h>
#include <readline/readline.h>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/fd.hpp"

namespace qvm::shell {
namespace {

/// readline calls plain functions, so what they belong to is found here.
struct Bridge {
    Editor::Options* options = nullptr;
    std::deque<char> input;  ///< rl_stuff_char would hold 512 bytes and drop the rest
    std::FILE* nowhere = nullptr;
};
Bridge bridge;  // NOLINT: readline is global

int next_byte(std::FILE* /*unused*/) {
    if (bridge.input.empty()) return EOF;
    const char byte = bridge.input.front();
    bridge.input.pop_front();
    return static_cast<unsigned char>(byte);
}

int input_available() {
    return bridge.input.empty() ? 0 : 1;
}

void draw_nothing() {}

void accept_line(char* line) {
    if (line == nullptr) {
        if (bridge.options != nullptr) bridge.options->ended();
        return;
    }
    const std::string text(line);
    std::free(line);  // NOLINT: readline gives it by malloc
    if (bridge.options != nullptr) bridge.options->entered(text);
}

int complete(int /*count*/, int /*key*/) {
    bridge.options->complete(1);
    return 0;
}

int complete_backwards(int /*count*/, int /*key*/) {
    bridge.options->complete(-1);
    return 0;
}

/// Keys whose names readline takes from terminfo, which it does not read here.
void bind_keys() {
    const std::array<std::pair<const char*, rl_command_func_t*>, 10> keys = {{
        {"\\e[1~", rl_beg_of_line},
        {"\\e[7~", rl_beg_of_line},
        {"\\e[4~", rl_end_of_line},
        {"\\e[8~", rl_end_of_line},
        {"\\e[3~", rl_delete},
        {"\\e[2~", rl_overwrite_mode},
        {"\\e[1;5C", rl_forward_word},
        {"\\e[1;5D", rl_backward_word},
        {"\\e[1;3C", rl_forward_word},
        {"\\e[1;3D", rl_backward_word},
    }};
    for (auto* map : {emacs_standard_keymap, vi_insertion_keymap, vi_movement_keymap})
        for (const auto& [sequence, function] : keys)
            rl_bind_keyseq_if_unbound_in_map(sequence, function, map);
    for (auto* map : {emacs_standard_keymap, vi_insertion_keymap}) {
        rl_bind_key_in_map('\t', complete, map);
        rl_bind_keyseq_in_map("\\e[Z", complete_backwards, map);
    }
}

bool in_the_middle() {
    return RL_ISSTATE(RL_STATE_ISEARCH | RL_STATE_NSEARCH | RL_STATE_NUMERICARG | RL_STATE_METANEXT |
                      RL_STATE_VIMOTION | RL_STATE_CHARSEARCH) != 0;
}

/// While it lives, what is written to standard error is kept: readline complains there about ~/.inputrc.
class CaughtErrors {
  public:
    CaughtErrors() : file_(std::tmpfile()), saved_(::dup(STDERR_FILENO)) {
        if (file_ != nullptr && saved_ >= 0) ::dup2(::fileno(file_), STDERR_FILENO);
    }
    CaughtErrors(const CaughtErrors&) = delete;
    CaughtErrors& operator=(const CaughtErrors&) = delete;
    CaughtErrors(CaughtErrors&&) = delete;
    CaughtErrors& operator=(CaughtErrors&&) = delete;
    ~CaughtErrors() {
        if (saved_ >= 0) {
            ::dup2(saved_, STDERR_FILENO);
            ::close(saved_);
        }
        if (file_ != nullptr) std::fclose(file_);
    }

    std::vector<std::string> lines() {
        std::vector<std::string> out;
        if (file_ == nullptr) return out;
        std::fflush(stderr);
        std::rewind(file_);
        std::array<char, 1000> line{};
        while (std::fgets(line.data(), line.size(), file_) != nullptr) {
            std::string text(line.data());
            while (text.ends_with('\n')) text.pop_back();
            if (!text.empty()) out.push_back(std::move(text));
        }
        return out;
    }

  private:
    std::FILE* file_;
    int saved_;
};

}  // namespace

Editor::Editor(Options options) : options_(std::move(options)) {
    if (bridge.options != nullptr) throw std::logic_error("two editors at a time");
    bridge.options = &options_;
    if (bridge.nowhere == nullptr) bridge.nowhere = std::fopen("/dev/null", "r+e");
    rl_instream = rl_outstream = bridge.nowhere;
    rl_readline_name = "qvm";
    // Before rl_initialize: with a redisplay function of somebody else's, readline leaves the terminal's
    // description alone, and bracketed paste, which would insert garbage when it is split over two reads.
    rl_redisplay_function = draw_nothing;
    rl_change_environment = 0;  // or LINES and COLUMNS would be set for us and our children
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    rl_prep_term_function = nullptr;
    rl_deprep_term_function = nullptr;
    rl_event_hook = nullptr;
    rl_getc_function = next_byte;
    rl_input_available_hook = input_available;
    CaughtErrors errors;
    rl_initialize();
    inputrc_complaints_ = errors.lines();
    rl_variable_bind("bell-style", "none");
    rl_variable_bind("blink-matching-paren", "off");  // it would stop the event loop for half a second
    bind_keys();
    using_history();
    stifle_history(static_cast<int>(options_.history_length));
    // With times, an entry of several lines is read back as one.
    history_comment_char = '#';
    history_write_timestamps = 1;
    read_history_file();
    rl_callback_handler_install("", accept_line);
}

Editor::~Editor() {
    rl_callback_handler_remove();
    clear_history();
    bridge.options = nullptr;
    bridge.input.clear();
}

void Editor::read_history_file() {
    if (options_.history_file.empty()) return;
    const auto& path = options_.history_file;
    const Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file) {
        complaint_ =
            fmt::format("{}: {}: lines are remembered for this session only", path, std::strerror(errno));
        options_.history_file.clear();
        return;
    }
    ::read_history(path.c_str());
    history_set_pos(history_length);
    if (history_length >= static_cast<int>(options_.history_length))
        ::history_truncate_file(path.c_str(), static_cast<int>(options_.history_length));
    ::chmod(path.c_str(), 0600);
}

void Editor::feed(const Key& key) {
    if (key.kind == Key::Kind::Paste) {
        // readline's lines end at a NUL, and with it would all that comes behind.
        std::string text = key.bytes;
        std::erase(text, '\0');
        if (in_the_middle()) deliver("\x07");
        rl_begin_undo_group();
        rl_insert_text(text.c_str());
        rl_end_undo_group();
        return;
    }
    if (key.kind == Key::Kind::Mouse || key.bytes.empty()) return;
    // readline would insert the rest of a sequence that nothing is bound to.
    if (key.bytes.size() > 2 && key.bytes[0] == '\x1b' && !in_the_middle() && !has_function(key.bytes))
        return;
    deliver(key.bytes);
}

bool Editor::has_function(std::string_view bytes) const {
    int type = 0;
    const std::string text(bytes);
    return rl_function_of_keyseq_len(text.c_str(), text.size(), rl_get_keymap(), &type) != nullptr;
}

void Editor::deliver(std::string_view bytes) {
    bridge.input.insert(bridge.input.end(), bytes.begin(), bytes.end());
    while (!bridge.input.empty()) rl_callback_read_char();
}

EditorState Editor::state() const {
    EditorState state;
    if (rl_display_prompt != nullptr) {
        for (const char* c = rl_display_prompt; *c != '\0'; ++c)
            if (*c != RL_PROMPT_START_IGNORE && *c != RL_PROMPT_END_IGNORE) state.prompt += *c;
    }
    state.text.assign(rl_line_buffer, static_cast<std::size_t>(rl_end));
    state.point = static_cast<std::size_t>(rl_point);
    if (rl_editing_mode == 0) {
        const char* name = rl_get_keymap_name(rl_get_keymap());
        state.mode = name != nullptr && std::strcmp(name, "vi-insert") == 0 ? "insert" : "command";
    }
    state.waiting = in_the_middle();
    return state;
}

void Editor::replace(std::size_t begin, std::size_t end, std::string_view text) {
    rl_begin_undo_group();
    rl_delete_text(static_cast<int>(begin), static_cast<int>(end));
    rl_point = static_cast<int>(begin);
    rl_insert_text(std::string(text).c_str());
    rl_end_undo_group();
}

void Editor::set_text(std::string_view text) {
    replace(0, static_cast<std::size_t>(rl_end), text);
}

void Editor::interrupt() {
    if (in_the_middle()) return deliver("\x07");
    rl_replace_line("", 1);
    rl_point = 0;
    rl_free_undo_list();
    rl_callback_sigcleanup();
    using_history();  // or the next Up would start where the last search stood
}

void Editor::remember(const std::string& line, Remember where) {
    using_history();
    const auto* last = history_length > 0 ? history_get(history_base + history_length - 1) : nullptr;
    if (last != nullptr && line == last->line) return;
    ::add_history(line.c_str());
    using_history();  // behind it: else it would be the entry that is edited now, and be overwritten
    if (options_.history_file.empty() || where == Remember::Session) return;
    if (const int failure = ::append_history(1, options_.history_file.c_str()); failure != 0) {
        complaint_ = fmt::format("{}: {}: lines are remembered for this session only", options_.history_file,
                                 std::strerror(failure));
        options_.history_file.clear();
    }
}

std::vector<std::string> Editor::history() const {
    std::vector<std::string> out;
    HIST_ENTRY** entries = ::history_list();
    for (; entries != nullptr && *entries != nullptr; ++entries) out.emplace_back((*entries)->line);
    return out;
}

std::string Editor::complaint() {
    return std::exchange(complaint_, {});
}

}  // namespace qvm::shell
