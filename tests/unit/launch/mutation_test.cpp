// SPDX-License-Identifier: GPL-3.0-or-later
// Good files with one mistake each, made by a rule: every one is reported at its place, as what it is, and
// what is nearly right with what was meant. The files are tests/golden/check/good-*.toml.
#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <set>

#include <fmt/format.h>

#include "base/file.hpp"
#include "config/check.hpp"
#include "config/document.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"
#include "config/vocabulary.hpp"
#include "launch/placement.hpp"
#include "support/catch.hpp"
#include "support/saved_qemu.hpp"

using namespace qvm;
using namespace qvm::config;
namespace fs = std::filesystem;

namespace {

Document loaded(const std::string& name, const std::string& text, Diagnostics& diagnostics) {
    return load({{name, fs::path("/vm") / name, text}}, {}, diagnostics);
}

/// As `qvm check --no-host` goes.
Diagnostics diagnose(const std::string& name, const std::string& text) {
    Diagnostics diagnostics;
    const auto document = loaded(name, text, diagnostics);
    Vm vm = lower(document, diagnostics);
    find_host_uses(vm, document, diagnostics);
    launch::place(vm, test::saved_qemu(), diagnostics);
    check(vm, test::saved_qemu(), diagnostics);
    diagnostics.sort();
    return diagnostics;
}

struct Mutation {
    std::string name;  ///< of the file
    std::string text;  ///< with the mistake
    std::string what;
    Origin place;
    std::vector<DiagnosticKind> kinds;  ///< any of these
    std::string meant;                  ///< what should be proposed; empty: nothing
};

/// The mistakes of a hand: each makes another word of `word`.
std::vector<std::string> typos(const std::string& word) {
    const auto middle = word.size() / 2;
    std::string swapped = word, dropped = word, doubled = word;
    std::swap(swapped[middle - 1], swapped[middle]);
    dropped.erase(middle, 1);
    doubled.insert(middle, 1, word[middle]);
    return {swapped, dropped, doubled};
}

class Mutator {
  public:
    Mutator(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {
        Diagnostics diagnostics;
        document_ = loaded(name_, text_, diagnostics);
        for (const auto& entry : document_.root.table()->entries()) {
            if (!entry.value.is_table()) continue;
            for (const auto& item : entry.value.table()->entries()) ids_.insert(item.key);
        }
    }

    std::vector<Mutation> all() {
        table(*document_.root.table(), {});
        return std::move(made_);
    }

  private:
    using Path = std::vector<std::string>;

    /// Whether a user chose the last word of the path.
    static bool is_id(const Path& path) {
        const auto* rule = table_rule(path.front());
        return path.size() == 2 && rule != nullptr &&
               (rule->shape == Shape::Named || rule->shape == Shape::Raw);
    }

    /// QEMU tells no parameters of -smbios, and no properties of a type that is only a base; before 8.0
    /// nothing of -audiodev.
    static bool is_unknown_to_qemu(const Path& path) {
        if (path.size() == 2 && path[0] == "audiodev") return true;
        return path.size() == 2 && (path[1] == "smbios" || path[1] == "pci-device");
    }

    void table(const Table& from, const Path& above) {
        for (const auto& entry : from.entries()) {
            auto path = above;
            path.push_back(entry.key);
            if (is_unknown_to_qemu(path)) continue;
            // The key of a short form is the table's, which comes first.
            const bool short_form = !keys_.insert({entry.key_origin.line, entry.key_origin.column}).second;
            if (!short_form && !is_id(path)) key(entry);
            if (const Table* inner = entry.value.table())
                table(*inner, path);
            else
                value(entry, path);
        }
    }

    void key(const Entry& entry) {
        constexpr std::size_t shortest = 4;
        if (entry.key.size() < shortest || entry.key.size() != entry.key_origin.length) return;
        for (const auto& typo : typos(entry.key))
            if (typo != entry.key)
                add("key", entry.key_origin, typo, {DiagnosticKind::UnknownKey, DiagnosticKind::UnknownTable},
                    entry.key);
    }

    void value(const Entry& entry, const Path& path) {
        const Origin& place = entry.value.origin;
        // [[qmp]]: the place of a header is not that of a value.
        if (text_.substr(offset_of(place)).starts_with("[[")) return;
        add("type", place, "[[1]]", {DiagnosticKind::BadType, DiagnosticKind::BadValue}, {});
        const std::string* word = entry.value.string();
        if (word == nullptr || word->size() + 2 != place.length) return;
        if (!word->empty() &&
            std::ranges::all_of(*word, [](char c) { return (c >= '0' && c <= '9') || c == 'G' || c == 'M'; }))
            add("size", place, fmt::format("\"{}B\"", *word), {DiagnosticKind::BadSize}, {});
        constexpr std::size_t shortest = 3;
        if (word->size() < shortest) return;
        const auto each_typo = [&](const std::vector<DiagnosticKind>& kinds) {
            for (const auto& typo : typos(*word))
                if (typo != *word) add("word", place, fmt::format("\"{}\"", typo), kinds, *word);
        };
        const auto* rule = table_rule(path.front());
        const auto* known = path.size() == (rule != nullptr && rule->shape == Shape::Single ? 2U : 3U)
                                ? key_rule(*rule, path.back())
                                : nullptr;
        if (known != nullptr && !known->words.empty()) each_typo({DiagnosticKind::BadEnum});
        static const std::set<std::string> references{"iothread", "drive", "netdev", "chardev", "backing"};
        if (references.contains(path.back()) && ids_.contains(*word)) each_typo({DiagnosticKind::BadRef});
        static const std::set<std::string> types{"driver", "qom-type", "type"};
        if (types.contains(path.back()) && (known == nullptr || known->words.empty()))
            each_typo({DiagnosticKind::BadEnum, DiagnosticKind::NotInThisQemu});
    }

    std::size_t offset_of(const Origin& place) const {
        std::size_t line = 0;
        for (std::uint32_t i = 1; i < place.line; ++i) line = text_.find('\n', line) + 1;
        return line + place.column - 1;
    }

    void add(const char* what, const Origin& place, const std::string& instead,
             std::vector<DiagnosticKind> kinds, const std::string& meant) {
        auto text = text_;
        text.replace(offset_of(place), place.length, instead);
        made_.push_back(
            {name_, std::move(text), fmt::format("{} {}", what, instead), place, std::move(kinds), meant});
    }

    std::string name_, text_;
    Document document_;
    std::set<std::string> ids_;
    std::set<std::pair<std::uint32_t, std::uint32_t>> keys_;
    std::vector<Mutation> made_;
};

std::vector<Mutation> mutations() {
    std::vector<Mutation> all;
    for (const auto& entry : fs::directory_iterator(QVM_SOURCE_DIR "/tests/golden/check")) {
        const auto name = entry.path().filename().string();
        if (!name.starts_with("good-") || entry.path().extension() != ".toml") continue;
        for (auto& mutation : Mutator(name, read_file(entry.path()).bytes).all())
            all.push_back(std::move(mutation));
    }
    return all;
}

}  // namespace

TEST_CASE("one mistake in a good file is reported where it is, as what it is") {
    const auto all = mutations();
    CHECK(all.size() >= 200);
    std::size_t typed = 0, proposed = 0;
    for (const auto& mutation : all) {
        const auto diagnostics = diagnose(mutation.name, mutation.text);
        const auto found = std::ranges::find_if(diagnostics.list(), [&](const Diagnostic& d) {
            // An array's item is told where it stands.
            const auto begin = mutation.place.column + (mutation.what == "type [[1]]" ? 1 : 0);
            return d.origin.line == mutation.place.line && d.origin.column >= mutation.place.column &&
                   d.origin.column <= begin &&
                   std::ranges::find(mutation.kinds, d.kind) != mutation.kinds.end();
        });
        INFO(mutation.name << ':' << mutation.place.line << ": " << mutation.what << '\n'
                           << diagnostics.to_text(false));
        CHECK(found != diagnostics.list().end());
        if (found == diagnostics.list().end() || mutation.meant.empty()) continue;
        ++typed;
        const bool right = found->label == fmt::format("did you mean '{}'?", mutation.meant);
        if (right)
            ++proposed;
        else
            UNSCOPED_INFO(mutation.what << " is not told to be " << mutation.meant);
    }
    CHECK(proposed * 10 >= typed * 9);
}
