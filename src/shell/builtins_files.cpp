// SPDX-License-Identifier: GPL-3.0-or-later
// Commands that write and read files: /save, /log, /load, /export, /diff, /replay, /macro.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/builtins.hpp"
#include "shell/export.hpp"
#include "shell/json_diff.hpp"
#include "shell/messages.hpp"
#include "shell/own_file.hpp"
#include "shell/replay.hpp"
#include "shell/shell.hpp"
#include "shell/transcript_file.hpp"
#include "shell/transcript_loader.hpp"

namespace qvm::shell::builtins {
namespace {

/// The label as part of a file's name.
std::string file_word(std::string_view label) {
    std::string word;
    for (const char c : label) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '-' || c == '_' || (c == '.' && !word.empty());
        word += plain ? c : '_';
    }
    return word.empty() ? "qmp" : word;
}

std::string time_word() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    ::localtime_r(&now, &parts);
    std::array<char, 32> text{};
    const auto length = std::strftime(text.data(), text.size(), "%Y%m%d-%H%M%S", &parts);
    return {text.data(), length};
}

/// The items a command speaks of: one by its number, or what the view shows.
std::vector<const Item*> chosen_items(Shell& shell, std::vector<std::string>& words) {
    const auto& transcript = shell.here().transcript();
    const auto option = std::ranges::find(words, "--item");
    if (option == words.end() || std::next(option) == words.end()) return shell.here().view().all_shown();
    const auto number = std::strtoull(std::next(option)->c_str(), nullptr, 10);
    words.erase(option, std::next(option, 2));
    const auto* item = transcript.find(number);
    return item == nullptr ? std::vector<const Item*>() : std::vector<const Item*>{item};
}

const Item* item_of(Shell& shell, const std::string& word) {
    return shell.here().transcript().find(std::strtoull(word.c_str(), nullptr, 10));
}

}  // namespace

void save(Shell& shell, const BuiltinCall& call, const Done& done) {
    auto words = call.words;
    const auto items = chosen_items(shell, words);
    if (items.empty()) return fail(shell, done, "/save: there is nothing to save");
    auto path = words.empty() ? fmt::format("qmp-{}-{}.jsonl", file_word(shell.here().label()), time_word())
                              : words[0];
    try {
        save_transcript(items, path);
    } catch (const Error& error) {
        return fail(shell, done, error.what());
    }
    shell.say(fmt::format("saved {} items to {} (/load shows them again)", items.size(),
                          std::filesystem::absolute(path).string()));
    done(true);
}

void log(Shell& shell, const BuiltinCall& call, const Done& done) {
    const auto word = call.words.empty() ? std::string() : call.words[0];
    if (word.empty()) {
        shell.say(shell.log_path().empty() ? "nothing is logged; /log on, or /log FILE"
                                           : "logged to " + shell.log_path());
        return done(true);
    }
    if (word == "off") {
        shell.log_to({});
        return done(true);
    }
    auto path = word;
    if (word == "on") {
        if (shell.options().state_directory.empty())
            return fail(shell, done, "/log: there is no home directory; /log FILE says where");
        path = shell.options().state_directory + "/" + file_word(shell.here().label()) + ".jsonl";
    }
    shell.log_to(path);
    shell.say("logged to " + path + " from now on, secrets masked");
    done(true);
}

void load(Shell& shell, const BuiltinCall& call, const Done& done) {
    if (call.words.empty()) return fail(shell, done, "/load: which file?");
    try {
        shell.add_conversation(target_of_log(call.words[0]));
    } catch (const Error& error) {
        return fail(shell, done, std::string("/load: ") + error.what());
    }
    shell.show_conversation(shell.conversations().size() - 1);
    done(true);
}

void export_(Shell& shell, const BuiltinCall& call, const Done& done) {
    auto words = call.words;
    const auto format = words.empty() ? std::nullopt : export_format_named(words[0]);
    if (!format)
        return fail(shell, done, "/export: as what? json, sh, python or iotest, and then a file's name");
    const auto items = chosen_items(shell, words);
    const auto text = export_items(items, *format);
    if (words.size() < 2) {
        shell.open(
            {fmt::format("Export: {}", words[0]), [text](std::size_t columns) {
                 std::vector<Line> lines;
                 std::string_view rest = text;
                 while (!rest.empty()) {
                     const auto end = std::min(rest.find('\n'), rest.size());
                     for (auto& part : wrap({{escape_controls(rest.substr(0, end)), Role::Plain}}, columns))
                         lines.push_back(std::move(part));
                     rest.remove_prefix(std::min(rest.size(), end + 1));
                 }
                 return lines;
             }});
        return done(true);
    }
    try {
        write_own_file(words[1], text);
    } catch (const Error& error) {
        return fail(shell, done, error.what());
    }
    shell.say(fmt::format("{} items to {}", items.size(), words[1]));
    done(true);
}

void diff(Shell& shell, const BuiltinCall& call, const Done& done) {
    const auto* older = call.words.size() == 2 ? item_of(shell, call.words[0]) : nullptr;
    const auto* newer = call.words.size() == 2 ? item_of(shell, call.words[1]) : nullptr;
    if (older == nullptr || newer == nullptr)
        return fail(
            shell, done,
            "/diff: the numbers of two items whose replies are compared; details show an item's number");
    const auto lines = diff_lines(compare_messages(older->received, newer->received));
    shell.open({fmt::format("Diff: {} {} and {} {}", call.words[0], older->name, call.words[1], newer->name),
                [lines](std::size_t) { return lines; }});
    done(true);
}

// ---- Replay.

namespace {

struct Replaying {
    Replaying(boost::asio::io_context& context, Replay r, bool d, Done f)
        : replay(std::move(r)), compare(d), done(std::move(f)), timer(context) {}
    Replay replay;
    bool compare;
    Done done;
    boost::asio::steady_timer timer;
    std::size_t next = 0;
    std::size_t different = 0;
};

void replay_next(Shell& shell, const std::shared_ptr<Replaying>& replaying);

void replay_one(Shell& shell, const std::shared_ptr<Replaying>& replaying) {
    const auto& step = replaying->replay.steps[replaying->next++];
    Request request;
    request.command = step.command;
    request.arguments = step.arguments.empty() ? Json::object() : Json::parse(step.arguments, nullptr, false);
    request.oob = step.oob;
    const auto typed = to_text(step.command, request.arguments, &shell.here());
    shell.here().run(request, typed, [&shell, replaying, &step](const qmp::Answer& answer) {
        if (std::holds_alternative<qmp::InterruptedError::Why>(answer.outcome)) {
            shell.complain(
                fmt::format("the replay ended at step {}: the connection is gone", replaying->next));
            return replaying->done(false);
        }
        if (replaying->compare) {
            const auto differences = compare_replay(step, answer.text);
            if (!differences.empty()) {
                ++replaying->different;
                for (const auto& line : diff_lines(differences, 100)) shell.say(plain_text(line));
            }
        }
        replay_next(shell, replaying);
    });
}

void replay_next(Shell& shell, const std::shared_ptr<Replaying>& replaying) {
    if (replaying->next == replaying->replay.steps.size()) {
        shell.say(replaying->compare ? fmt::format("replayed {} commands, {} replies differ", replaying->next,
                                                   replaying->different)
                                     : fmt::format("replayed {} commands", replaying->next));
        return replaying->done(true);
    }
    const auto delay = std::chrono::microseconds(replaying->replay.steps[replaying->next].delay);
    replaying->timer.expires_after(delay);
    replaying->timer.async_wait([&shell, replaying](const boost::system::error_code& error) {
        if (!error) replay_one(shell, replaying);
    });
}

}  // namespace

void replay(Shell& shell, const BuiltinCall& call, const Done& done) {
    std::string path;
    bool compare = false;
    auto timing = ReplayTiming::AtOnce;
    for (const auto& word : call.words) {
        if (word == "--diff")
            compare = true;
        else if (word == "--timing")
            timing = ReplayTiming::AsThen;
        else if (word.starts_with("--") || !path.empty())
            return fail(shell, done,
                        fmt::format("/replay: '{}' is not known: FILE [--timing] [--diff]", word));
        else
            path = word;
    }
    if (path.empty()) return fail(shell, done, "/replay: which file? One that /save or /log wrote");
    Replay steps;
    try {
        Transcript loaded;
        TranscriptLoader loader(loaded);
        load_transcript(path, loader);
        steps = replay_of(all_items(loaded), timing);
    } catch (const Error& error) {
        return fail(shell, done, std::string("/replay: ") + error.what());
    }
    for (const auto& sentence : steps.left_out) shell.complain("left out: " + sentence);
    replay_next(shell, std::make_shared<Replaying>(shell.context(), std::move(steps), compare, done));
}

// ---- Macros.

namespace {

std::string macro_path(const Shell& shell, const std::string& name) {
    return shell.options().macro_directory + "/" + name;
}

bool is_macro_name(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_';
    });
}

void list_macros(Shell& shell) {
    namespace fs = std::filesystem;
    std::vector<std::string> names;
    std::error_code failed;
    for (fs::directory_iterator at(shell.options().macro_directory, failed), end; !failed && at != end;
         at.increment(failed))
        if (is_macro_name(at->path().filename().string())) names.push_back(at->path().filename().string());
    std::ranges::sort(names);
    if (names.empty()) return shell.say("there is no macro; /macro record NAME begins one");
    std::string text = "macros:";
    for (const auto& name : names) text += " " + name;
    shell.say(text + "  in " + shell.options().macro_directory);
}

std::vector<std::string> entries_of(std::string_view text) {
    std::vector<std::string> entries;
    while (const auto entry = next_entry(text, true))
        if (entry->find_first_not_of(" \t\r\n") != std::string_view::npos) entries.emplace_back(*entry);
    return entries;
}

void write_macro(Shell& shell, const std::string& name, const std::vector<std::string>& entries) {
    std::error_code failed;
    std::filesystem::create_directories(shell.options().macro_directory, failed);
    std::string text;
    for (const auto& entry : entries) text += entry + "\n";
    write_own_file(macro_path(shell, name), text);
    shell.say(fmt::format("macro {}: {} entries in {}", name, entries.size(), macro_path(shell, name)));
}

}  // namespace

void macro(Shell& shell, const BuiltinCall& call, const Done& done) {
    const auto& words = call.words;
    if (shell.options().macro_directory.empty())
        return fail(shell, done, "/macro: there is no home directory to keep macros in");
    if (words.empty() || words[0] == "list") {
        list_macros(shell);
        return done(true);
    }
    const auto& verb = words[0];
    try {
        if (verb == "stop" && words.size() == 1) {
            if (!shell.recording) return fail(shell, done, "/macro: nothing is being recorded");
            const auto entries = *std::exchange(shell.recording, std::nullopt);
            write_macro(shell, shell.recording_name, entries);
            return done(true);
        }
        if (words.size() != 2 || !is_macro_name(words[1]) ||
            (verb != "record" && verb != "run" && verb != "edit" && verb != "delete"))
            return fail(
                shell, done,
                "/macro: list, record NAME, stop, run NAME, edit NAME or delete NAME; a name has letters, "
                "digits, '-' and '_'");
        const auto path = macro_path(shell, words[1]);
        if (verb == "record") {
            shell.recording.emplace();
            shell.recording_name = words[1];
            shell.say(fmt::format("recording {}: /macro stop ends it", words[1]));
            return done(true);
        }
        if (verb == "delete") {
            if (!std::filesystem::remove(path))
                return fail(shell, done, fmt::format("there is no macro '{}'", words[1]));
            return done(true);
        }
        const auto text = std::filesystem::exists(path) ? read_own_file(path) : std::string();
        if (verb == "run") {
            const auto entries = entries_of(text);
            if (entries.empty())
                return fail(shell, done, fmt::format("there is no macro '{}', or nothing in it", words[1]));
            if (shell.macro_depth >= 8) return fail(shell, done, "macros run each other too deeply");
            ++shell.macro_depth;
            return shell.run_all(entries, [&shell, done] {
                --shell.macro_depth;
                done(true);
            });
        }
        // In the line: several entries in it are asked about, then kept.
        shell.ask(
            fmt::format("macro {}, Alt+Enter: a new line, Enter: keep it > ", words[1]),
            [&shell, name = words[1]](const std::string& edited) {
                try {
                    write_macro(shell, name, entries_of(edited));
                } catch (const Error& error) {
                    shell.complain(error.what());
                }
            },
            text);
        done(true);
    } catch (const Error& error) {
        fail(shell, done, error.what());
    } catch (const std::filesystem::filesystem_error& error) {
        fail(shell, done, error.what());
    }
}

}  // namespace qvm::shell::builtins
