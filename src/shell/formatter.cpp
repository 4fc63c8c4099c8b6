// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/formatter.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "shell/json_lines.hpp"
#include "shell/json_text.hpp"
#include "shell/layout.hpp"

namespace qvm::shell {
namespace {

constexpr std::array mode_names{"summary", "json-summary", "json", "pretty", "raw", "typed"};
constexpr std::array<const char*, 4> clock_names = {"none", "minutes", "seconds", "microseconds"};

void append(Line& line, Line more) {
    for (auto& span : more) line.push_back(std::move(span));
}

/// Text of which only what fits is looked at: four bytes are the longest character.
std::string shown(std::string_view text, std::size_t columns) {
    return printable(text, 4 * columns + 4);
}

Line clock_of(std::int64_t when, const FormatOptions& options) {
    const auto text = time_text(when, options);
    if (text.empty()) return {};
    return {{fmt::format("[{}] ", text), Role::Dim}};
}

Line label_of(const Item& item, std::size_t columns) {
    if (item.client().empty()) return {};
    return {{fmt::format("({}) ", cut_to_columns(shown(item.client(), columns), columns / 3)), Role::Dim}};
}

/// Would be read as a string without its quotes.
bool is_plain_word(std::string_view text) {
    constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:@%+-";
    if (text.empty() || text.find_first_not_of(letters) != std::string_view::npos) return false;
    if (text.front() == '-' || (text.front() >= '0' && text.front() <= '9')) return false;
    return text != "true" && text != "false" && text != "null" && text != "on" && text != "off";
}

/// A member's value as one would type it: a plain word without its quotes.
Line value_line(std::string_view value, std::size_t columns) {
    if (value.size() > 2 && value.front() == '"' && value.back() == '"') {
        const auto word = value.substr(1, value.size() - 2);
        if (is_plain_word(word)) return {{std::string(word), Role::String}};
    }
    return highlight_json(value, 4 * columns + 4);
}

/// The members of the object that begins here as " key=value key=value", as many as can be seen.
Line members_line(std::string_view object, std::size_t columns) {
    Line line;
    JsonScanner scanner(object);
    const auto open = scanner.next();
    if (!open || open->kind != JsonToken::Kind::Begin) return line;
    for (std::size_t used = 0; used <= columns;) {
        const auto token = scanner.next();
        if (!token || token->kind == JsonToken::Kind::End) break;
        if (token->kind != JsonToken::Kind::String || !scanner.before_colon()) continue;
        scanner.next();
        const auto begin = scanner.at();
        // A value that is longer than the screen is not read to its end: nothing after it can be seen.
        const auto beginning = cut_to_bytes(object.substr(begin), 4 * columns + 64);
        JsonScanner inner(beginning);
        const auto length = inner.skip_value();
        const bool whole = length < beginning.size() || beginning.size() == object.size() - begin;
        auto key = json_string_value(token->of(object).substr(0, 4 * columns));
        line.push_back({" " + printable(key), Role::Key});
        line.push_back({"="});
        const auto value = beginning.substr(0, length);
        append(line,
               value_line(value.substr(std::min(value.find_first_not_of(" \t\r\n"), value.size())), columns));
        if (!whole) {
            line.push_back({" ...", Role::Dim});
            break;
        }
        scanner.move_to(begin + length);
        used = columns_of(line);
    }
    return line;
}

std::string one_line(std::string_view text, std::size_t columns) {
    std::string result(cut_to_bytes(text, 4 * columns + 4));
    std::ranges::replace(result, '\n', ' ');
    std::ranges::replace(result, '\t', ' ');
    return printable(result);
}

/// What stands behind the command's name: as typed, else as sent.
Line arguments_of(const Item& item, std::size_t columns) {
    const std::string_view typed = item.typed();
    if (!item.name.empty() && typed.starts_with(item.name)) {
        const auto rest = typed.substr(item.name.size());
        if (rest.empty()) return {};
        if (rest.front() == ' ' || rest.front() == '!' || rest.front() == '\n')
            return {{one_line(rest, columns)}};
    }
    const auto arguments = json_member_onwards(item.sent(), "arguments");
    return arguments ? members_line(*arguments, columns) : Line{};
}

Line error_of(const Item& item, std::size_t columns) {
    const auto error = json_member_onwards(item.received, "error");
    if (!error) return {{"[ERR]", Role::Error}, {" " + one_line(item.received, columns)}};
    const auto word = [&](std::string_view name) {
        const auto value = json_member_onwards(*error, name);
        if (!value) return std::string();
        JsonScanner scanner(*value);
        const auto token = scanner.next();
        return token ? json_string_value(cut_to_bytes(token->of(*value), 4 * columns + 4)) : std::string();
    };
    const auto error_class = word("class");
    const auto description = word("desc");
    std::string text = " ";
    if (!error_class.empty() && error_class != "GenericError") text += error_class + ": ";
    return {{"[ERR]", Role::Error}, {one_line(text + description, columns)}};
}

Line state_of(const Item& item, std::size_t columns) {
    switch (item.state) {
        case ItemState::Pending:
            return {{"[Pending ...]", Role::Pending}};
        case ItemState::Ok:
            return {{"[OK]", Role::Ok}};
        case ItemState::Error:
            return error_of(item, columns);
        case ItemState::Lost:
            return {{"[LOST]", Role::Warning}};
    }
    return {};
}

/// The beginning of what a successful command returned, where there is room to see anything of it.
Line taste_of(const Item& item, std::size_t columns) {
    constexpr std::size_t worthwhile = 12;
    if (item.state != ItemState::Ok || columns < worthwhile) return {};
    const auto value = json_member_onwards(item.received, "return");
    if (!value) return {};
    const auto beginning = cut_to_bytes(*value, 4 * columns + 64);
    JsonScanner scanner(beginning);
    const auto length = scanner.skip_value();
    auto line = highlight_json(beginning.substr(0, length), 4 * columns + 4);
    if (line.size() == 1 && line.front().text == "{}") return {};
    line.insert(line.begin(), {" "});
    return fit(std::move(line), columns);
}

Line summarize_command(const Item& item, const FormatOptions& options) {
    auto line = clock_of(item.began, options);
    append(line, label_of(item, options.columns));
    line.push_back({shown(item.name, options.columns), Role::Name});
    const auto used = columns_of(line);
    const auto room = options.columns - std::min(options.columns, used + 1);
    auto arguments = arguments_of(item, room);
    auto state = state_of(item, room);
    const auto state_columns = columns_of(state);
    const auto wanted = columns_of(arguments);
    if (wanted + state_columns > room) {
        const auto left = room - std::min(room, state_columns);
        arguments = fit(std::move(arguments), std::min(wanted, std::max(left, room / 3)));
    }
    append(line, std::move(arguments));
    line.push_back({" "});
    append(line, std::move(state));
    const auto end = columns_of(line);
    append(line, taste_of(item, options.columns - std::min(options.columns, end)));
    return fit(std::move(line), options.columns);
}

Line summarize_event(const Item& item, const FormatOptions& options) {
    auto line = clock_of(item.began, options);
    line.push_back({"* ", Role::Event});
    if (options.fold.count > 1) {
        line.push_back({shown(options.fold.names, options.columns), Role::Event});
        line.push_back({fmt::format(" x{}", options.fold.count), Role::Number});
        return fit(std::move(line), options.columns);
    }
    line.push_back({shown(item.name, options.columns), Role::Event});
    if (const auto data = json_member_onwards(item.received, "data"))
        append(line, members_line(*data, options.columns));
    return fit(std::move(line), options.columns);
}

void tell_left_out(std::vector<Line>& lines, std::size_t bytes, std::size_t columns) {
    lines.push_back(
        fit({{fmt::format("... {} bytes more: Enter shows them", grouped(bytes)), Role::Dim}}, columns));
}

/// As many lines as it needs, broken between words where it is prose: what has blanks in a row was laid out
/// by somebody.
void add_wrapped(std::vector<Line>& lines, const Line& line, std::size_t columns) {
    constexpr std::size_t longest_prose = 2000;
    std::string text;
    for (const auto& span : line) {
        if (text.size() <= longest_prose) text += span.text;
    }
    if (text.size() <= longest_prose && !text.starts_with(' ') && text.find("  ") == std::string::npos &&
        columns_of(text) > columns)
        return flow(line, 0, 3, columns, lines);
    for (auto& part : wrap(line, columns)) lines.push_back(std::move(part));
}

/// Text of several lines behind a beginning of the first line.
void add_text(std::vector<Line>& lines, Line first, std::string_view text, Role role,
              const FormatOptions& options) {
    const auto begin = lines.size();
    auto budget = options.columns * options.message_lines;
    for (auto rest = text;;) {
        const auto end = std::min(rest.find('\n'), rest.size());
        const auto kept = cut_to_bytes(rest.substr(0, end), budget);
        first.push_back({printable(kept), role});
        add_wrapped(lines, first, options.columns);
        if (end == rest.size() && kept.size() == end) return;
        budget -= kept.size();
        rest.remove_prefix(kept.size() == end ? end + 1 : kept.size());
        if (kept.size() < end || lines.size() - begin >= options.message_lines) {
            tell_left_out(lines, rest.size(), options.columns);
            return;
        }
        first = {{"   "}};
    }
}

/// The lines of one message: its beginning, then the text in the way of the view.
class MessageLines {
  public:
    MessageLines(std::vector<Line>& lines, const FormatOptions& options) : lines_(lines), options_(options) {}

    void add(Line first, std::string_view text, ViewMode mode) {
        if (mode == ViewMode::JsonSummary) {
            append(first, highlight_json(text, options_.columns * 4 + 4));
            lines_.push_back(fit(std::move(first), options_.columns));
            return;
        }
        const auto begin = lines_.size();
        const auto budget = options_.columns * options_.message_lines;
        std::size_t read = 0;
        if (mode == ViewMode::PrettyJson) {
            read = add_pretty(std::move(first), text, budget);
        } else if (mode == ViewMode::Raw) {
            const auto kept = cut_to_bytes(text, budget);
            read = kept.size();
            first.push_back({printable(kept)});
            add_wrapped(first);
        } else {
            auto json = read_json_line(text, budget);
            read = json.read;
            append(first, std::move(json.line));
            add_wrapped(first);
        }
        tell_rest(begin, text.size() - std::min(text.size(), read));
    }

  private:
    std::size_t add_pretty(Line first, std::string_view text, std::size_t budget) {
        PrettyJson pretty(text);
        const auto begin = lines_.size();
        std::size_t shown_bytes = 0;
        while (lines_.size() - begin < options_.message_lines) {
            const auto before = pretty.read();
            auto line = pretty.next_line(budget);
            if (!line) return text.size();
            // A string that was cut counts as far as it is shown.
            shown_bytes += std::min(pretty.read() - before, budget);
            append(first, std::move(*line));
            add_wrapped(first);
            first = {};
        }
        return shown_bytes;
    }

    void add_wrapped(const Line& line) {
        for (auto& one : wrap(line, options_.columns)) lines_.push_back(std::move(one));
    }

    void tell_rest(std::size_t begin, std::size_t left) {
        while (lines_.size() - begin > options_.message_lines) {
            for (const auto& span : lines_.back()) left += span.text.size();
            lines_.pop_back();
        }
        if (left > 0) tell_left_out(lines_, left, options_.columns);
    }

    std::vector<Line>& lines_;
    const FormatOptions& options_;
};

Line message_begin(std::int64_t when, Span arrow, const Item& item, const FormatOptions& options) {
    auto line = clock_of(when, options);
    line.push_back(std::move(arrow));
    append(line, label_of(item, options.columns));
    return line;
}

void format_notice(std::vector<Line>& lines, const Item& item, ViewMode mode, const FormatOptions& options) {
    auto first = clock_of(item.began, options);
    const bool bad = item.state == ItemState::Error;
    const auto role = bad ? Role::Error : Role::Notice;
    first.push_back({bad ? "!! " : "-- ", role});
    add_text(lines, std::move(first), item.name, role, options);
    if (!is_linear(mode) || item.received.empty()) return;
    MessageLines(lines, options)
        .add(message_begin(item.began, {"<- ", Role::Dim}, item, options), item.received, mode);
}

void format_linear(std::vector<Line>& lines, const Item& item, ViewMode mode, const FormatOptions& options) {
    MessageLines messages(lines, options);
    if (item.kind == ItemKind::Event) {
        if (options.part == Part::Sent) return;
        if (options.fold.count > 1) {
            lines.push_back(summarize_event(item, options));
            return;
        }
        messages.add(message_begin(item.began, {"<- ", Role::Event}, item, options), item.received, mode);
        return;
    }
    if (options.part != Part::Received)
        messages.add(message_begin(item.began, {"-> ", Role::Prompt}, item, options), item.sent(), mode);
    if (options.part == Part::Sent || item.state == ItemState::Pending) return;
    const auto role = item.state == ItemState::Ok ? Role::Ok : Role::Error;
    auto begin = message_begin(item.ended(), {"<- ", role}, item, options);
    if (item.state == ItemState::Lost) {
        begin.push_back({"[LOST] the connection ended before the reply", Role::Warning});
        lines.push_back(fit(std::move(begin), options.columns));
        return;
    }
    messages.add(std::move(begin), item.received, mode);
}

void format_typed(std::vector<Line>& lines, const Item& item, const FormatOptions& options) {
    auto first = clock_of(item.began, options);
    append(first, label_of(item, options.columns));
    first.push_back({"> ", Role::Prompt});
    if (!item.typed().empty()) {
        add_text(lines, std::move(first), item.typed(), Role::Plain, options);
    } else {
        first.push_back({shown(item.name, options.columns), Role::Name});
        append(first, arguments_of(item, options.columns * 8));
        for (auto& line : wrap(first, options.columns)) lines.push_back(std::move(line));
    }
    Line state{{"  "}};
    append(state, state_of(item, options.columns));
    const auto used = columns_of(state);
    append(state, taste_of(item, options.columns - std::min(options.columns, used)));
    lines.push_back(fit(std::move(state), options.columns));
}

}  // namespace

const char* name_of(ViewMode mode) {
    return mode_names[static_cast<std::size_t>(mode)];
}

std::optional<ViewMode> view_named(std::string_view name) {
    const auto found = std::ranges::find(mode_names, name);
    if (found == mode_names.end()) return std::nullopt;
    return static_cast<ViewMode>(found - mode_names.begin());
}

const char* name_of(Clock clock) {
    return clock_names[static_cast<std::size_t>(clock)];
}

std::optional<Clock> clock_named(std::string_view name) {
    const auto found =
        std::ranges::find(clock_names, name, [](const char* one) { return std::string_view(one); });
    if (found == clock_names.end()) return std::nullopt;
    return static_cast<Clock>(found - clock_names.begin());
}

ViewMode next_view(ViewMode mode) {
    switch (mode) {
        case ViewMode::Summary:
            return ViewMode::JsonSummary;
        case ViewMode::JsonSummary:
            return ViewMode::Json;
        case ViewMode::Json:
            return ViewMode::PrettyJson;
        case ViewMode::PrettyJson:
        case ViewMode::Raw:
        case ViewMode::Typed:
            return ViewMode::Summary;
    }
    return ViewMode::Summary;
}

bool is_linear(ViewMode mode) {
    return mode != ViewMode::Summary && mode != ViewMode::Typed;
}

std::int64_t local_utc_offset(std::int64_t seconds) {
    const std::time_t when = seconds;
    std::tm broken{};
    return ::localtime_r(&when, &broken) == nullptr ? 0 : broken.tm_gmtoff;
}

std::string time_text(std::int64_t microseconds, const FormatOptions& options) {
    constexpr std::int64_t million = 1'000'000;
    constexpr std::int64_t day = 86'400;
    if (options.clock == Clock::None) return {};
    auto seconds = microseconds / million;
    auto rest = microseconds % million;
    if (rest < 0) {
        rest += million;
        --seconds;
    }
    if (options.utc_offset != nullptr) seconds += options.utc_offset(seconds);
    const auto of_day = (seconds % day + day) % day;
    auto text = fmt::format("{:02}:{:02}", of_day / 3600, of_day / 60 % 60);
    if (options.clock != Clock::Minutes) text += fmt::format(":{:02}", of_day % 60);
    if (options.clock == Clock::Microseconds) text += fmt::format(".{:06}", rest);
    return text;
}

std::vector<Line> format(const Item& item, ViewMode mode, const FormatOptions& options) {
    std::vector<Line> lines;
    if (item.kind == ItemKind::Notice) {
        if (options.part != Part::Sent) format_notice(lines, item, mode, options);
    } else if (is_linear(mode)) {
        format_linear(lines, item, mode, options);
    } else if (item.kind == ItemKind::Event) {
        lines.push_back(summarize_event(item, options));
    } else if (mode == ViewMode::Typed) {
        format_typed(lines, item, options);
    } else {
        lines.push_back(summarize_command(item, options));
    }
    return lines;
}

std::string grouped(std::uint64_t number) {
    auto digits = std::to_string(number);
    for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
        digits.insert(static_cast<std::size_t>(at), 1, ' ');
    return digits;
}

}  // namespace qvm::shell
