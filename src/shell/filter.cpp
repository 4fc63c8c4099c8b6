// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/filter.hpp"

#include <charconv>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/json_path.hpp"
#include "shell/json_text.hpp"
#include "shell/search.hpp"

namespace qvm::shell {

struct Filter::Node {
    /// Null for a node of conditions joined.
    std::function<bool(const Item&)> test;
    enum class Join { All, Any, Not } join = Join::All;
    std::vector<std::shared_ptr<const Node>> parts;

    bool matches(const Item& item) const {
        if (test) return test(item);
        for (const auto& part : parts) {
            const bool matched = part->matches(item);
            if (join == Join::Not) return !matched;
            if (matched == (join == Join::Any)) return matched;
        }
        return join == Join::All;
    }
};

namespace {

using NodePointer = std::shared_ptr<const Filter::Node>;
using Test = std::function<bool(const Item&)>;

/// A mistake, on its way to parse().
class Mistake : public std::exception {
  public:
    Mistake(std::size_t at, std::string message) : error{at + 1, std::move(message)} {}
    FilterError error;
};

bool matches_word(std::string_view text, std::string_view word) {
    return is_glob(word) ? matches_glob(text, word) : find_text(text, word) != std::string_view::npos;
}

NodePointer leaf(Test test) {
    auto node = std::make_shared<Filter::Node>();
    node->test = std::move(test);
    return node;
}

NodePointer joined(Filter::Node::Join join, std::vector<NodePointer> parts) {
    if (parts.size() == 1 && join != Filter::Node::Join::Not) return parts.front();
    auto node = std::make_shared<Filter::Node>();
    node->join = join;
    node->parts = std::move(parts);
    return node;
}

NodePointer of_kind(ItemKind kind, std::optional<std::string> word) {
    return leaf([kind, word = std::move(word)](const Item& item) {
        return item.kind == kind && (!word || matches_word(item.name, *word));
    });
}

NodePointer of_state(ItemState state) {
    return leaf([state](const Item& item) { return item.state == state; });
}

/// The values that have it: where PATH of ~d begins.
std::vector<std::string_view> roots_of(const Item& item) {
    std::vector<std::string_view> roots;
    const auto add = [&roots](std::string_view json, std::string_view member) {
        if (const auto value = json_member(json, member)) roots.push_back(*value);
    };
    if (item.kind == ItemKind::Event) {
        add(item.received, "data");
    } else if (item.kind == ItemKind::Command) {
        add(item.sent(), "arguments");
        add(item.received, "return");
        add(item.received, "error");
        // "return.x" and "error.class" may be written out as well.
        roots.push_back(item.sent());
        roots.push_back(item.received);
    }
    return roots;
}

NodePointer with_member(JsonPath path, std::optional<std::string> value) {
    return leaf([path = std::move(path), value = std::move(value)](const Item& item) {
        for (const auto root : roots_of(item))
            for (const auto found : json_values_at(root, path)) {
                const bool string = found.starts_with('"') || found.starts_with('\'');
                if (!value) return true;
                if (matches_glob(string ? json_string_value(found) : std::string(found), *value)) return true;
            }
        return false;
    });
}

enum class Than { Longer, Shorter };

NodePointer of_duration(Than than, std::int64_t microseconds) {
    return leaf([than, microseconds](const Item& item) {
        if (item.kind != ItemKind::Command || item.ended() == 0) return false;
        const auto took = item.ended() - item.began;
        return than == Than::Longer ? took > microseconds : took < microseconds;
    });
}

/// Reads the text by recursive descent. How deep parentheses may be is bounded, as the stack is.
class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    NodePointer parse() {
        auto node = any_of();
        if (at_ < text_.size()) throw Mistake(at_, "')' closes nothing: remove it, or put '(' before it");
        return node;
    }

  private:
    NodePointer any_of() {
        std::vector<NodePointer> parts{all_of()};
        while (take('|')) parts.push_back(all_of());
        return joined(Filter::Node::Join::Any, std::move(parts));
    }

    NodePointer all_of() {
        std::vector<NodePointer> parts{negated()};
        for (;;) {
            const bool joined_by_sign = take('&');
            skip_blanks();
            const bool ends = at_ >= text_.size() || text_[at_] == '|' || text_[at_] == ')';
            if (ends && !joined_by_sign) break;
            parts.push_back(negated());
        }
        return joined(Filter::Node::Join::All, std::move(parts));
    }

    NodePointer negated() {
        bool is_negated = false;
        while (take('!')) is_negated = !is_negated;
        auto node = primary();
        return is_negated ? joined(Filter::Node::Join::Not, {std::move(node)}) : node;
    }

    NodePointer primary() {
        skip_blanks();
        const auto begin = at_;
        if (take('(')) {
            constexpr std::size_t deepest = 200;
            if (++depth_ > deepest) throw Mistake(begin, "parentheses are nested too deeply");
            auto node = any_of();
            if (!take(')')) throw Mistake(begin, "'(' is not closed: a ')' is expected at the end");
            --depth_;
            return node;
        }
        if (at_ < text_.size() && text_[at_] == '~') return operation();
        auto name = word("a name, '~' and an operator, '!' or '('");
        return leaf([name = std::move(name)](const Item& item) { return matches_word(item.name, name); });
    }

    NodePointer operation() {
        static const std::vector<std::string> operators{"~e", "~c", "~n",       "~err", "~lost",
                                                        "~d", "~b", "~pending", "~t",   "~client"};
        const auto begin = at_++;
        while (at_ < text_.size() && ((text_[at_] >= 'a' && text_[at_] <= 'z') || text_[at_] == '-')) ++at_;
        const auto name = text_.substr(begin, at_ - begin);
        if (name == "~e") return of_kind(ItemKind::Event, optional_word());
        if (name == "~c") return of_kind(ItemKind::Command, optional_word());
        if (name == "~n") return of_kind(ItemKind::Notice, optional_word());
        if (name == "~err") return of_state(ItemState::Error);
        if (name == "~lost") return of_state(ItemState::Lost);
        if (name == "~pending") return of_state(ItemState::Pending);
        if (name == "~b") {
            auto needle = word("the text to look for after ~b");
            return leaf([needle = std::move(needle)](const Item& item) {
                return find_text(item.sent(), needle) != std::string::npos ||
                       find_text(item.received, needle) != std::string::npos;
            });
        }
        if (name == "~client") {
            auto client = word("a client's name after ~client");
            return leaf([client = std::move(client)](const Item& item) {
                return !item.client().empty() && matches_word(item.client(), client);
            });
        }
        if (name == "~d") return member();
        if (name == "~t") return duration();
        const auto hint = did_you_mean(name, operators);
        throw Mistake(begin, fmt::format("there is no operator '{}': {}", escape_controls(name),
                                         hint.empty() ? join_or(operators) + " is expected" : hint));
    }

    NodePointer member() {
        skip_blanks();
        const auto begin = at_;
        const auto both = word("PATH=VALUE after ~d");
        const auto equals = both.find('=');
        auto path = JsonPath::parse(both.substr(0, equals));
        if (!path)
            throw Mistake(begin,
                          fmt::format("'{}' is no path: names and [INDEX] with dots between are expected, "
                                      "as in return[0].node-name",
                                      escape_controls(both.substr(0, equals))));
        if (equals == std::string::npos) return with_member(std::move(*path), std::nullopt);
        return with_member(std::move(*path), both.substr(equals + 1));
    }

    NodePointer duration() {
        skip_blanks();
        const auto begin = at_;
        const auto text = word("> or < and a duration after ~t, as in >100ms");
        if (text[0] != '>' && text[0] != '<')
            throw Mistake(begin, "> or < is expected before the duration, as in >100ms");
        // Written with a blank: "> 100ms".
        const auto length = text.size() > 1 ? text.substr(1) : word("a duration, as in 100ms");
        const auto than = text[0] == '>' ? Than::Longer : Than::Shorter;
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), number);
        if (error == std::errc() && number >= 0 && std::string_view(end) == "us")
            return of_duration(than, number);
        const auto parsed = parse_duration(length);
        if (const auto* wrong = std::get_if<std::string>(&parsed))
            throw Mistake(begin, escape_controls(*wrong));
        return of_duration(than, std::get<std::chrono::milliseconds>(parsed).count() * 1000);
    }

    std::optional<std::string> optional_word() {
        skip_blanks();
        if (at_ >= text_.size() || is_sign(text_[at_]) || text_[at_] == '!' || text_[at_] == '~')
            return std::nullopt;
        return word("a name");
    }

    std::string word(std::string_view expected) {
        skip_blanks();
        if (at_ >= text_.size() || is_sign(text_[at_]))
            throw Mistake(
                at_, fmt::format("{} is expected{}", expected,
                                 at_ < text_.size() ? fmt::format(" before '{}'", text_[at_]) : " here"));
        std::string result;
        const auto begin = at_;
        while (at_ < text_.size() && !is_blank(text_[at_]) && !is_sign(text_[at_])) {
            if (text_[at_] == '"' || text_[at_] == '\'')
                quoted(result);
            else
                result += text_[at_++];
        }
        if (result.empty()) throw Mistake(begin, fmt::format("{} is expected, not an empty one", expected));
        return result;
    }

    void quoted(std::string& result) {
        const auto begin = at_;
        const char quote = text_[at_++];
        while (at_ < text_.size() && text_[at_] != quote) {
            if (quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
            result += text_[at_++];
        }
        if (at_ >= text_.size())
            throw Mistake(begin, fmt::format("the quote is not closed: a {} is expected at the end", quote));
        ++at_;
    }

    static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }
    static bool is_sign(char c) { return c == '(' || c == ')' || c == '|' || c == '&'; }
    void skip_blanks() {
        while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    }
    bool take(char c) {
        skip_blanks();
        if (at_ >= text_.size() || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t depth_ = 0;
};

}  // namespace

std::variant<Filter, FilterError> Filter::parse(std::string_view text) {
    Filter filter;
    if (text.find_first_not_of(" \t\n") == std::string_view::npos) return filter;
    try {
        filter.root_ = Parser(text).parse();
    } catch (const Mistake& mistake) {
        return mistake.error;
    }
    filter.text_ = text;
    return filter;
}

bool Filter::matches(const Item& item) const {
    return root_ == nullptr || root_->matches(item);
}

}  // namespace qvm::shell
