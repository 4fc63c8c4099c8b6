// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/curses_ui.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#define NCURSES_NOMACROS 1  // NOLINT: they are called move, erase, timeout
#include <curses.h>

#include "base/base64.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "shell/terminal_guard.hpp"

namespace qvm::shell {
namespace {

namespace net = boost::asio;
using std::chrono::milliseconds;

/// How long an escape character may be the beginning of a key.
constexpr milliseconds escape_time{25};
constexpr std::size_t relay_size = std::size_t{1} << 20U;

Fd open_terminal(int mode) {
    Fd fd(::open("/dev/tty", mode | O_CLOEXEC | O_NOCTTY));
    if (!fd)
        throw Error(ExitCode::Usage, std::string("open /dev/tty: ") + std::strerror(errno),
                    "a screen needs a terminal: --plain works without one");
    return fd;
}

struct Size {
    int rows = 24, columns = 80;
};

Size size_of(int terminal) {
    winsize size{};
    if (::ioctl(terminal, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return {};
    return {size.ws_row, size.ws_col};
}

std::wstring widened(std::string_view text) {
    std::wstring out;
    std::mbstate_t state{};
    while (!text.empty()) {
        wchar_t wide = 0;
        const auto length = std::mbrtowc(&wide, text.data(), text.size(), &state);
        if (length == 0 || length > text.size()) {
            out += L'?';
            state = {};
            text.remove_prefix(1);
        } else {
            out += wide;
            text.remove_prefix(length);
        }
    }
    return out;
}

class CursesUi final : public Ui {
  public:
    CursesUi(net::io_context& context, CursesOptions options)
        : input_fd_(open_terminal(O_RDONLY)),
          output_fd_(open_terminal(O_WRONLY)),
          // The one that can be written: a crash has to switch the modes off.
          guard_(output_fd_.get()),
          reader_(guard_.erase()),
          options_(options),
          input_(context, input_fd_.get()),
          output_(context, output_fd_.get()),
          signals_(context, SIGWINCH, SIGTERM, SIGHUP),
          escape_timer_(context) {
        // No key sends these two, but whoever does is to find the terminal as it was.
        signals_.add(SIGINT);
        signals_.add(SIGQUIT);
        signals_.add(SIGTSTP);
        // The descriptors belong to the stream objects now, which are opened apart for each direction: what
        // Asio sets on them (O_NONBLOCK) is not seen by whoever else uses this terminal.
        input_fd_.release();
        output_fd_.release();
        begin_curses();
    }

    CursesUi(const CursesUi&) = delete;
    CursesUi& operator=(const CursesUi&) = delete;
    CursesUi(CursesUi&&) = delete;
    CursesUi& operator=(CursesUi&&) = delete;

    ~CursesUi() override {
        leave();
        if (screen_ != nullptr) ::delscreen(screen_);
        if (relay_in_ != nullptr) std::fclose(relay_in_);
        if (nowhere_ != nullptr) std::fclose(nowhere_);
    }

    void start(UiHandler handler) override {
        handler_ = std::move(handler);
        enter();
        await_input();
        await_signal();
        resize();
    }

    void draw(const Frame& frame) override {
        if (left_) return;
        if (writing_) {
            waiting_ = frame;
            return;
        }
        paint(frame);
        collect();
        write_out();
    }

    void redraw() override { ::clearok(curscr, TRUE); }

    void copy(std::string_view text) override {
        pending_ += "\x1b]52;c;" + base64(text) + "\x07";
        if (!writing_) write_out();
    }

    bool take_mouse(bool take) override {
        options_.mouse = take;
        pending_ += take ? "\x1b[?1000h\x1b[?1006h" : "\x1b[?1000l\x1b[?1006l";
        if (!writing_) write_out();
        return take;
    }

    void suspend() override {
        leave();
        ::kill(0, SIGSTOP);
        // And here somebody has brought it back.
        enter();
        ::clearok(curscr, TRUE);
        resize();
    }

  private:
    // ---- The screen.

    void begin_curses() {
        if (::pipe2(relay_.data(), O_CLOEXEC | O_NONBLOCK) != 0) throw_errno("make a pipe");
        ::fcntl(relay_[0], F_SETPIPE_SZ, relay_size);
        relay_out_ = Fd(relay_[0]);
        relay_in_ = ::fdopen(relay_[1], "w");
        nowhere_ = std::fopen("/dev/null", "re");
        ::use_env(FALSE);  // LINES and COLUMNS of the environment are not the terminal's size
        ::use_tioctl(TRUE);
        screen_ = ::newterm(nullptr, relay_in_, nowhere_);
        if (screen_ == nullptr) {
            const char* term = std::getenv("TERM");
            throw Error(ExitCode::Usage,
                        std::string("the terminal '") + (term == nullptr ? "" : term) + "' is not known here",
                        "set TERM to one that is, as in TERM=xterm, or use --plain");
        }
        ::keypad(stdscr, FALSE);
        ::leaveok(stdscr, FALSE);
        ::scrollok(stdscr, FALSE);
        ::nonl();
        if (options_.colour && ::has_colors()) {
            ::start_color();
            ::use_default_colors();
            for (short colour = 1; colour < 8; ++colour) ::init_pair(colour, colour, -1);
            coloured_ = true;
        }
        ::curs_set(1);
    }

    attr_t look_of(const Span& span) const {
        const auto colour = [this](short number) { return coloured_ ? COLOR_PAIR(number) : attr_t{0}; };
        attr_t look = A_NORMAL;
        switch (span.role) {
            case Role::Plain:
                break;
            case Role::Dim:
                look = A_DIM;
                break;
            case Role::Title:
                look = A_REVERSE;
                break;
            case Role::Prompt:
                look = A_BOLD;
                break;
            case Role::Ok:
                look = colour(COLOR_GREEN);
                break;
            case Role::Error:
                look = colour(COLOR_RED) | A_BOLD;
                break;
            case Role::Warning:
                look = colour(COLOR_YELLOW) | A_BOLD;
                break;
            case Role::Pending:
                look = colour(COLOR_YELLOW);
                break;
            case Role::Event:
                look = colour(COLOR_MAGENTA);
                break;
            case Role::Notice:
                look = colour(COLOR_CYAN);
                break;
            case Role::Name:
                look = A_BOLD;
                break;
            case Role::Key:
                look = colour(COLOR_CYAN);
                break;
            case Role::String:
                look = colour(COLOR_GREEN);
                break;
            case Role::Number:
                look = colour(COLOR_YELLOW);
                break;
            case Role::Literal:
                look = colour(COLOR_MAGENTA);
                break;
            case Role::Suggestion:
                look = A_DIM;
                break;
            case Role::Match:
                look = A_REVERSE | A_BOLD;
                break;
        }
        if (span.selected) look ^= A_REVERSE;
        if (span.underlined) look |= A_UNDERLINE;
        return look;
    }

    void paint(const Frame& frame) {
        ::werase(stdscr);
        for (std::size_t row = 0; row < frame.lines.size(); ++row) {
            ::wmove(stdscr, static_cast<int>(row), 0);
            for (const auto& span : frame.lines[row]) {
                (void)::wattrset(stdscr, static_cast<int>(look_of(span)));
                ::waddwstr(stdscr, widened(span.text).c_str());
            }
        }
        (void)::wattrset(stdscr, A_NORMAL);
        if (frame.bell) pending_ += '\x07';
        ::wmove(stdscr, static_cast<int>(frame.cursor_row), static_cast<int>(frame.cursor_column));
        ::wrefresh(stdscr);
    }

    /// What ncurses has written.
    void collect() {
        std::fflush(relay_in_);
        std::array<char, 65536> chunk{};
        for (;;) {
            const auto got = ::read(relay_out_.get(), chunk.data(), chunk.size());
            if (got <= 0) return;
            pending_.append(chunk.data(), static_cast<std::size_t>(got));
        }
    }

    void write_out() {
        if (pending_.empty() || left_) return;
        writing_ = true;
        sending_ = std::exchange(pending_, {});
        send_rest(0);
    }

    void send_rest(std::size_t sent) {
        output_.async_write_some(net::buffer(sending_.data() + sent, sending_.size() - sent),
                                 [this, sent](const boost::system::error_code& error, std::size_t count) {
                                     if (error == net::error::operation_aborted) return;
                                     if (error) return gone();
                                     if (sent + count < sending_.size()) return send_rest(sent + count);
                                     writing_ = false;
                                     if (auto next = std::exchange(waiting_, std::nullopt))
                                         return draw(*next);
                                     write_out();
                                 });
    }

    // ---- Its beginning and end.

    void enter() {
        left_ = false;
        guard_.take();
        pending_ += "\x1b[?2004h";
        if (options_.mouse) pending_ += "\x1b[?1000h\x1b[?1006h";
        ::wrefresh(stdscr);
        collect();
        write_out();
    }

    /// Never waits long for a terminal that takes nothing.
    void leave() {
        if (left_) return;
        ::endwin();
        collect();
        std::string last = std::exchange(pending_, {});
        last += "\x1b[?2004l\x1b[?1000l\x1b[?1006l";
        // A frame that is half written would swallow what comes next.
        if (writing_) last.insert(0, "\x1b\\");
        left_ = true;
        std::string_view rest = last;
        for (int tries = 0; tries < 10 && !rest.empty();) {
            const auto sent = ::write(output_.native_handle(), rest.data(), rest.size());
            if (sent > 0) {
                rest.remove_prefix(static_cast<std::size_t>(sent));
                continue;
            }
            pollfd ready{output_.native_handle(), POLLOUT, 0};
            ::poll(&ready, 1, 20);
            ++tries;
        }
        guard_.give_back();
    }

    void resize() {
        const auto size = size_of(output_.native_handle());
        ::resizeterm(size.rows, size.columns);
        handler_.resized(static_cast<std::size_t>(size.rows), static_cast<std::size_t>(size.columns));
    }

    void gone() {
        if (auto last = std::exchange(handler_.gone, {})) last();
    }

    // ---- What comes.

    void await_input() {
        input_.async_read_some(net::buffer(chunk_),
                               [this](const boost::system::error_code& error, std::size_t count) {
                                   if (error == net::error::operation_aborted) return;
                                   if (error || count == 0) return gone();
                                   reader_.feed(std::string_view(chunk_.data(), count));
                                   take_keys(false);
                                   await_input();
                               });
    }

    void take_keys(bool flush) {
        while (auto key = reader_.next(flush)) handler_.key(*key);
        escape_timer_.cancel();
        if (!reader_.waiting()) return;
        escape_timer_.expires_after(escape_time);
        escape_timer_.async_wait([this](const boost::system::error_code& error) {
            if (!error) take_keys(true);
        });
    }

    void await_signal() {
        signals_.async_wait([this](const boost::system::error_code& error, int signal) {
            if (error) return;
            if (signal != SIGWINCH && signal != SIGTSTP) return gone();
            if (signal == SIGTSTP)
                suspend();
            else
                resize();
            await_signal();
        });
    }

    Fd input_fd_, output_fd_;
    TerminalGuard guard_;
    KeyReader reader_;
    CursesOptions options_;
    net::posix::stream_descriptor input_;
    net::posix::stream_descriptor output_;
    net::signal_set signals_;
    net::steady_timer escape_timer_;
    UiHandler handler_;
    std::array<char, 4096> chunk_{};

    std::array<int, 2> relay_{-1, -1};
    Fd relay_out_;
    std::FILE* relay_in_ = nullptr;
    std::FILE* nowhere_ = nullptr;
    SCREEN* screen_ = nullptr;
    bool coloured_ = false;
    bool left_ = true;

    std::string pending_;  ///< for the terminal, beyond what is being written
    std::string sending_;
    bool writing_ = false;
    std::optional<Frame> waiting_;
};

}  // namespace

std::unique_ptr<Ui> make_curses_ui(net::io_context& context, CursesOptions options) {
    return std::make_unique<CursesUi>(context, options);
}

}  // namespace qvm::shell
