// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/details.hpp"

#include <algorithm>
#include <clocale>

#include "shell/page.hpp"
#include "support/catch.hpp"

using namespace qvm::shell;

namespace {

using Texts = std::vector<std::string>;

Item command(const std::string& name, const std::string& received, ItemState state = ItemState::Ok) {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    Item item;
    item.number = 5;
    item.kind = ItemKind::Command;
    item.state = state;
    item.name = name;
    item.edit_command().typed = name;
    item.began = 1'000'000;
    item.edit_command().ended = state == ItemState::Pending ? 0 : 1'002'500;
    item.edit_command().sent = R"({"execute":")" + name + R"(","id":"qvm-1"})";
    item.received = received;
    return item;
}

Texts shown(Details& details, std::size_t rows = 24, std::size_t columns = 80) {
    Texts texts;
    for (const auto& line : details.lines(rows, columns)) {
        texts.push_back(plain_text(line));
        CHECK(columns_of(line) <= columns);
    }
    CHECK(texts.size() <= rows);
    return texts;
}

std::string selected(Details& details, std::size_t rows = 24, std::size_t columns = 80) {
    for (const auto& line : details.lines(rows, columns))
        if (!line.empty() && line.front().selected) return plain_text(line);
    return "(none)";
}

bool holds(const Texts& lines, const std::string& text) {
    return std::ranges::any_of(lines, [&](const auto& line) { return line.find(text) != std::string::npos; });
}

constexpr const char* version_reply =
    R"({"return": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}})";
/// A reply there is a table for.
constexpr const char* jobs_reply =
    R"({"return": [{"id": "a", "type": "mirror", "status": "running", "current-progress": 1, "total-progress": 2},
                   {"id": "b", "type": "backup", "status": "ready", "current-progress": 1, "total-progress": 2}]})";

}  // namespace

TEST_CASE("A command's details are what was sent and what came, and the cursor is on what came") {
    Details details(command("query-version", version_reply));
    CHECK(details.item() == 5);
    CHECK(details.title() == "query-version  item 5");
    const auto lines = shown(details);
    CHECK(holds(lines, "-> sent  as  query-version"));
    CHECK(holds(lines, "execute"));
    CHECK(holds(lines, "<- [OK] came after 2.5 ms"));
    CHECK(holds(lines, "major"));
    CHECK(details.selected_path() == ".");
    CHECK(details.selected_text().find("Debian") != std::string::npos);
}

TEST_CASE("The cursor goes over all lines and stays among them") {
    Details details(command("query-version", version_reply));
    details.unfold_all();
    const auto all = shown(details, 100).size();
    details.to_top();
    CHECK(selected(details).find("-> sent") != std::string::npos);
    CHECK(details.selected_text().starts_with(R"({"execute")"));
    details.move(-5);
    CHECK(selected(details).find("-> sent") != std::string::npos);
    details.move(1000);
    const auto last = selected(details, 3);
    CHECK(shown(details, 3).back() == last);
    details.to_bottom();
    CHECK(selected(details, 3) == last);
    details.page(false);
    details.page(true);
    CHECK(selected(details, 3) == last);
    CHECK(shown(details, 100).size() == all);
    details.select_row_on_screen(1);
    CHECK(selected(details, 100) == shown(details, 100)[1]);
    details.select_row_on_screen(1000);
    CHECK(selected(details, 100) == last);
    CHECK(shown(details, 0).empty());
}

TEST_CASE("What is folded is opened, and out of a value one comes to what it is in") {
    Details details(command("query-version", version_reply));
    details.fold_all();
    CHECK(shown(details, 100).size() == 4);
    details.to_bottom();
    details.unfold();
    REQUIRE(holds(shown(details), "qemu"));
    const auto folded = shown(details).size();
    REQUIRE(details.search("micro", false));
    CHECK(shown(details).size() > folded);
    CHECK(details.selected_path() == ".return.qemu.micro");
    CHECK(details.selected_text() == "22");
    details.fold();
    CHECK(details.selected_path() == ".return.qemu");
    const auto open = shown(details);
    details.toggle();
    CHECK(shown(details).size() == open.size() - 3);
    details.toggle();
    CHECK(shown(details) == open);
    // On a header there is nothing to fold.
    details.to_top();
    const auto before = shown(details);
    details.fold();
    details.unfold();
    details.toggle();
    CHECK(shown(details) == before);
}

TEST_CASE("A search goes on where it was, both ways, from one part to the other") {
    Details details(command("query-version", R"({"return": {"a": "x1", "b": "x2"}, "id": "x3"})"));
    details.to_top();
    Texts found;
    while (details.search("x", false)) found.push_back(details.selected_path());
    // "execute", too.
    CHECK(found == Texts{".execute", ".return.a", ".return.b", ".id"});
    found.clear();
    while (details.search("x", true)) found.push_back(details.selected_path());
    CHECK(found == Texts{".return.b", ".return.a", ".execute"});
    CHECK_FALSE(details.search("nowhere", false));
    // Something else is looked for in the row one is on, too.
    REQUIRE(details.search("a", false));
    CHECK(details.selected_path() == ".return.a");
    REQUIRE(details.search("x1", false));
    CHECK(details.selected_path() == ".return.a");
    REQUIRE(details.search("X2", false));
    CHECK(details.selected_path() == ".return.b");
}

TEST_CASE("A window that grows is filled") {
    Details details(command("query-version", version_reply));
    details.unfold_all();
    const auto all = shown(details, 100);
    details.to_bottom();
    shown(details, 3);
    CHECK(shown(details, 100) == all);
}

TEST_CASE("The bytes are shown as they were, and scrolling ends with them") {
    std::string reply = R"({"return": "begin )";
    for (int i = 0; i < 2000; ++i) reply += "0123456789";
    Details details(command("query-x", reply + R"(\u001b end"})"));
    details.next_form();
    CHECK(shown(details, 0, 40).empty());
    const auto top = shown(details, 10, 40);
    REQUIRE(top.size() == 10);
    CHECK(holds(top, "-> sent"));
    details.move(1'000'000);
    const auto end = shown(details, 10, 40);
    REQUIRE(end.size() == 10);
    CHECK(end.back().find("end\"}") != std::string::npos);
    // One line up is one line up, however often one went down.
    details.move(-1);
    CHECK(shown(details, 10, 40)[1] == end[0]);
    details.to_top();
    CHECK(shown(details, 10, 40) == top);
    details.to_bottom();
    CHECK(shown(details, 10, 40) == end);
    details.to_top();
    REQUIRE(details.search("end\"", false));
    CHECK(holds(shown(details, 10, 40), "end\"}"));
    REQUIRE(details.search("begin", true));
    CHECK(shown(details, 10, 40).front().find("begin") != std::string::npos);
    CHECK_FALSE(details.search("begin", true));
    // All of it in sight: there is nowhere to go.
    Details little(command("query-x", "{}"));
    little.next_form();
    const auto all = shown(little);
    little.move(3);
    CHECK(shown(little) == all);
    little.to_bottom();
    CHECK(shown(little) == all);
}

TEST_CASE("What the guest put into the bytes cannot move anything") {
    Details details(command("query-x", "{\"return\": \"\x1b[2J\x07\xe2\x80\xae\"}\n"));
    for (int form = 0; form < 2; ++form) {
        const auto lines = shown(details, 24, 20);
        for (const auto& line : lines)
            CHECK(std::ranges::none_of(line, [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
        CHECK_FALSE(holds(lines, "\xe2\x80\xae"));
        details.next_form();
    }
}

TEST_CASE("A reply that has a table is shown as one first, and the table is scrolled and searched") {
    Details details(command("query-jobs", jobs_reply));
    const auto table = shown(details);
    CHECK(holds(table, "[OK]"));
    CHECK(holds(table, "mirror"));
    CHECK_FALSE(holds(table, "return"));
    // All of it is copied: nothing of it is selected.
    details.select_row_on_screen(0);
    details.move(1);
    CHECK(details.selected_text().find("backup") != std::string::npos);
    CHECK(shown(details, 2).size() == 2);
    details.to_bottom();
    const auto end = shown(details, 2);
    CHECK(holds(end, "backup"));
    details.move(100);
    CHECK(shown(details, 2) == end);
    details.move(-1);
    CHECK(shown(details, 2)[1] == end[0]);
    details.to_top();
    CHECK_FALSE(holds(shown(details, 2), "backup"));
    REQUIRE(details.search("backup", false));
    CHECK(holds(shown(details, 2), "backup"));
    details.next_form();
    CHECK(holds(shown(details), "return"));
    details.next_form();
    CHECK(holds(shown(details), R"({"return": [)"));
    details.next_form();
    CHECK(shown(details) == table);
}

TEST_CASE("A reply that comes while one looks on is there") {
    Details details(command("query-jobs", "", ItemState::Pending));
    CHECK(holds(shown(details), "[Pending] waiting"));
    details.to_bottom();
    details.update(command("query-jobs", jobs_reply));
    CHECK(holds(shown(details), "came after"));
    CHECK(holds(shown(details), "mirror"));
    details.next_form();
    details.next_form();
    CHECK_FALSE(holds(shown(details), "return"));
    // It is lost: what was a table is none.
    details.update(command("query-jobs", "", ItemState::Lost));
    CHECK(holds(shown(details), "nobody knows whether it ran"));
    CHECK(holds(shown(details), "execute"));
}

TEST_CASE("Events and notices have one part") {
    Item event;
    event.kind = ItemKind::Event;
    event.name = "STOP";
    event.received = R"({"event": "STOP"})";
    Details of_event(event);
    CHECK(holds(shown(of_event), "<- event"));
    CHECK(of_event.selected_path() == ".");
    Item notice;
    notice.name = "gone\x1b";
    Details of_notice(notice);
    CHECK(shown(of_notice) == Texts{"gone\\x1b"});
    of_notice.move(1);
    of_notice.toggle();
    CHECK_FALSE(of_notice.search("gone", false));
    // A command of a log whose JSON is none.
    Details broken(command("x", "{\"return\": "));
    CHECK(holds(shown(broken), "[OK]"));
}
