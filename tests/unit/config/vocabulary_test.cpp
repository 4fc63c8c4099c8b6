// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/vocabulary.hpp"

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "support/catch.hpp"

namespace qvm::config {
namespace {

/// The manual page without the marks of its fonts.
std::string manual() {
    std::ifstream stream(QVM_SOURCE_DIR "/man/qvm.toml.5");
    const std::string page{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    std::string text;
    for (std::size_t i = 0; i < page.size(); ++i)
        if (page[i] != '\\') text += page[i];
    return text;
}

bool has_word(const std::string& text, std::string_view word) {
    const auto part_of_word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    };
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
        if (!part_of_word(text[at - 1]) && !part_of_word(text[at + word.size()])) return true;
    return false;
}

TEST_CASE("the manual knows every word of the language and every kind of error") {
    const std::string text = manual();
    REQUIRE(text.size() > 1000);
    std::vector<std::string> missing;
    const auto look_for = [&](std::string_view word) {
        if (!has_word(text, word)) missing.emplace_back(word);
    };
    for (const auto& table : vocabulary()) {
        look_for(table.name);
        for (const auto& key : table.keys) {
            look_for(key.name);
            for (const auto word : key.words) look_for(word);
            for (const auto& member : key.members) look_for(member.name);
        }
    }
    for (int kind = 0; kind <= static_cast<int>(DiagnosticKind::QemuRefused); ++kind)
        look_for(kind_name(static_cast<DiagnosticKind>(kind)));
    CHECK(missing == std::vector<std::string>());
}

TEST_CASE("ids") {
    for (const auto* good : {"a", "a1-b", "abcdefghijklmnopqrst"}) CHECK(is_sugar_id(good));
    for (const auto* bad : {"", "A", "1a", "a_b", "a.b", "-a", "abcdefghijklmnopqrstu"})
        CHECK_FALSE(is_sugar_id(bad));
    for (const auto* good : {"A", "a.b_c-d", "root.file"}) CHECK(is_raw_id(good));
    for (const auto* bad : {"", "1", ".a", "a b", "a/b", "\u00e9"}) CHECK_FALSE(is_raw_id(bad));
}

TEST_CASE("what a value may be follows from its path") {
    const auto mask = [](std::vector<std::string> path) { return takes_at(path); };
    CHECK(mask({"name"}) == takes::string);
    CHECK(mask({"disk", "x", "serial"}) == takes::string);
    CHECK(mask({"disk", "x", "boot"}) == takes::integer);
    CHECK((mask({"memory"}) & takes::size) != 0);
    CHECK(mask({"machine", "kernel-irqchip"}) == 0);
    CHECK(mask({"blockdev", "x", "file", "filename"}) == takes::string);
    CHECK(mask({"nonsense"}) == 0);
    CHECK(mask({}) == 0);
}

}  // namespace
}  // namespace qvm::config
