// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/pipe.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "shell/quoted.hpp"

namespace qvm::shell {
namespace {

/// Names listed in a message.
constexpr std::size_t listed = 12;

bool is_plain(char c) {
    return c != '.' && c != '[' && c != ']' && c != '"' && c != '\'' && c != ' ' && c != '\t' && c != '\n';
}

bool is_plain_name(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, is_plain);
}

class PathReader {
  public:
    explicit PathReader(std::string_view text) : text_(text) {}

    ReplyPath read() {
        if (text_.empty() || (text_[0] != '.' && text_[0] != '['))
            throw PipeError("a path into the reply begins with a dot, as in .status or .[0].name");
        if (text_ == ".") return {};
        while (at_ < text_.size()) read_step();
        return std::move(path_);
    }

  private:
    void read_step() {
        if (text_[at_] == '[') return read_bracket();
        if (text_[at_] != '.') throw PipeError("a dot or a '[' is missing in the path", at_);
        ++at_;
        if (at_ < text_.size() && text_[at_] == '[') return read_bracket();
        read_name();
    }

    void read_name() {
        if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
            path_.emplace_back(read_quoted());
            return;
        }
        const std::size_t begin = at_;
        while (at_ < text_.size() && is_plain(text_[at_])) ++at_;
        if (at_ == begin) throw PipeError("a name is missing in the path", begin);
        path_.emplace_back(std::string(text_.substr(begin, at_ - begin)));
    }

    std::string read_quoted() {
        const Quoted quoted = shell::read_quoted(text_, at_);
        if (!quoted.error.empty()) throw PipeError(quoted.error, quoted.error_at);
        at_ = quoted.end;
        return quoted.text;
    }

    void read_bracket() {
        const std::size_t begin = at_++;
        if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
            path_.emplace_back(read_quoted());
        } else if (at_ < text_.size() && text_[at_] == ']') {
            path_.emplace_back(EachElement{});
        } else {
            std::int64_t index = 0;
            const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), index);
            if (error != std::errc())
                throw PipeError("'[' wants a number or nothing, as in [0] or []", begin);
            path_.emplace_back(index);
            at_ = static_cast<std::size_t>(end - text_.data());
        }
        if (at_ >= text_.size() || text_[at_] != ']') throw PipeError("a ']' is missing in the path", begin);
        ++at_;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    ReplyPath path_;
};

std::string kind_of(const Json& value) {
    if (value.is_array())
        return value.empty()
                   ? "an empty array"
                   : fmt::format("an array of {} element{}", value.size(), value.size() == 1 ? "" : "s");
    if (value.is_object()) return value.empty() ? "an empty object" : "an object";
    if (value.is_string()) return "a string";
    if (value.is_number()) return "a number";
    if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
    return "null";
}

std::string members_of(const Json& object) {
    std::string text;
    std::size_t count = 0;
    for (const auto& [name, value] : object.items()) {
        if (count++ == listed) return text + ", ...";
        text += (text.empty() ? "" : ", ") + name;
    }
    return text;
}

std::string place(const ReplyPath& so_far) {
    return so_far.empty() ? "the reply" : to_text(so_far);
}

[[noreturn]] void no_member(const std::string& name, const Json& value, const ReplyPath& so_far) {
    if (!value.is_object())
        throw PipeError(fmt::format("{} is {}: it has no member '{}'", place(so_far), kind_of(value), name));
    if (value.empty())
        throw PipeError(fmt::format("{} has no member '{}': it is empty", place(so_far), name));
    std::vector<std::string> names;
    for (const auto& [known, ignored] : value.items()) names.push_back(known);
    const auto meant = nearest(name, names);
    throw PipeError(fmt::format("{} has no member '{}'{}; it has {}", place(so_far), name,
                                meant ? fmt::format(", did you mean '{}'?", *meant) : std::string(),
                                members_of(value)));
}

class Follower {
  public:
    Json follow(const ReplyPath& path, const Json& reply) {
        std::vector<const Json*> values{&reply};
        bool each = false;
        for (const PathStep& step : path) {
            if (const auto* name = std::get_if<std::string>(&step)) {
                take_member(values, *name, each);
            } else if (const auto* index = std::get_if<std::int64_t>(&step)) {
                take_index(values, *index, each);
            } else {
                take_each(values);
                each = true;
            }
            so_far_.push_back(step);
        }
        if (!each) return *values.front();
        Json all = Json::array();
        for (const Json* value : values) all.push_back(*value);
        return all;
    }

  private:
    void take_member(std::vector<const Json*>& values, const std::string& name, bool each) {
        const auto has = [&](const Json* value) { return value->is_object() && value->contains(name); };
        if (std::ranges::none_of(values, has)) {
            if (each && values.empty()) return;
            no_member(name, *values.front(), so_far_);
        }
        for (const Json*& value : values) value = has(value) ? &value->at(name) : &nothing_;
    }

    void take_index(std::vector<const Json*>& values, std::int64_t index, bool each) {
        const auto element = [&](const Json& value) -> const Json* {
            if (!value.is_array()) return nullptr;
            const auto size = static_cast<std::int64_t>(value.size());
            const std::int64_t at = index < 0 ? index + size : index;
            return at >= 0 && at < size ? &value[static_cast<std::size_t>(at)] : nullptr;
        };
        bool found = each && values.empty();
        for (const Json* value : values) found = found || element(*value) != nullptr;
        if (!found)
            throw PipeError(
                fmt::format("{} is {}: it has no [{}]", place(so_far_), kind_of(*values.front()), index));
        for (const Json*& value : values) {
            const Json* taken = element(*value);
            value = taken == nullptr ? &nothing_ : taken;
        }
    }

    void take_each(std::vector<const Json*>& values) {
        std::vector<const Json*> all;
        for (const Json* value : values) {
            if (value->is_null() && values.size() > 1) continue;
            if (!value->is_structured())
                throw PipeError(fmt::format("{} is {}: it has no elements", place(so_far_), kind_of(*value)));
            for (const Json& element : *value) all.push_back(&element);
        }
        values = std::move(all);
    }

    ReplyPath so_far_;
    const Json nothing_ = nullptr;
};

std::string lower(std::string_view text) {
    std::string result(text);
    for (char& c : result)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
}

bool matches(const PipeStage& stage, std::string_view text) {
    const bool found = stage.ignore_case ? lower(text).find(lower(stage.pattern)) != std::string::npos
                                         : text.find(stage.pattern) != std::string_view::npos;
    return found != stage.invert;
}

/// A string is searched as it reads, without quotes and escapes.
std::string searched(const Json& value) {
    return value.is_string() ? value.get<std::string>()
                             : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string grep_lines(const PipeStage& stage, std::string_view text) {
    std::string result;
    while (!text.empty()) {
        const auto end = text.find('\n');
        const auto line = text.substr(0, end == std::string_view::npos ? end : end + 1);
        if (matches(stage, line.ends_with('\n') ? line.substr(0, line.size() - 1) : line)) result += line;
        text.remove_prefix(line.size());
    }
    return result;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

/// Takes "-i", "-v", "-iv" off the front; false when there is none.
bool take_option(std::string_view& text, PipeStage& stage) {
    if (text.size() < 2 || text[0] != '-') return false;
    const auto end = std::min(text.find_first_of(" \t\n"), text.size());
    const auto letters = text.substr(1, end - 1);
    if (letters.find_first_not_of("iv") != std::string_view::npos) return false;
    stage.ignore_case = stage.ignore_case || letters.find('i') != std::string_view::npos;
    stage.invert = stage.invert || letters.find('v') != std::string_view::npos;
    text = trimmed(text.substr(end));
    return true;
}

}  // namespace

ReplyPath parse_reply_path(std::string_view text) {
    return PathReader(text).read();
}

std::string to_text(const ReplyPath& path) {
    std::string text;
    for (const PathStep& step : path) {
        if (const auto* name = std::get_if<std::string>(&step))
            text += '.' + (is_plain_name(*name) ? *name : quote(*name));
        else if (const auto* index = std::get_if<std::int64_t>(&step))
            text += fmt::format("{}[{}]", text.empty() ? "." : "", *index);
        else
            text += text.empty() ? ".[]" : "[]";
    }
    return text.empty() ? "." : text;
}

PipeStage parse_pipe_stage(std::string_view whole) {
    std::string_view text = trimmed(whole);
    const auto offset = [&](std::string_view part) {
        return static_cast<std::size_t>(part.data() - whole.data());
    };
    PipeStage stage;
    if (text.empty()) throw PipeError("nothing follows the bar: a path (.name) or 'grep TEXT' does");
    if (text[0] == '.' || text[0] == '[') {
        try {
            stage.path = parse_reply_path(text);
        } catch (const PipeError& error) {
            throw PipeError(error.what(), offset(text) + error.at());
        }
        return stage;
    }
    if (text != "grep" && !(text.starts_with("grep") && is_space(text[4])))
        throw PipeError("a bar is followed by a path (.name) or by 'grep TEXT'", offset(text));
    stage.kind = PipeStage::Kind::Grep;
    text = trimmed(text.substr(4));
    while (take_option(text, stage)) continue;
    if (!text.empty() && (text[0] == '"' || text[0] == '\'')) {
        const Quoted quoted = read_quoted(text, 0);
        if (!quoted.error.empty()) throw PipeError(quoted.error, offset(text) + quoted.error_at);
        if (quoted.end != text.size())
            throw PipeError("something follows the quoted text of grep", offset(text) + quoted.end);
        stage.pattern = quoted.text;
    } else {
        stage.pattern = text;
    }
    if (stage.pattern.empty()) throw PipeError("grep has no text to look for");
    return stage;
}

std::string to_text(const PipeStage& stage) {
    if (stage.kind == PipeStage::Kind::Path) return to_text(stage.path);
    std::string text = "grep ";
    if (stage.ignore_case) text += "-i ";
    if (stage.invert) text += "-v ";
    const auto& pattern = stage.pattern;
    const bool plain = pattern == trimmed(pattern) &&
                       pattern.find_first_of("|\n#;()\"'") == std::string::npos && !pattern.starts_with('-');
    return text + (plain ? pattern : quote(pattern));
}

Json follow(const ReplyPath& path, const Json& reply) {
    return Follower().follow(path, reply);
}

Json grep(const PipeStage& stage, const Json& reply) {
    if (reply.is_string()) return grep_lines(stage, reply.get_ref<const std::string&>());
    if (reply.is_array()) {
        Json kept = Json::array();
        for (const Json& element : reply)
            if (matches(stage, searched(element))) kept.push_back(element);
        return kept;
    }
    if (reply.is_object()) {
        Json kept = Json::object();
        for (const auto& [name, value] : reply.items())
            if (matches(stage, name + ": " + searched(value))) kept[name] = value;
        return kept;
    }
    return matches(stage, searched(reply)) ? reply : Json(nullptr);
}

Json apply(const std::vector<PipeStage>& stages, Json reply) {
    for (const PipeStage& stage : stages)
        reply = stage.kind == PipeStage::Kind::Path ? follow(stage.path, reply) : grep(stage, reply);
    return reply;
}

}  // namespace qvm::shell
