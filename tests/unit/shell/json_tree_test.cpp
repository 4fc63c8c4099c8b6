// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/json_tree.hpp"

#include <chrono>
#include <clocale>

#include "hostile.hpp"
#include "shell/json_lines.hpp"
#include "support/catch.hpp"

using namespace qvm::shell;

namespace {

using Texts = std::vector<std::string>;

Texts shown(const JsonTree& tree, std::size_t columns = 80) {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    Texts texts;
    for (std::size_t row = 0; row < tree.rows(); ++row) {
        const auto line = tree.row(row, columns);
        CHECK(columns_of(line) <= columns);
        texts.push_back(qvm::test::text_of(line));
    }
    return texts;
}

const char* const reply =
    R"({"return": [{"node-name": "d0", "ro": true, "size": 18446744073709551615}, {"node-name": "d1", "x": {}}], "id": "q"})";

}  // namespace

TEST_CASE("A tree opens with two levels, and unfolds where one wants to see more") {
    JsonTree tree(reply);
    CHECK(shown(tree, 90) ==
          Texts{"- {2 members}", "  - \"return\": [2 elements]",
                R"(    + [0] {3 members} {"node-name": "d0", "ro": true, "size": 18446744073709551615})",
                R"(    + [1] {2 members} {"node-name": "d1", "x": {}})", R"(    "id": "q")"});
    CHECK(shown(tree, 30)[2] == "    + [0] {3 members} {\"node-…");
    tree.unfold(2);
    CHECK(shown(tree) == Texts{"- {2 members}", "  - \"return\": [2 elements]", "    - [0] {3 members}",
                               R"(        "node-name": "d0")", R"(        "ro": true)",
                               R"(        "size": 18446744073709551615)",
                               R"(    + [1] {2 members} {"node-name": "d1", "x": {}})", R"(    "id": "q")"});
    CHECK(tree.path_of(5) == ".return[0].size");
    CHECK(tree.path_of(6) == ".return[1]");
    CHECK(tree.path_of(0) == ".");
    CHECK(tree.text_of(5) == "18446744073709551615");
    CHECK(tree.text_of(6) == "{\n  \"node-name\": \"d1\",\n  \"x\": {}\n}");
    CHECK(tree.parent_of(5) == 2);
    CHECK(tree.parent_of(2) == 1);
    CHECK(tree.parent_of(0) == 0);
    tree.toggle(0);
    CHECK(shown(tree, 20) == Texts{"+ {2 members} {\"ret…"});
    CHECK(tree.is_folded(0));
    tree.toggle(0);
    CHECK(tree.rows() == 8);  // as it was
    CHECK_FALSE(tree.can_unfold(5));
    tree.unfold(5);
    tree.fold(5);
    CHECK(tree.rows() == 8);
    tree.fold_all();
    CHECK(tree.rows() == 1);
    tree.unfold_to(100);
    CHECK(tree.rows() == 10);
    CHECK(shown(tree)[8] == R"(        "x": {})");
}

TEST_CASE("A long string unfolds to its lines") {
    const std::string text =
        "/machine (pc)\\r\\n  /a \\\"b\\\"\\n\\tx\\n" + std::string(100, 'y') + "\\n\\u00e9\\u001b[2J";
    JsonTree tree("{\"return\": \"" + text + "\"}", 40);
    CHECK(shown(tree, 40) == Texts{"- {1 member}", R"(  + "return": "/machine (pc… (151 bytes))"});
    tree.unfold(1);
    CHECK(shown(tree, 40) == Texts{"- {1 member}", R"(  - "return": (151 bytes))", "      /machine (pc)",
                                   "        /a \"b\"", "          x", "      " + std::string(34, 'y'),
                                   "      " + std::string(34, 'y'), "      " + std::string(32, 'y'),
                                   "      é\\x1b[2J"});
    CHECK(tree.text_of(3) == "  /a \"b\"");
    CHECK(tree.path_of(3) == ".return");
    CHECK(tree.parent_of(4) == 1);
    CHECK(tree.text_of(1).starts_with("\"/machine (pc)\\r\\n"));
    tree.set_columns(60);
    CHECK(tree.rows() == 8);
    tree.fold(1);
    CHECK(tree.rows() == 2);
    tree.unfold(1);
    tree.set_columns(300);
    CHECK(tree.rows() == 7);  // still has lines
}

TEST_CASE("What is searched for is unfolded") {
    JsonTree tree(reply);
    CHECK(tree.find("D1", 0, false) == 4);
    CHECK(tree.path_of(4) == ".return[1].node-name");
    CHECK(tree.rows() == 7);
    CHECK_FALSE(tree.find("d1", 4, false));
    CHECK(tree.find("node-name", 4, true) == 3);
    CHECK(tree.path_of(3) == ".return[0].node-name");
    CHECK(tree.find("node-name", 99, false) == 3);
    CHECK(tree.find("q", 0, false) == tree.rows() - 1);
    CHECK_FALSE(tree.find("nothing", 0, false));
    CHECK_FALSE(tree.find("", 0, false));
    CHECK_FALSE(tree.find("return", 0, true));

    JsonTree text(R"({"a": "x\u00e9 \"q\"", "b": "one\ntwo\nthree\ntwo"})");
    CHECK(text.find("É", 0, false) == std::nullopt);  // only ASCII letters have no case
    CHECK(text.find("é", 0, false) == 1);
    CHECK(text.find("\"q", 0, false) == 1);
    CHECK(text.find("two", 0, false) == 2);
    text.unfold(2);
    CHECK(text.find("two", 0, false) == 4);
    CHECK(text.find("two", 4, false) == 6);
    CHECK(text.find("two", 6, true) == 4);
    CHECK_FALSE(text.find("two", 6, false));
}

TEST_CASE("Keys that are no words are quoted in paths") {
    JsonTree tree(R"({"a b": {"c\"": [[1]]}, "": 2})");
    tree.unfold_to(9);
    CHECK(tree.path_of(2) == R"(."a b"."c\"")");
    CHECK(tree.path_of(4) == R"(."a b"."c\""[0][0])");
    CHECK(tree.path_of(5) == R"(."")");
    JsonTree array("[1, [2]]");
    array.unfold_to(9);
    CHECK(array.path_of(1) == ".[0]");
    CHECK(array.path_of(3) == ".[1][0]");
}

TEST_CASE("Broken JSON is a tree as well") {
    JsonTree open(R"({"a": [1, {"b": 2)");
    open.unfold_to(9);
    CHECK(shown(open) == Texts{"- {1 member}", "  - \"a\": [2 elements]", "      [0] 1",
                               "    - [1] {1 member}", "        \"b\": 2"});
    JsonTree odd(R"({"a":, "b" 1 : oops} ] "end)");
    odd.unfold_to(9);
    CHECK(shown(odd) ==
          Texts{"- {4 members}", "    \"a\": ", "    \"b\"", "    1", "    oops", "  ]", "  \"end"});
    CHECK(JsonTree("").rows() == 0);
    CHECK(JsonTree("").row(0, 80).empty());
    CHECK(JsonTree("").path_of(0) == ".");
    JsonTree deep(std::string(100'000, '[') + std::string(100'000, ']'));
    deep.unfold_to(100'000);
    CHECK(deep.rows() == 1025);
    shown(deep, 20);
}

TEST_CASE("Eleven megabytes open at once") {
    std::string many = "{\"return\": [";
    for (int i = 0; many.size() < 11'000'000; ++i)
        many +=
            "{\"node-name\": \"n" + std::to_string(i) + "\", \"ro\": false, \"children\": [{\"a\": 1}]}, ";
    many += "{\"last\": 1}]}";
    const auto begin = std::chrono::steady_clock::now();
    JsonTree tree(std::move(many));
    CHECK(tree.rows() > 100'000);
    tree.row(100'000, 80);
    tree.unfold(2);
    tree.unfold(tree.rows() - 1);
    CHECK(tree.find("LAST", 0, false) == tree.rows() - 1);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));  // without optimisation
    tree.unfold_to(10);
    CHECK(tree.rows() >= 500'000);
}

TEST_CASE("A tree lets nothing hostile through") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    for (const auto& text : qvm::test::hostile_texts()) {
        JsonTree tree("{\"" + text + "\": [\"" + text + "\", " + text + ", \"" + text + "\\n" + text + "\"]}",
                      20);
        tree.unfold_to(9);
        for (std::size_t row = 0; row < tree.rows() && row < 200; ++row) tree.unfold(row);
        for (std::size_t row = 0; row < tree.rows(); ++row)
            for (const std::size_t columns : {std::size_t{0}, std::size_t{3}, std::size_t{80}}) {
                CHECK(qvm::test::danger_in({tree.row(row, columns)}).empty());
                CHECK(qvm::test::danger_in(tree.path_of(row)).empty());
            }
    }
}
