// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/manual.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <utility>
#include <zlib.h>

#include <fmt/format.h>

#include "base/text.hpp"
#include "shell/layout.hpp"
#include "shell/troff.hpp"

namespace qvm::shell {
namespace {

constexpr std::size_t largest_page = std::size_t{32} << 20U;

/// The file's bytes, unpacked if it is compressed; empty when it cannot be read.
std::string read_page(const std::filesystem::path& path) {
    const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rbe"), &gzclose);
    std::string text;
    if (!file) return text;
    gzbuffer(file.get(), 1U << 17U);
    std::size_t used = 0;
    while (used < largest_page) {
        if (text.size() - used < 1U << 16U) text.resize(std::max<std::size_t>(1U << 20U, text.size() * 2));
        const int got = gzread(file.get(), text.data() + used, static_cast<unsigned>(text.size() - used));
        if (got < 0) return {};
        if (got == 0) break;
        used += static_cast<std::size_t>(got);
    }
    text.resize(used);
    return text;
}

std::string plain(const Line& line) {
    std::string text;
    for (const auto& piece : line) text += piece.text;
    return text;
}

/// The names of the parts of an entry. Pages since 10.0 write them as terms, or as a bold "Note:".
bool is_part(std::string_view text) {
    static constexpr std::array<std::string_view, 13> parts{
        "Arguments", "Members", "Values", "Alternatives", "Return",  "Returns", "Errors",
        "Features",  "Example", "Notes",  "Note",         "Caution", "Since"};
    if (text == "NOTE:" || text == "CAUTION:") return true;
    if (text.starts_with("Example: ")) return true;
    if (text.ends_with(':')) text.remove_suffix(1);
    return std::ranges::find(parts, text) != parts.end();
}

bool is_heading(const TroffBlock& block) {
    using Kind = TroffBlock::Kind;
    if (block.kind == Kind::Heading) return true;
    if (block.kind == Kind::Code || block.indent > 6 || block.text.size() != 1 || !block.mark.empty())
        return false;
    return (block.kind == Kind::Term || block.text[0].role == Role::Key) && is_part(block.text[0].text);
}

std::string heading_of(const TroffBlock& block) {
    auto text = plain(block.text);
    if (text.ends_with(':')) text.pop_back();
    if (text == "NOTE") return "Note";
    if (text == "CAUTION") return "Caution";
    return text;
}

/// "The members of \fBX\fP" without conditions: X.
std::string_view members_of(const TroffBlock& block) {
    const auto& text = block.text;
    const bool alone = text.size() == 2 || (text.size() == 3 && text[2].text == ".");
    return alone && text[0].text == "The members of " ? std::string_view(text[1].text) : std::string_view();
}

/// What is said of one member: its term, and what stands below it. A part of `blocks`.
std::span<const TroffBlock> member_in(std::span<const TroffBlock> blocks, std::string_view name) {
    const auto begins = [](const TroffBlock& block) {
        const bool entry = block.kind == TroffBlock::Kind::Term || !block.mark.empty();
        return entry && !block.text.empty() && block.text[0].role == Role::Key;
    };
    const auto first = std::ranges::find_if(
        blocks, [&](const TroffBlock& block) { return begins(block) && block.text[0].text == name; });
    if (first == blocks.end()) return {};
    const auto last = std::find_if(std::next(first), blocks.end(), [&](const TroffBlock& block) {
        return is_heading(block) || block.indent < first->indent ||
               (block.indent == first->indent && (begins(block) || !block.mark.empty()));
    });
    return {first, last};
}

/// What pages since 10.0 say before the description: under which conditions the command is there at all.
bool is_condition(std::string_view text) {
    for (const std::string_view kind : {"command", "event"})
        if (text == fmt::format("This {} is deprecated.", kind) ||
            text.starts_with(fmt::format("This {} is unstable/experimental.", kind)))
            return true;
    return text.starts_with("Availability: ");
}

/// Where a sentence ends: behind a full stop that a blank and no small letter follows ("e.g. this").
std::string first_sentence(std::string_view text) {
    for (auto dot = text.find(". "); dot != std::string_view::npos; dot = text.find(". ", dot + 1)) {
        const auto next = text.find_first_not_of(' ', dot + 1);
        const bool abbreviated = dot >= 3 && text[dot - 2] == '.';
        if (next == std::string_view::npos || abbreviated || (text[next] >= 'a' && text[next] <= 'z'))
            continue;
        return std::string(text.substr(0, dot + 1));
    }
    return std::string(text);
}

}  // namespace

/// Finds where the entries begin and end. Older pages have a section for each, ".SS \fBstop\fP (Command)";
/// since 10.0 there is a term, ".B Command stop (Since: 0.14)".
class Manual::Index {
  public:
    explicit Index(Manual& manual) : manual_(manual), text_(manual.text_) {}

    void build() {
        std::size_t begin = 0;
        while (begin < text_.size()) {
            const auto end = std::min(text_.find('\n', begin), text_.size());
            line(text_.substr(begin, end - begin), begin, end + 1);
            begin = end + 1;
        }
        close(text_.size());
    }

  private:
    void line(std::string_view text, std::size_t begin, std::size_t next) {
        if (text.starts_with(".TH")) title(text);
        if (text.starts_with(".SH")) close(begin);
        if (text.starts_with(".SS") && text.ends_with(')')) section(text.substr(3), begin, next);
        if (in_term_ && text == ".UNINDENT" && --depth_ == 0) close(begin);
        if (in_term_ && text.starts_with(".INDENT")) ++depth_;
        if (after_tp_) term(text, begin, next);
        after_tp_ = text == ".TP";
    }

    /// .TH "QEMU-QMP-REF" "7" "May 25, 2026" "7.2.22" "QEMU"
    void title(std::string_view text) {
        for (int quotes = 0; quotes < 7; ++quotes) {
            const auto at = text.find('"');
            if (at == std::string_view::npos) return;
            text.remove_prefix(at + 1);
        }
        manual_.version_ = escape_controls(text.substr(0, text.find('"')));
    }

    void section(std::string_view text, std::size_t begin, std::size_t next) {
        const auto open = text.rfind('(');
        if (open == std::string_view::npos) return;
        const auto kind = kind_named(text.substr(open + 1, text.size() - open - 2));
        if (!kind) return;
        close(begin);
        this->open(plain(troff_text(text.substr(0, open))), {*kind, "", next, 0});
        in_term_ = false;
    }

    void term(std::string_view text, std::size_t begin, std::size_t next) {
        if (text.starts_with(".B ")) text.remove_prefix(3);
        if (!text.starts_with("Command ") && !text.starts_with("Event ") && !text.starts_with("Object ") &&
            !text.starts_with("Enum ") && !text.starts_with("Alternate "))
            return;
        const auto words = plain(troff_text(text));
        const auto blank = words.find(' ');
        const auto kind = kind_named(words.substr(0, blank));
        if (!kind || blank == std::string::npos) return;
        auto name = words.substr(blank + 1);
        std::string since;
        if (const auto at = name.find(" (Since: "); at != std::string::npos) {
            since = name.substr(at + 9, name.find(')', at) - at - 9);
            name.resize(at);
        }
        if (name.find(' ') != std::string::npos) return;
        close(begin);
        open(name, {*kind, std::move(since), next, 0});
        in_term_ = true;
        depth_ = 1;
    }

    static std::optional<Kind> kind_named(std::string_view word) {
        if (word == "Command") return Kind::Command;
        if (word == "Event") return Kind::Event;
        if (word == "Object" || word == "Enum" || word == "Alternate") return Kind::Type;
        return std::nullopt;
    }

    void open(const std::string& name, Entry entry) {
        const auto first = name.find_first_not_of(' ');
        const auto last = name.find_last_not_of(' ');
        if (first == std::string::npos) return;
        auto& into = entry.kind == Kind::Type ? manual_.types_ : manual_.entries_;
        open_ = &(into[name.substr(first, last - first + 1)] = std::move(entry));
    }
    void close(std::size_t at) {
        if (open_ != nullptr) open_->length = at - std::min(at, open_->begin);
        open_ = nullptr;
        in_term_ = false;
    }

    Manual& manual_;
    std::string_view text_;
    Entry* open_ = nullptr;
    bool after_tp_ = false;
    bool in_term_ = false;
    std::size_t depth_ = 0;
};

/// Lays the blocks of an entry out.
class Manual::Printer {
    using Block = TroffBlock;

  public:
    Printer(const Manual& manual, std::size_t columns) : manual_(manual), columns_(columns) {}

    /// Of a type: without a title.
    std::vector<Line> print(const Entry& type) { return print(read_troff(manual_.source(type))); }

    std::vector<Line> print(std::span<const Block> blocks) {
        bool skip = false;
        for (const auto& block : blocks) {
            if (is_heading(block)) skip = heading_of(block) == "Since";
            if (!skip) put(block, 0);
        }
        return std::move(lines_);
    }

    std::vector<Line> print(std::string_view name, const Entry& entry) {
        auto blocks = read_troff(manual_.source(entry));
        std::string since = entry.since;
        for (std::size_t i = 0; since.empty() && i + 1 < blocks.size(); ++i) {
            if (blocks[i].kind == TroffBlock::Kind::Heading && plain(blocks[i].text) == "Since")
                since = plain(blocks[i + 1].text);
        }
        Line title{span(name, Role::Name),
                   span(entry.kind == Kind::Event ? "  event" : "  command", Role::Dim)};
        if (!since.empty()) title.push_back(span(fmt::format(", since {}", since), Role::Dim));
        flow(title, 0, 0, columns_, lines_);
        bool skip = false;
        for (const auto& block : blocks) {
            if (is_heading(block)) skip = heading_of(block) == "Since";
            if (!skip) put(block, 0);
        }
        return std::move(lines_);
    }

  private:
    void put(const Block& block, std::size_t depth) {
        if (is_heading(block)) {
            base_ = block.kind == Block::Kind::Heading ? 0 : block.indent + 4;
            blank();
            flow({span(heading_of(block), Role::Title)}, 0, 0, columns_, lines_);
            before_ = Block::Kind::Heading;
            in_part_ = true;
            return;
        }
        const auto indent = (in_part_ ? 2 : 0) + block.indent - std::min(base_, block.indent) + depth;
        if (const auto type = members_of(block); !type.empty() && inline_type(type, depth)) return;
        if (block.kind == Block::Kind::Code) {
            if (before_ != Block::Kind::Code && before_ != Block::Kind::Heading) blank();
            code(block.text, indent);
        } else {
            if (block.kind == Block::Kind::Text && before_ == Block::Kind::Text && block.mark.empty())
                blank();
            if (before_ == Block::Kind::Code) blank();
            paragraph(block, indent);
        }
        before_ = block.kind;
    }

    void paragraph(const Block& block, std::size_t indent) {
        if (block.mark.empty()) {
            flow(block.text, indent, indent + (block.kind == Block::Kind::Term ? 4 : 0), columns_, lines_);
            return;
        }
        auto text = troff_text(block.mark, Role::Dim);
        text.push_back({" ", Role::Plain});
        text.insert(text.end(), block.text.begin(), block.text.end());
        // "* name (type, optional) -- text"
        if (text.size() > 4 && text[3].text == " (" && text[4].role == Role::Key)
            text[4].role = Role::Literal;
        flow(text, indent, indent + 3, columns_, lines_);
    }

    void code(const Line& text, std::size_t indent) {
        Line line;
        if (!text.empty() && indent < columns_) line.push_back({std::string(indent, ' ')});
        for (auto piece : text) {
            if (piece.role == Role::Plain) piece.role = Role::String;
            line.push_back(std::move(piece));
        }
        auto broken = wrap(line, columns_);
        std::ranges::move(broken, std::back_inserter(lines_));
    }

    /// Puts a type's members where "The members of TYPE" stands. False if the page does not describe it.
    bool inline_type(std::string_view name, std::size_t depth) {
        const auto found = manual_.types_.find(name);
        if (found == manual_.types_.end() || nested_ == 4) return false;
        ++nested_;
        bool members = false;
        const auto before = lines_.size();
        for (const auto& block : read_troff(manual_.source(found->second))) {
            if (is_heading(block))
                members = heading_of(block) == "Members";
            else if (members)
                put(block, depth);
        }
        --nested_;
        return lines_.size() > before;
    }

    void blank() {
        if (!lines_.empty() && !lines_.back().empty()) lines_.emplace_back();
    }

    const Manual& manual_;
    std::size_t columns_;
    std::vector<Line> lines_;
    Block::Kind before_ = Block::Kind::Heading;
    bool in_part_ = false;
    std::size_t base_ = 0;  ///< the indent of the part we are in, as the page has it
    int nested_ = 0;
};

std::vector<std::filesystem::path> manual_places(const std::filesystem::path& qemu_binary,
                                                 std::string_view manpath) {
    std::vector<std::filesystem::path> directories;
    if (qemu_binary.has_parent_path())
        directories.push_back(qemu_binary.parent_path().parent_path() / "share/man");
    while (!manpath.empty()) {
        const auto end = std::min(manpath.find(':'), manpath.size());
        if (end != 0) directories.emplace_back(manpath.substr(0, end));
        manpath.remove_prefix(std::min(end + 1, manpath.size()));
    }
    directories.emplace_back("/usr/local/share/man");
    directories.emplace_back("/usr/share/man");
    std::vector<std::filesystem::path> places;
    for (const auto& directory : directories)
        for (const char* file : {"man7/qemu-qmp-ref.7.gz", "man7/qemu-qmp-ref.7"})
            if (auto place = directory / file; std::ranges::find(places, place) == places.end())
                places.push_back(std::move(place));
    return places;
}

std::optional<Manual> Manual::load(const std::vector<std::filesystem::path>& places) {
    for (const auto& place : places)
        if (auto manual = parse(read_page(place))) return manual;
    return std::nullopt;
}

std::optional<Manual> Manual::parse(std::string text) {
    Manual manual;
    manual.text_ = std::move(text);
    Index(manual).build();
    if (manual.entries_.empty()) return std::nullopt;
    return manual;
}

std::string_view Manual::source(const Entry& entry) const {
    // The last title may have nothing behind it, not even a line end.
    return std::string_view(text_).substr(std::min(entry.begin, text_.size()), entry.length);
}

std::string_view Manual::summary(std::string_view name) const {
    if (const auto known = summaries_.find(name); known != summaries_.end()) return known->second;
    const auto entry = entries_.find(name);
    if (entry == entries_.end()) return "";
    const auto all = source(entry->second);
    std::string text;
    for (const auto& block : read_troff(all.substr(0, all.find("\n.SS ")))) {
        if (block.kind != TroffBlock::Kind::Text || is_heading(block)) break;
        text = plain(block.text);
        if (!is_condition(text)) break;
    }
    std::string line;
    for (const char c : first_sentence(text))
        if (c != ' ' || line.empty() || line.back() != ' ') line += c;
    return summaries_.emplace(name, std::move(line)).first->second;
}

std::vector<Line> Manual::page(std::string_view name, std::size_t columns) const {
    const auto entry = entries_.find(name);
    if (entry == entries_.end() || columns == 0) return {};
    return Printer(*this, columns).print(name, entry->second);
}

const Manual::Entry* Manual::branch(std::string_view type, std::string_view value) const {
    const auto all = types_.find(type);
    if (all == types_.end()) return nullptr;
    for (const auto& block : read_troff(source(all->second))) {
        const auto& text = block.text;
        const auto members =
            std::ranges::find_if(text, [](const Span& s) { return s.text.ends_with("The members of "); });
        const bool of_value = std::ranges::any_of(
            text, [&](const Span& s) { return s.text == value || s.text == fmt::format("\"{}\"", value); });
        if (!of_value || members == text.end() || std::next(members) == text.end()) continue;
        // What wraps a type in its only member, "data", says nothing of it.
        std::string_view name = std::next(members)->text;
        if (constexpr std::string_view wrapper = "Wrapper"; name.ends_with(wrapper))
            name.remove_suffix(wrapper.size());
        const auto found = types_.find(name);
        return found == types_.end() ? nullptr : &found->second;
    }
    return nullptr;
}

std::vector<Line> Manual::branch_page(std::string_view type, std::string_view value,
                                      std::span<const std::string> inside, std::size_t columns) const {
    const Entry* entry = columns == 0 ? nullptr : branch(type, value);
    for (; entry != nullptr && !inside.empty(); inside = inside.subspan(1)) {
        const auto blocks = read_troff(source(*entry));
        const auto member = member_in(blocks, inside.front());
        if (member.empty()) return {};
        if (inside.size() == 1) return Printer(*this, columns).print(member);
        entry = nullptr;
        for (const auto& word : member.front().text)
            if (const auto found = types_.find(word.text); found != types_.end()) entry = &found->second;
    }
    return entry == nullptr ? std::vector<Line>() : Printer(*this, columns).print(*entry);
}

std::vector<std::string> Manual::names() const {
    std::vector<std::string> names;
    for (const auto& [name, entry] : entries_) names.push_back(name);
    return names;
}

}  // namespace qvm::shell
