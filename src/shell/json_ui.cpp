// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/json_ui.hpp"

#include <array>
#include <cstdio>
#include <unistd.h>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <fmt/format.h>

#include "base/json.hpp"

namespace qvm::shell {
namespace {

namespace net = boost::asio;

Json to_json(const Span& span) {
    Json out = Json::object();
    out["text"] = span.text;
    if (span.role != Role::Plain) out["role"] = name_of(span.role);
    if (span.selected) out["selected"] = true;
    if (span.underlined) out["underlined"] = true;
    return out;
}

Json to_json(const Frame& frame) {
    Json lines = Json::array();
    for (const auto& line : frame.lines) {
        Json spans = Json::array();
        for (const auto& span : line) spans.push_back(to_json(span));
        lines.push_back(std::move(spans));
    }
    Json out = Json::object();
    out["rows"] = frame.rows;
    out["columns"] = frame.columns;
    out["cursor"] = {frame.cursor_row, frame.cursor_column};
    out["lines"] = std::move(lines);
    return out;
}

class JsonUi final : public Ui {
  public:
    explicit JsonUi(net::io_context& context)
        : input_(context, ::dup(STDIN_FILENO)), signals_(context, SIGTERM, SIGHUP) {}

    void start(UiHandler handler) override {
        handler_ = std::move(handler);
        await_input();
        signals_.async_wait([this](const boost::system::error_code& error, int) {
            if (!error) gone();
        });
        handler_.resized(24, 80);
    }

    void draw(const Frame& frame) override {
        bell_ = bell_ || frame.bell;
        if (in_line_) return;  // its last key's frame is its answer
        auto shown = to_json(frame);
        if (std::exchange(bell_, false)) shown["bell"] = true;
        say("frame", shown);
    }
    void redraw() override {}
    void copy(std::string_view text) override { say("copy", std::string(text)); }
    bool take_mouse(bool /*take*/) override { return true; }
    void suspend() override { say("suspend", true); }

  private:
    static void say(const char* what, const Json& value) {
        Json message = Json::object();
        message[what] = value;
        fmt::print("{}\n", message.dump(-1, ' ', false, Json::error_handler_t::replace));
        std::fflush(stdout);
    }

    void await_input() {
        input_.async_read_some(net::buffer(chunk_),
                               [this](const boost::system::error_code& error, std::size_t count) {
                                   if (error == net::error::operation_aborted) return;
                                   if (error || count == 0) return gone();
                                   buffer_.append(chunk_.data(), count);
                                   take_lines();
                                   await_input();
                               });
    }

    void take_lines() {
        for (auto end = buffer_.find('\n'); end != std::string::npos; end = buffer_.find('\n')) {
            const auto line = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            const Json message = Json::parse(line, nullptr, false);
            in_line_ = true;
            const auto complaint = message.is_object() ? take(message) : "it is no JSON object";
            in_line_ = false;
            if (!complaint.empty()) say("error", complaint);
            handler_.flush();
        }
    }

    /// What is wrong with the message, or "".
    std::string take(const Json& message) {
        for (const auto& [name, value] : message.items()) {
            if (name == "keys" && value.is_array()) {
                for (const auto& word : value) {
                    const auto key = key_named(word.is_string() ? word.get<std::string>() : "");
                    if (!key) return fmt::format("no key is called {}", word.dump());
                    handler_.key(*key);
                }
            } else if (name == "text" && value.is_string()) {
                KeyReader reader;
                reader.feed(value.get<std::string>());
                while (auto key = reader.next(true)) handler_.key(*key);
            } else if (name == "paste" && value.is_string()) {
                handler_.key({Key::Kind::Paste, value.get<std::string>(), "paste"});
            } else if (name == "resize" && value.is_array() && value.size() == 2 &&
                       value[0].is_number_unsigned() && value[1].is_number_unsigned()) {
                handler_.resized(value[0].get<std::size_t>(), value[1].get<std::size_t>());
            } else if (name == "mouse" && value.is_array() && value.size() == 3 && value[0].is_string() &&
                       value[1].is_number_unsigned() && value[2].is_number_unsigned()) {
                handler_.key({Key::Kind::Mouse,
                              {},
                              value[0].get<std::string>(),
                              value[1].get<std::size_t>(),
                              value[2].get<std::size_t>()});
            } else {
                return fmt::format("'{}' with such a value is not known: keys, text, paste, resize, mouse",
                                   name);
            }
        }
        return {};
    }

    void gone() {
        if (auto last = std::exchange(handler_.gone, {})) last();
    }

    net::posix::stream_descriptor input_;
    net::signal_set signals_;
    UiHandler handler_;
    std::array<char, 65536> chunk_{};
    std::string buffer_;
    bool in_line_ = false;
    bool bell_ = false;
};

}  // namespace

std::unique_ptr<Ui> make_json_ui(net::io_context& context) {
    return std::make_unique<JsonUi>(context);
}

}  // namespace qvm::shell
