// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/json_tree.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "shell/formatter.hpp"
#include "shell/json_lines.hpp"
#include "shell/search.hpp"

namespace qvm::shell {
namespace {

using Kind = JsonToken::Kind;

/// What is nested deeper is one value to the tree. QEMU's own parser takes 1024 levels.
constexpr std::size_t deepest = 1024;
constexpr std::size_t most_nodes = 1'000'000;

std::uint32_t narrow(std::size_t offset) {
    return static_cast<std::uint32_t>(offset);
}

/// Tells a bracket's children apart. Whatever is in there belongs to one: of a key without a value, the value
/// is empty.
class Children {
  public:
    /// What a token does: nothing, or it completes a child. A key that waited in vain comes first.
    struct Found {
        bool key_alone = false;
        bool value = false;
    };

    /// Takes the colon with the key.
    Found take(const JsonToken& token, JsonScanner& scanner) {
        Found found;
        switch (token.kind) {
            case Kind::Colon:
                break;
            case Kind::Comma:
            case Kind::End:
                found.key_alone = std::exchange(waits_, false);
                break;
            case Kind::String:
                if (scanner.before_colon()) {
                    found.key_alone = std::exchange(waits_, true);
                    scanner.next();
                    break;
                }
                [[fallthrough]];
            case Kind::Begin:
            case Kind::Number:
            case Kind::Literal:
            case Kind::Broken:
                found.value = true;
                waits_ = false;
                break;
        }
        return found;
    }
    bool waits() const { return waits_; }

  private:
    bool waits_ = false;
};

bool is_simple_key(std::string_view key) {
    return !key.empty() &&
           key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
               std::string_view::npos;
}

/// A piece of a string as a line of text.
std::string piece_text(std::string_view piece) {
    auto text = decode_json(piece);
    if (text.ends_with('\n')) text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
    return text;
}

/// Where the piece of a string that begins here ends: behind a line's end, or where so many columns are full.
std::size_t piece_end(std::string_view text, std::size_t at, std::size_t columns) {
    for (std::size_t used = 0; at < text.size();) {
        std::size_t bytes = 1;
        std::size_t width = 1;
        if (text[at] == '\\') {
            const auto escape = read_json_escape(text.substr(at, 12));
            bytes = std::max<std::size_t>(1, escape.bytes);
            if (escape.code == '\n' && escape.bytes > 0) return at + bytes;
            width = escape.code == '\t' ? 4 : columns_of(printable(decode_json(text.substr(at, bytes))));
        } else if (text[at] == '\n') {
            return at + 1;
        } else if (static_cast<unsigned char>(text[at]) >= 0x80 ||
                   static_cast<unsigned char>(text[at]) < 0x20) {
            bytes = character_bytes(text.substr(at, 4));
            width = columns_of(printable(text.substr(at, bytes)));
        }
        if (used > 0 && used + width > columns) return at;
        used += width;
        at += bytes;
    }
    return at;
}

}  // namespace

JsonTree::JsonTree(std::string text, std::size_t columns) : text_(std::move(text)), columns_(columns) {
    if (text_.size() >= none) text_.resize(none - 1);
    find_brackets();
    Node all;
    all.end = narrow(text_.size());
    all.bracket = 0;
    all.unfolded = true;
    nodes_.push_back(all);
    make_children(0);
    unfold_to(2);
}

void JsonTree::find_brackets() {
    struct Open {
        std::uint32_t bracket = 0;
        Children children;
    };
    std::vector<Open> open(1);
    brackets_.push_back({0, narrow(text_.size()), 0, 0});
    JsonScanner scanner(text_);
    while (const auto token = scanner.next()) {
        auto& inner = open.back();
        const auto found = inner.children.take(*token, scanner);
        auto& bracket = brackets_[inner.bracket];
        bracket.children += (found.key_alone ? 1U : 0U) + (found.value ? 1U : 0U);
        if (token->kind == Kind::Begin) {
            if (open.size() > deepest) {
                scanner.move_to(token->begin);
                scanner.skip_value();
                continue;
            }
            open.push_back({narrow(brackets_.size()), {}});
            brackets_.push_back({narrow(token->begin), narrow(text_.size()), 0, 0});
        } else if (token->kind == Kind::End) {
            if (open.size() == 1) {
                ++bracket.children;  // closes nothing
                continue;
            }
            bracket.end = narrow(token->end);
            bracket.next = narrow(brackets_.size());
            open.pop_back();
        }
    }
    for (const auto& one : open) {
        brackets_[one.bracket].next = narrow(brackets_.size());
        if (one.children.waits()) ++brackets_[one.bracket].children;
    }
}

void JsonTree::add_child(std::uint32_t parent, const JsonToken& key, const JsonToken& value,
                         std::uint32_t bracket) {
    Node node;
    node.key_begin = narrow(key.begin);
    node.key_end = narrow(key.end);
    node.begin = narrow(value.begin);
    node.end = narrow(value.end);
    node.parent = parent;
    node.bracket = bracket;
    node.place = narrow(nodes_.size()) - nodes_[parent].first_child;
    node.depth = parent == 0 ? std::uint16_t{0} : static_cast<std::uint16_t>(nodes_[parent].depth + 1);
    nodes_.push_back(node);
}

void JsonTree::make_children(std::uint32_t node) {
    if (nodes_[node].first_child != none) return;
    nodes_[node].first_child = narrow(nodes_.size());
    const auto own = nodes_[node].bracket;
    auto inner = own + 1;  // the next bracket to be met
    Children children;
    JsonToken key;
    JsonScanner scanner(text_, brackets_[own].begin + (own == 0 ? 0U : 1U));
    const auto value_missing = [&] { return JsonToken{Kind::Broken, key.end, key.end}; };
    while (auto token = scanner.next()) {
        const auto found = children.take(*token, scanner);
        if (found.key_alone) add_child(node, std::exchange(key, {}), value_missing(), none);
        if (token->kind == Kind::String && !found.value) key = *token;
        if (token->kind == Kind::End) {
            if (own != 0) return;
            add_child(node, {}, *token, none);
        }
        if (!found.value) continue;
        auto bracket = none;
        if (token->kind == Kind::Begin) {
            if (inner < brackets_[own].next && brackets_[inner].begin == token->begin) {
                bracket = inner;
                token->end = brackets_[bracket].end;
                inner = brackets_[bracket].next;
            } else {
                scanner.move_to(token->begin);
                token->end = scanner.skip_value();
            }
            scanner.move_to(token->end);
        }
        add_child(node, std::exchange(key, {}), *token, bracket);
    }
    if (children.waits()) add_child(node, key, value_missing(), none);
}

std::uint32_t JsonTree::children_of(std::uint32_t node) const {
    return brackets_[nodes_[node].bracket].children;
}

bool JsonTree::is_string(const Node& node) const {
    return node.begin < node.end && (text_[node.begin] == '"' || text_[node.begin] == '\'');
}

bool JsonTree::can_unfold(const Node& node) const {
    if (node.bracket != none) return brackets_[node.bracket].children > 0;
    if (!is_string(node)) return false;
    const auto string = text().substr(node.begin, node.end - node.begin);
    const auto inside = inside_quotes(string.substr(0, columns_ + 2));
    return string.size() > columns_ || inside.find("\\n") != std::string_view::npos;
}

void JsonTree::append_rows(std::vector<Row>& rows, std::uint32_t node) const {
    const auto& one = nodes_[node];
    if (!one.unfolded) return;
    if (one.bracket == none) return append_pieces(rows, node);
    const auto count = children_of(node);
    for (std::uint32_t child = one.first_child; child < one.first_child + count; ++child) {
        rows.push_back({child, none});
        append_rows(rows, child);
    }
}

void JsonTree::append_pieces(std::vector<Row>& rows, std::uint32_t node) const {
    constexpr std::size_t narrowest = 8;
    const auto& one = nodes_[node];
    const auto indent = 2 * (std::size_t{one.depth} + 2);
    const auto columns = std::max(narrowest, columns_ - std::min(columns_, indent));
    const auto string = text().substr(one.begin, one.end - one.begin);
    const auto last = 1 + inside_quotes(string).size();
    for (std::size_t at = 1; at < last;) {
        rows.push_back({node, narrow(one.begin + at)});
        at = piece_end(string.substr(0, last), at, columns);
    }
}

void JsonTree::rebuild() {
    rows_.clear();
    append_rows(rows_, 0);
}

std::size_t JsonTree::rows_below(std::size_t row) const {
    const auto& own = rows_[row];
    if (own.piece != none) return 0;
    auto end = row + 1;
    while (end < rows_.size() &&
           (rows_[end].node == own.node || nodes_[rows_[end].node].depth > nodes_[own.node].depth))
        ++end;
    return end - row - 1;
}

bool JsonTree::can_unfold(std::size_t row) const {
    return row < rows_.size() && rows_[row].piece == none && can_unfold(nodes_[rows_[row].node]);
}

bool JsonTree::is_folded(std::size_t row) const {
    return can_unfold(row) && !nodes_[rows_[row].node].unfolded;
}

void JsonTree::fold(std::size_t row) {
    if (!can_unfold(row) || is_folded(row)) return;
    const auto begin = rows_.begin() + static_cast<std::ptrdiff_t>(row) + 1;
    rows_.erase(begin, begin + static_cast<std::ptrdiff_t>(rows_below(row)));
    nodes_[rows_[row].node].unfolded = false;
}

void JsonTree::unfold(std::size_t row) {
    if (!is_folded(row)) return;
    const auto node = rows_[row].node;
    if (nodes_[node].bracket != none) make_children(node);
    nodes_[node].unfolded = true;
    std::vector<Row> inside;
    append_rows(inside, node);
    rows_.insert(rows_.begin() + static_cast<std::ptrdiff_t>(row) + 1, inside.begin(), inside.end());
}

void JsonTree::toggle(std::size_t row) {
    if (is_folded(row))
        unfold(row);
    else
        fold(row);
}

void JsonTree::fold_all() {
    unfold_to(0);
}

void JsonTree::unfold_to(std::size_t depth) {
    // Children are made behind all nodes there are, so this comes to them as well.
    for (std::uint32_t i = 1; i < nodes_.size(); ++i) {
        const bool made = nodes_[i].first_child != none || nodes_.size() < most_nodes;
        const bool unfolds =
            nodes_[i].bracket != none && nodes_[i].depth < depth && children_of(i) > 0 && made;
        nodes_[i].unfolded = unfolds;
        if (unfolds) make_children(i);
    }
    rebuild();
}

std::size_t JsonTree::parent_of(std::size_t row) const {
    if (row >= rows_.size()) return row;
    const auto& own = rows_[row];
    const auto wanted = own.piece != none ? own.node : nodes_[own.node].parent;
    for (auto above = row; above > 0; --above)
        if (rows_[above - 1].node == wanted && rows_[above - 1].piece == none) return above - 1;
    return row;
}

void JsonTree::append_key(Line& line, const Node& node) const {
    if (node.key_end > 0) {
        const auto key = text().substr(node.key_begin, node.key_end - node.key_begin);
        line.push_back({show_json_string(key, 4 * columns_).text, Role::Key});
        line.push_back({": "});
    } else if (node.parent != 0 && text_[nodes_[node.parent].begin] == '[') {
        line.push_back({fmt::format("[{}] ", node.place), Role::Dim});
    }
}

void JsonTree::append_value(Line& line, const Node& node, std::size_t columns) const {
    const auto value = text().substr(node.begin, node.end - node.begin);
    if (node.bracket != none) {
        const auto count = brackets_[node.bracket].children;
        const bool object = value.front() == '{';
        const auto word = object ? "member" : "element";
        line.push_back(
            {fmt::format("{}{}{}", object ? '{' : '[',
                         count == 0 ? "" : fmt::format("{} {}{}", count, word, count == 1 ? "" : "s"),
                         object ? '}' : ']'),
             Role::Dim});
        if (count == 0 || node.unfolded) return;
        line.push_back({" "});
        for (auto& span : highlight_json(value, 4 * columns)) line.push_back(std::move(span));
        return;
    }
    if (!can_unfold(node)) {
        JsonScanner scanner(value);
        if (const auto token = scanner.next())
            line.push_back(json_span(value, {token->kind, 0, value.size()}, false, 4 * columns));
        return;
    }
    const auto size = fmt::format("({} bytes)", grouped(inside_quotes(value).size()));
    if (!node.unfolded) {
        const auto used = columns_of(line) + size.size() + 1;
        const auto room = columns - std::min(columns, used);
        const auto beginning = fit({{show_json_string(value, 4 * room).text, Role::String}}, room);
        for (const auto& span : beginning) line.push_back(span);
        line.push_back({" "});
    }
    line.push_back({size, Role::Dim});
}

Line JsonTree::row(std::size_t index, std::size_t columns) const {
    if (index >= rows_.size()) return {};
    const auto& own = rows_[index];
    const auto& node = nodes_[own.node];
    Line line;
    const auto indent = std::min(2 * std::size_t{node.depth}, columns / 2);
    if (own.piece == none) {
        line.push_back({std::string(indent, ' ')});
        line.push_back({can_unfold(node) ? node.unfolded ? "- " : "+ " : "  ", Role::Dim});
        append_key(line, node);
        append_value(line, node, columns);
    } else {
        line.push_back({std::string(indent + 4, ' ')});
        std::string shown;
        for (const char c : text_of(index)) {
            if (c == '\t')
                shown += "    ";
            else
                shown += c;
        }
        line.push_back({printable(shown), Role::String});
    }
    return fit(std::move(line), columns);
}

std::string JsonTree::text_of(std::size_t row) const {
    if (row >= rows_.size()) return {};
    const auto& own = rows_[row];
    const auto& node = nodes_[own.node];
    if (own.piece == none) {
        const auto value = text().substr(node.begin, node.end - node.begin);
        if (node.bracket == none) return std::string(value);
        auto laid_out = pretty_json(value);
        if (laid_out.ends_with('\n')) laid_out.pop_back();
        return laid_out;
    }
    const auto string = text().substr(node.begin, node.end - node.begin);
    std::size_t end = node.begin + 1 + inside_quotes(string).size();
    if (row + 1 < rows_.size() && rows_[row + 1].node == own.node) end = rows_[row + 1].piece;
    return piece_text(text().substr(own.piece, end - own.piece));
}

std::string JsonTree::path_of(std::size_t row) const {
    if (row >= rows_.size()) return ".";
    std::vector<std::string> steps;
    for (auto at = rows_[row].node; nodes_[at].parent != 0; at = nodes_[at].parent) {
        const auto& node = nodes_[at];
        if (node.key_end == 0) {
            steps.push_back(fmt::format("[{}]", node.place));
            continue;
        }
        const auto key = json_string_value(text().substr(node.key_begin, node.key_end - node.key_begin));
        steps.push_back("." + (is_simple_key(key) ? key : quote_json(key)));
    }
    std::string path;
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) path += *step;
    if (!path.starts_with('.')) path.insert(0, 1, '.');
    return path;
}

std::uint32_t JsonTree::node_at(std::uint32_t offset) {
    std::uint32_t node = 0;
    for (;;) {
        make_children(node);
        const auto first = nodes_.begin() + nodes_[node].first_child;
        const auto last = first + children_of(node);
        const auto begins = [](std::uint32_t at, const Node& child) {
            return at < (child.key_end > 0 ? child.key_begin : child.begin);
        };
        const auto after = std::upper_bound(first, last, offset, begins);
        if (after == first) return node;
        const auto child = after - 1;
        if (offset >= std::max(child->end, child->key_end)) return node;
        node = narrow(static_cast<std::size_t>(child - nodes_.begin()));
        if (child->bracket == none || offset <= child->begin) return node;
    }
}

/// Unfolds what the node is in; its row, or the row of the piece of it that has the offset.
std::size_t JsonTree::show(std::uint32_t node, std::uint32_t offset) {
    bool changed = false;
    for (auto at = nodes_[node].parent; at != 0; at = nodes_[at].parent)
        changed = !std::exchange(nodes_[at].unfolded, true) || changed;
    if (changed) rebuild();
    std::size_t found = 0;
    for (std::size_t row = 0; row < rows_.size(); ++row)
        if (rows_[row].node == node && (rows_[row].piece == none || rows_[row].piece <= offset)) found = row;
    return found;
}

std::optional<std::size_t> JsonTree::find_from(const std::vector<std::string>& needles, std::size_t offset,
                                               bool backwards) const {
    std::optional<std::size_t> best;
    for (const auto& needle : needles) {
        const auto at =
            backwards ? find_text_backwards(text_, needle, offset) : find_text(text_, needle, offset);
        if (at == std::string::npos) continue;
        if (!best || (backwards ? at > *best : at < *best)) best = at;
    }
    return best;
}

std::optional<std::size_t> JsonTree::find(std::string_view needle, std::size_t from, bool backwards) {
    if (needle.empty()) return std::nullopt;
    std::vector<std::string> needles;
    for (const auto& quoted : {quote_json(needle), quote_json_ascii(needle)})
        if (needles.empty() || "\"" + needles[0] + "\"" != quoted)
            needles.push_back(quoted.substr(1, quoted.size() - 2));
    std::size_t offset = backwards ? text_.size() : 0;
    if (from < rows_.size()) {
        const auto& row = rows_[from];
        const auto& node = nodes_[row.node];
        const bool has_rows = node.bracket != none || node.unfolded;
        if (backwards)
            offset = row.piece != none ? row.piece : node.key_end > 0 ? node.key_begin : node.begin;
        else if (row.piece == none)
            offset = has_rows ? node.begin + 1 : std::max(node.end, node.key_end);
        else
            offset = from + 1 < rows_.size() && rows_[from + 1].node == row.node ? rows_[from + 1].piece
                                                                                 : node.end;
    }
    // Text that only brackets and commas have leads to a row that was passed already: not for ever.
    for (int tries = 0; tries < 100; ++tries) {
        const auto at = find_from(needles, offset, backwards);
        if (!at) return std::nullopt;
        const auto row = show(node_at(narrow(*at)), narrow(*at));
        if (backwards || from >= rows_.size() || row > from) return row;
        offset = *at + 1;
    }
    return std::nullopt;
}

void JsonTree::set_columns(std::size_t columns) {
    if (std::exchange(columns_, columns) == columns) return;
    for (auto& node : nodes_)
        if (node.unfolded && node.bracket == none && !can_unfold(node)) node.unfolded = false;
    rebuild();
}

}  // namespace qvm::shell
