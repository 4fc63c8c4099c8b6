// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/diagnostic.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/text.hpp"

namespace qvm {
namespace {

struct Palette {
    std::string_view bold, error, warning, note, reset;
};

constexpr Palette plain{"", "", "", "", ""};
constexpr Palette ansi{"\033[1m", "\033[1;31m", "\033[1;33m", "\033[1;34m", "\033[0m"};

std::string_view severity_name(Severity severity) {
    return severity == Severity::Error ? "error" : "warning";
}

/// The blank that puts a caret below byte `column`: tabs stay tabs, every other character is one space wide.
std::string indent_like(std::string_view line, std::uint32_t column) {
    std::string indent;
    for (std::size_t i = 0; i + 1 < column && i < line.size(); ++i) {
        const auto byte = static_cast<unsigned char>(line[i]);
        if (byte == '\t')
            indent += '\t';
        else if ((byte & 0xC0) != 0x80)
            indent += ' ';
    }
    return indent;
}

void print_source(std::string& out, const Diagnostic& d, std::string_view line, const Palette& p) {
    const std::size_t left = d.origin.column == 0 ? 0 : d.origin.column - 1;
    const std::size_t room = line.size() > left ? line.size() - left : 1;
    const auto marked =
        line.substr(std::min(left, line.size()), std::min<std::size_t>(d.origin.length, room));
    const std::string carets(std::max<std::size_t>(1, display_width(marked)), '^');
    out += fmt::format("{:>5} | {}\n", d.origin.line, escape_controls(line));
    out += fmt::format("{:>5} | {}{}{}{}", "", indent_like(line, d.origin.column), p.error, carets, p.reset);
    if (!d.label.empty()) out += ' ' + d.label;
    out += '\n';
}

}  // namespace

std::string_view kind_name(DiagnosticKind kind) {
    switch (kind) {
        case DiagnosticKind::TomlSyntax:
            return "toml-syntax";
        case DiagnosticKind::UnknownKey:
            return "unknown-key";
        case DiagnosticKind::UnknownTable:
            return "unknown-table";
        case DiagnosticKind::BadType:
            return "bad-type";
        case DiagnosticKind::BadEnum:
            return "bad-enum";
        case DiagnosticKind::BadSize:
            return "bad-size";
        case DiagnosticKind::BadValue:
            return "bad-value";
        case DiagnosticKind::Missing:
            return "missing";
        case DiagnosticKind::Conflict:
            return "conflict";
        case DiagnosticKind::DuplicateId:
            return "duplicate-id";
        case DiagnosticKind::BadRef:
            return "bad-ref";
        case DiagnosticKind::WrongRefType:
            return "wrong-ref-type";
        case DiagnosticKind::Cycle:
            return "cycle";
        case DiagnosticKind::BusFull:
            return "bus-full";
        case DiagnosticKind::NotHotpluggable:
            return "not-hotpluggable";
        case DiagnosticKind::NotInThisQemu:
            return "not-in-this-qemu";
        case DiagnosticKind::PathInJail:
            return "path-in-jail";
        case DiagnosticKind::ChainMismatch:
            return "chain-mismatch";
        case DiagnosticKind::FileMissing:
            return "file-missing";
        case DiagnosticKind::LimitTooLow:
            return "limit-too-low";
        case DiagnosticKind::Deprecated:
            return "deprecated";
        case DiagnosticKind::Unused:
            return "unused";
        case DiagnosticKind::Unchecked:
            return "unchecked";
        case DiagnosticKind::QemuRefused:
            return "qemu-refused";
    }
    return "?";
}

Severity severity_of(DiagnosticKind kind) {
    const bool warning = kind == DiagnosticKind::LimitTooLow || kind == DiagnosticKind::Deprecated ||
                         kind == DiagnosticKind::Unused || kind == DiagnosticKind::Unchecked;
    return warning ? Severity::Warning : Severity::Error;
}

void Sources::add(std::string name, std::string text) {
    texts_.insert_or_assign(std::move(name), std::move(text));
}

bool Sources::contains(const std::string& name) const {
    return texts_.contains(name);
}

std::string_view Sources::line(const std::string& name, std::uint32_t number) const {
    const auto found = texts_.find(name);
    if (found == texts_.end() || number == 0) return {};
    std::string_view rest = found->second;
    for (std::uint32_t i = 1; i < number; ++i) {
        const auto end = rest.find('\n');
        if (end == std::string_view::npos) return {};
        rest.remove_prefix(end + 1);
    }
    rest = rest.substr(0, rest.find('\n'));
    if (rest.ends_with('\r')) rest.remove_suffix(1);
    return rest;
}

void Diagnostics::add(Diagnostic diagnostic) {
    list_.push_back(std::move(diagnostic));
}

bool Diagnostics::has_errors() const {
    return std::ranges::any_of(list_,
                               [](const Diagnostic& d) { return severity_of(d.kind) == Severity::Error; });
}

void Diagnostics::sort() {
    std::ranges::stable_sort(list_,
                             [](const Diagnostic& a, const Diagnostic& b) { return a.origin < b.origin; });
    const auto same = [](const Diagnostic& a, const Diagnostic& b) {
        return a.kind == b.kind && a.origin == b.origin && a.message == b.message;
    };
    list_.erase(std::unique(list_.begin(), list_.end(), same), list_.end());
}

std::string Diagnostics::to_text(bool color) const {
    const Palette& p = color ? ansi : plain;
    std::string out;
    for (const auto& d : list_) {
        const auto severity = severity_of(d.kind);
        const auto tint = severity == Severity::Error ? p.error : p.warning;
        const auto where = d.origin.to_string();
        out += fmt::format("{}{}{}{}{}: {}{}{} [{}]{}\n", p.bold, where, where.empty() ? "" : ": ", tint,
                           severity_name(severity), p.reset, p.bold, escape_controls(d.message),
                           kind_name(d.kind), p.reset);
        const auto line = sources.line(d.origin.file_name(), d.origin.line);
        if (!line.empty())
            print_source(out, d, line, p);
        else if (!d.label.empty())
            out += fmt::format("      {}= {}{}\n", p.note, p.reset, d.label);
        for (const Origin* via = d.origin.via.get(); via != nullptr; via = via->via.get())
            out += fmt::format("      {}= {}via {}\n", p.note, p.reset, via->to_string());
        for (const auto& note : d.notes)
            out += fmt::format("      {}= {}{}\n", p.note, p.reset, escape_controls(note));
    }
    return out;
}

Json Diagnostics::to_json() const {
    Json all = Json::array();
    for (const auto& d : list_) {
        Json one = Json::object();
        one["kind"] = kind_name(d.kind);
        one["severity"] = severity_name(severity_of(d.kind));
        one["file"] = d.origin.file_name();
        one["line"] = d.origin.line;
        one["column"] = d.origin.column;
        one["length"] = d.origin.length;
        one["message"] = d.message;
        one["label"] = d.label;
        one["notes"] = d.notes;
        one["via"] = Json::array();
        for (const Origin* via = d.origin.via.get(); via != nullptr; via = via->via.get())
            one["via"].push_back(via->to_string());
        all.push_back(std::move(one));
    }
    return all;
}

}  // namespace qvm
