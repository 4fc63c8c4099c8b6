// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/plain_ui.hpp"

#include <array>
#include <cstdio>
#include <optional>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::shell {
namespace {

namespace net = boost::asio;

constexpr std::size_t unlimited = 1U << 20U;

/// Draws nothing: what is said is printed by who hears of it.
class NoScreen final : public Ui {
  public:
    void start(UiHandler handler) override { handler.resized(24, 80); }
    void draw(const Frame& /*frame*/) override {}
    void redraw() override {}
    void copy(std::string_view text) override { fmt::print("{}\n", text); }
    bool take_mouse(bool /*take*/) override { return false; }
    void suspend() override {}
};

class Plain {
  public:
    Plain(net::io_context& context, ShellOptions options)
        : context_(context),
          interactive_(::isatty(STDIN_FILENO) == 1),
          shell_(context, screen_, with_pages(std::move(options))),
          input_(context, ::dup(STDIN_FILENO)) {
        shell_.listeners.emplace_back([this](Conversation& where, const Item& item) { print(where, item); });
    }

    void start() {
        shell_.start();
        prompt();
        read();
    }

  private:
    ShellOptions with_pages(ShellOptions options) {
        options.print_page = [this](const std::vector<Line>& lines) { print(lines); };
        options.welcome = interactive_;
        return options;
    }

    void print(const std::vector<Line>& lines) {
        if (prompted_) fmt::print("\n");
        for (const auto& line : lines) fmt::print("{}\n", plain_text(line));
        prompted_ = false;
        std::fflush(stdout);
        prompt();
    }

    void print(Conversation& where, const Item& item) {
        if (item.state == ItemState::Pending) return;
        FormatOptions options;
        options.columns = unlimited;
        options.clock = where.view().clock();
        options.utc_offset = local_utc_offset;
        auto lines = format(item, where.view().mode(), options);
        // A reply in a summary is a taste of it: here there is no details pane to look into.
        if (item.kind == ItemKind::Command && where.view().mode() == ViewMode::Summary &&
            !item.received.empty())
            for (auto& line : format(item, ViewMode::Json, with_part(options, Part::Received)))
                lines.push_back(std::move(line));
        print(lines);
    }

    static FormatOptions with_part(FormatOptions options, Part part) {
        options.part = part;
        return options;
    }

    void prompt() {
        if (!interactive_ || prompted_ || busy_) return;
        fmt::print("> ");
        std::fflush(stdout);
        prompted_ = true;
    }

    void read() {
        input_.async_read_some(net::buffer(chunk_),
                               [this](const boost::system::error_code& error, std::size_t count) {
                                   if (error == net::error::operation_aborted) return;
                                   if (error || count == 0) ended_ = true;
                                   buffer_.append(chunk_.data(), error ? 0 : count);
                                   if (interactive_ && count > 0) prompted_ = false;
                                   next();
                                   if (!ended_) read();
                               });
    }

    /// One entry at a time: the next when the reply to this one has come.
    void next() {
        if (busy_) return;
        if (shell_.here().link().state() != LinkState::Connected && !ever_connected_) {
            // What a pipe brings at once waits for the connection, which has been asked for already.
            wait_for_connection();
            return;
        }
        ever_connected_ = true;
        std::string_view rest = buffer_;
        const auto entry = next_entry(rest, ended_);
        if (!entry) {
            if (ended_) return shell_.leave();
            return prompt();
        }
        const std::string text(*entry);
        buffer_.erase(0, buffer_.size() - rest.size());
        busy_ = true;
        // Values get the types the schema tells, whether it has been fetched before or not.
        shell_.here().with_schema([this, text] { run(text); });
    }

    void run(const std::string& text) {
        const auto entered = parse(text, shell_.here());
        for (const auto& finding : entered.findings)
            if (!finding.blocks)
                fmt::print(stderr, "check: {}: {}{}{}\n", escape_controls(text),
                           escape_controls(finding.message), finding.hint.empty() ? "" : ": ",
                           escape_controls(finding.hint));
        shell_.run(text, [this](bool) {
            // Not from within what called this: a thousand entries must not be a thousand calls deep.
            net::post(context_, [this] {
                busy_ = false;
                next();
            });
        });
    }

    void wait_for_connection() {
        if (std::exchange(waiting_, true)) return;
        shell_.listeners.emplace_back([this](Conversation& where, const Item&) {
            if (where.link().state() != LinkState::Connected || std::exchange(ever_connected_, true)) return;
            net::post(context_, [this] { next(); });
        });
    }

    net::io_context& context_;
    bool interactive_;
    NoScreen screen_;
    Shell shell_;
    net::posix::stream_descriptor input_;
    std::array<char, 65536> chunk_{};
    std::string buffer_;
    bool ended_ = false;
    bool busy_ = false;
    bool waiting_ = false;
    bool ever_connected_ = false;
    bool prompted_ = false;
};

}  // namespace

void run_plain(net::io_context& context, ShellOptions options) {
    net::signal_set signals(context, SIGTERM, SIGHUP, SIGINT);
    signals.async_wait([&context](const boost::system::error_code& error, int) {
        if (!error) context.stop();
    });
    Plain plain(context, std::move(options));
    plain.start();
    context.run();
}

}  // namespace qvm::shell
