// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/editor.hpp"

#include <clocale>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm::shell;

namespace {

/// Nobody's ~/.inputrc: readline reads one, once in a process (vi mode is tested from outside).
void use_no_inputrc() {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    ::setenv("INPUTRC", "/dev/null", 1);
}

struct Typist {
    explicit Typist(std::string history_file = {})
        : editor((use_no_inputrc(),
                  Editor::Options{.history_file = std::move(history_file),
                                  .history_length = 5000,
                                  .entered = [this](const std::string& line) { entered = line; },
                                  .ended = [this] { ended = true; },
                                  .complete = [this](int way) { completed += way; }})) {}

    void keys(std::initializer_list<const char*> names) {
        for (const auto* name : names) {
            CAPTURE(name);
            const auto key = key_named(name);
            REQUIRE(key);
            editor.feed(*key);
        }
    }
    void type(std::string_view text) {
        KeyReader reader;
        reader.feed(text);
        while (auto key = reader.next(true)) editor.feed(*key);
    }
    std::string text() { return editor.state().text; }

    std::string entered;
    bool ended = false;
    int completed = 0;
    Editor editor;
};

}  // namespace

TEST_CASE("What is cut is put back, and what was done is undone") {
    Typist typist;
    typist.type("one two three");
    typist.keys({"c-w"});
    CHECK(typist.text() == "one two ");
    typist.keys({"c-a", "c-k"});
    CHECK(typist.text().empty());
    typist.keys({"c-y"});
    CHECK(typist.text() == "one two ");
    typist.keys({"a-y"});
    CHECK(typist.text() == "three");
    typist.keys({"c-u"});
    typist.type("kept");
    typist.keys({"c-w", "c-_"});
    CHECK(typist.text() == "kept");
}

TEST_CASE("A paste is text, undone at once") {
    Typist typist;
    typist.type("a ");
    typist.editor.feed({Key::Kind::Paste, std::string("x\ty\n\x03\x04z\0end", 11), "paste"});
    CHECK(typist.text() == "a x\ty\n\x03\x04zend");
    CHECK_FALSE(typist.ended);
    CHECK(typist.completed == 0);
    typist.keys({"c-_"});
    CHECK(typist.text() == "a ");
}

TEST_CASE("A paste into a search is text of the line") {
    Typist typist;
    typist.editor.remember("query-status");
    typist.keys({"c-r"});
    typist.type("qu");
    typist.editor.feed({Key::Kind::Paste, "pasted", "paste"});
    CHECK(typist.editor.state().prompt.empty());
    CHECK(typist.text() == "pasted");
}

TEST_CASE("A word is put in place of another, undone at once") {
    Typist typist;
    typist.type("query-st x");
    typist.editor.replace(6, 8, "status");
    CHECK(typist.text() == "query-status x");
    CHECK(typist.editor.state().point == 12);
    typist.keys({"c-_"});
    CHECK(typist.text() == "query-st x");
}

TEST_CASE("Keys that nothing is bound to insert nothing") {
    Typist typist;
    for (const auto* name : {"f5", "c-a-s-f1", "pgup", "c-up", "a-left", "s-f12", "a-f1"})
        if (const auto key = key_named(name)) typist.editor.feed(*key);
    typist.type("\x1b[99~\x1b[200;5u\x1bOz");
    CHECK(typist.text().empty());
    typist.type("ok");
    CHECK(typist.text() == "ok");
}

TEST_CASE("What was entered last is what Up brings, and stays as it was") {
    Typist typist;
    typist.editor.remember("one");
    typist.editor.remember("two");
    typist.type("half");
    typist.keys({"up"});
    CHECK(typist.text() == "two");
    typist.keys({"up"});
    CHECK(typist.text() == "one");
    typist.keys({"down", "down"});
    CHECK(typist.text() == "half");
    CHECK(typist.editor.history() == std::vector<std::string>{"one", "two"});
}

TEST_CASE("Home, End, Delete and words, as terminals send them") {
    Typist typist;
    typist.type("one two");
    typist.keys({"home"});
    CHECK(typist.editor.state().point == 0);
    typist.keys({"delete", "end"});
    CHECK(typist.text() == "ne two");
    CHECK(typist.editor.state().point == 6);
    typist.type("\x1b[1;5D");
    CHECK(typist.editor.state().point == 3);
    typist.type("\x1b[1~");
    CHECK(typist.editor.state().point == 0);
}

TEST_CASE("Multibyte characters are one step") {
    Typist typist;
    typist.type("a\u00e9\u65e5b");
    typist.keys({"left", "backspace", "backspace"});
    CHECK(typist.text() == "ab");
}

TEST_CASE("Control-D ends on an empty line only") {
    Typist typist;
    typist.type("ab");
    typist.keys({"c-a", "c-d"});
    CHECK(typist.text() == "b");
    CHECK_FALSE(typist.ended);
    typist.keys({"c-d", "c-d"});
    CHECK(typist.ended);
}

TEST_CASE("The line is given up, a search as well") {
    Typist typist;
    typist.editor.remember("query-status");
    typist.type("half");
    typist.keys({"c-r"});
    typist.type("stat");
    CHECK(typist.editor.state().waiting);
    CHECK(typist.editor.state().prompt.find("reverse-i-search") != std::string::npos);
    CHECK(typist.text() == "query-status");
    typist.editor.interrupt();
    CHECK_FALSE(typist.editor.state().waiting);
    CHECK(typist.editor.state().prompt.empty());
    CHECK(typist.text() == "half");
    typist.editor.interrupt();
    CHECK(typist.text().empty());
    typist.keys({"up"});
    CHECK(typist.text() == "query-status");
}

TEST_CASE("A line accepted at the end of a search is handed over") {
    Typist typist;
    typist.editor.remember("query-status");
    typist.keys({"c-r"});
    typist.type("stat");
    typist.keys({"enter"});
    CHECK(typist.entered == "query-status");
}

TEST_CASE("The history is a private file that the next session reads") {
    const qvm::test::TemporaryDirectory directory;
    const auto file = (directory.path() / "history").string();
    {
        Typist typist(file);
        typist.editor.remember("one");
        typist.editor.remember("two\nof two lines");
        typist.editor.remember("two\nof two lines");
        typist.editor.remember("set_password password=hunter2", Editor::Remember::Session);
        typist.editor.remember("three");
        CHECK(typist.editor.history().size() == 4);
        CHECK(typist.editor.complaint().empty());
    }
    struct stat found {};
    REQUIRE(::stat(file.c_str(), &found) == 0);
    CHECK((found.st_mode & 0777U) == 0600);
    Typist typist(file);
    CHECK(typist.editor.history() == std::vector<std::string>{"one", "two\nof two lines", "three"});
    typist.keys({"up", "up"});
    CHECK(typist.text() == "two\nof two lines");
}

TEST_CASE("A history file that others may read is closed to them") {
    const qvm::test::TemporaryDirectory directory;
    const auto file = (directory.path() / "history").string();
    std::ofstream(file) << "old\n";
    std::filesystem::permissions(file, std::filesystem::perms(0644));
    Typist typist(file);
    struct stat found {};
    REQUIRE(::stat(file.c_str(), &found) == 0);
    CHECK((found.st_mode & 0777U) == 0600);
}

TEST_CASE("A history that cannot be written is complained of once") {
    Typist typist("/nowhere/at/all/history");
    const auto complaint = typist.editor.complaint();
    CHECK(complaint.find("/nowhere/at/all/history") != std::string::npos);
    CHECK(complaint.find("this session only") != std::string::npos);
    typist.editor.remember("kept");
    CHECK(typist.editor.complaint().empty());
    CHECK(typist.editor.history().size() == 1);
}

TEST_CASE("Tab asks for completion in both directions") {
    Typist typist;
    typist.type("a");
    typist.keys({"tab", "tab", "s-tab"});
    CHECK(typist.completed == 1);
    CHECK(typist.text() == "a");
}

TEST_CASE("There is one editor at a time") {
    const Typist typist;
    CHECK_THROWS_AS(Typist(), std::logic_error);
}
