// SPDX-License-Identifier: GPL-3.0-or-later
// Commands that draw what QMP tells: /graph, /top, /hmp.
#include <fstream>
#include <memory>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/builtins.hpp"
#include "shell/graph_builder.hpp"
#include "shell/hmp_text.hpp"
#include "shell/own_file.hpp"
#include "shell/shell.hpp"
#include "shell/top.hpp"

namespace qvm::shell::builtins {
namespace {

using namespace std::chrono_literals;

struct Drawing {
    std::unique_ptr<GraphBuilder> builder;
    std::string format;  ///< "", "dot", "svg"
    std::string file;
    Done done;
};

void finish(Shell& shell, const Drawing& drawing) {
    const auto graph = drawing.builder->graph();
    if (drawing.format.empty()) {
        shell.open({graph.title, [graph](std::size_t columns) { return draw_tree(graph, columns); }});
        return drawing.done(true);
    }
    const auto text = drawing.format == "dot" ? draw_dot(graph) : draw_svg(graph);
    try {
        write_own_file(drawing.file, text);
    } catch (const Error& error) {
        return fail(shell, drawing.done, error.what());
    }
    shell.say(fmt::format("{}: {} bytes of {}", drawing.file, text.size(), drawing.format));
    drawing.done(true);
}

void ask_next(Shell& shell, const std::shared_ptr<Drawing>& drawing) {
    for (const auto& query : drawing->builder->next()) {
        shell.here().ask(query.command, Json::parse(query.arguments),
                         [&shell, drawing, number = query.number](const qmp::Answer& answer) {
                             drawing->builder->absorb(number, std::get_if<Json>(&answer.outcome));
                             if (drawing->builder->done()) return finish(shell, *drawing);
                             ask_next(shell, drawing);
                         });
    }
}

/// The live page, and the clock that moves it.
struct Live {
    explicit Live(boost::asio::io_context& context) : timer(context) {}
    Top top;
    boost::asio::steady_timer timer;
    const Page* page = nullptr;
    std::size_t waiting = 0;
};

constexpr std::size_t top_rows = 200;

void sample(Shell& shell, const std::shared_ptr<Live>& live) {
    const auto when = std::chrono::duration_cast<std::chrono::microseconds>(
                          std::chrono::steady_clock::now().time_since_epoch())
                          .count();
    for (const auto& query : live->top.queries()) {
        ++live->waiting;
        shell.here().ask(query.command, Json::parse(query.arguments),
                         [&shell, live, when, command = query.command](const qmp::Answer& answer) {
                             live->top.absorb(command, std::get_if<Json>(&answer.outcome), when);
                             if (--live->waiting > 0) return;
                             shell.refresh_page(live.get());
                         });
    }
    live->timer.expires_after(1s);
    live->timer.async_wait([&shell, live](const boost::system::error_code& error) {
        // Nobody looks any longer.
        if (error || !shell.has_page(live.get())) return;
        sample(shell, live);
    });
}

}  // namespace

void graph(Shell& shell, const BuiltinCall& call, const Done& done) {
    auto drawing = std::make_shared<Drawing>();
    drawing->done = done;
    std::vector<std::string> words;
    for (std::size_t i = 0; i < call.words.size(); ++i) {
        const auto& word = call.words[i];
        if (word != "--dot" && word != "--svg") {
            words.push_back(word);
            continue;
        }
        drawing->format = word.substr(2);
        if (i + 1 == call.words.size()) {
            return fail(shell, done, fmt::format("/graph: {} needs a file's name", word));
        }
        drawing->file = call.words[++i];
    }
    if (!words.empty()) drawing->builder = graph_named(words[0], words.size() > 1 ? words[1] : "/machine");
    if (!drawing->builder) {
        return fail(shell, done, "/graph: of what? block, qom [PATH] or pci");
    }
    ask_next(shell, drawing);
}

void top(Shell& shell, const BuiltinCall& /*call*/, const Done& done) {
    auto live = std::make_shared<Live>(shell.context());
    Page page("Top", [live](std::size_t columns) { return live->top.lines(columns, top_rows); });
    page.set_key(live);
    sample(shell, live);
    shell.open(std::move(page));
    done(true);
}

void hmp(Shell& shell, const BuiltinCall& call, const Done& done) {
    const auto begin = call.rest.find_first_not_of(" \t");
    if (begin == std::string::npos) {
        return fail(shell, done, "/hmp: a command of the human monitor is missing, as in /hmp info block");
    }
    const auto line = call.rest.substr(begin);
    auto& where = shell.here();
    Request request;
    request.command = "human-monitor-command";
    request.arguments = Json::parse(where.hmp().arguments(line));
    where.run(request, "/hmp " + line, [&shell, done, line](const qmp::Answer& answer) {
        const auto* value = std::get_if<Json>(&answer.outcome);
        if (value == nullptr || !value->is_string()) return done(false);
        const auto text = value->get<std::string>();
        const auto lines = shell.here().hmp().answer(line, text, 1U << 16U);
        constexpr std::size_t few = 12;
        const auto hint = hmp_hint(line);
        if (lines.size() > few) {
            shell.open({"hmp: " + line, [&shell, line, text](std::size_t columns) {
                            auto all = Hmp(shell.here().hmp()).answer(line, text, columns);
                            if (auto said = hint_line(line); !said.empty())
                                all.insert(all.begin(), std::move(said));
                            return all;
                        }});
        } else {
            for (const auto& one : lines) shell.say(plain_text(one));
            if (hint != nullptr) shell.say(plain_text(hint_line(line)));
        }
        done(true);
    });
}

}  // namespace qvm::shell::builtins
