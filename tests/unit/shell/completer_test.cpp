// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/completer.hpp"

#include <clocale>
#include <cstdlib>
#include <filesystem>

#include "shell/page.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"
#include "unit/shell/saved_vocabulary.hpp"

using namespace qvm;
using namespace qvm::shell;

namespace {

using Texts = std::vector<std::string>;

/// Nobody's ~/.inputrc: readline reads one, once in a process.
void use_no_inputrc() {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    ::setenv("INPUTRC", "/dev/null", 1);
}

struct Entry {
    Entry() : editor((use_no_inputrc(), Editor::Options{})) {}

    /// The line after Tab (or Shift+Tab) in this one.
    std::string tab(const std::string& text, int direction = 1) {
        editor.set_text(text);
        completer.close();
        return tab(direction);
    }
    std::string tab(int direction = 1) {
        completer.complete(editor, vocabulary, direction);
        return editor.state().text;
    }
    std::string learn() {
        completer.learned(editor, vocabulary);
        return editor.state().text;
    }
    Texts rows() const {
        Texts texts;
        for (const auto& row : completer.popup().rows) texts.push_back(row.text);
        return texts;
    }

    test::SavedVocabulary vocabulary;
    Editor editor;
    Completer completer;
};

}  // namespace

TEST_CASE("The only one is put in, with a blank where nothing more follows") {
    Entry line;
    CHECK(line.tab("query-statu") == "query-status ");
    CHECK_FALSE(line.completer.is_open());
    CHECK(line.completer.popup().rows.empty());
    CHECK(line.tab("query-block-jobs ") == "query-block-jobs ");
    CHECK(line.tab("set_link na") == "set_link name=");
    CHECK(line.tab("set_link name=x up=t") == "set_link name=x up=true ");
    CHECK(line.tab("no-such-command-begins-so") == "no-such-command-begins-so");
    CHECK_FALSE(line.completer.is_open());
}

TEST_CASE("What all have in common is put in, then each in turn, both ways") {
    Entry line;
    CHECK(line.tab("job-c") == "job-c");
    CHECK(line.rows() == Texts{"job-cancel", "job-complete"});
    CHECK(line.completer.popup().chosen == 2);
    CHECK(line.tab() == "job-cancel");
    CHECK(line.completer.popup().chosen == 0);
    CHECK(line.tab() == "job-complete");
    CHECK(line.tab() == "job-cancel");
    CHECK(line.tab(-1) == "job-complete");
    CHECK(line.rows() == Texts{"job-cancel", "job-complete"});
    CHECK(line.tab("query-memory-d") == "query-memory-devices ");
    CHECK(line.tab("query-memo") == "query-memory-");
    CHECK(line.tab(-1) == "query-memory-size-summary");
}

TEST_CASE("In the middle of a line the rest stays") {
    Entry line;
    line.editor.set_text("set_link na up=true");
    for (int i = 0; i < 8; ++i) line.editor.feed(*key_named("left"));
    CHECK(line.tab() == "set_link name= up=true");
    CHECK(line.editor.state().point == std::string("set_link name=").size());
}

TEST_CASE("A key in between begins anew") {
    Entry line;
    CHECK(line.tab("job-c") == "job-c");
    CHECK(line.tab() == "job-cancel");
    line.editor.feed(*key_named("backspace"));
    line.completer.close();
    CHECK_FALSE(line.completer.is_open());
    CHECK(line.tab() == "job-cancel ");
    // Without it being told, it sees that the line is another one.
    CHECK(line.tab("job-c") == "job-c");
    line.editor.set_text("query-statu");
    CHECK(line.tab() == "query-status ");
}

TEST_CASE("What was typed is not taken away where it is within what is found") {
    Entry line;
    CHECK(line.tab("tray") == "tray");
    CHECK(line.rows() == Texts{"blockdev-close-tray", "blockdev-open-tray"});
    CHECK(line.tab() == "blockdev-close-tray");
}

TEST_CASE("Names that are asked for come into the popup, while the line is the same") {
    Entry line;
    using K = NameKind;
    CHECK(line.tab("chardev-remove id=s") == "chardev-remove id=s");
    REQUIRE(line.completer.is_open());
    CHECK(line.rows() == Texts{"..."});
    CHECK(line.tab() == "chardev-remove id=s");
    line.vocabulary.known[{K::Chardev, ""}] = {"serial0", "serial1"};
    CHECK(line.learn() == "chardev-remove id=serial");
    CHECK(line.rows() == Texts{"serial0", "serial1"});
    CHECK(line.tab() == "chardev-remove id=serial0");
    // What comes later does not disturb who is choosing.
    line.vocabulary.known[{K::Chardev, ""}] = {"serial0", "serial1", "serial2"};
    CHECK(line.learn() == "chardev-remove id=serial0");
    CHECK(line.rows().size() == 2);

    CHECK(line.tab("netdev_del id=") == "netdev_del id=");
    line.vocabulary.known[{K::Netdev, ""}] = {"net0"};
    CHECK(line.learn() == "netdev_del id=net0 ");
    CHECK_FALSE(line.completer.is_open());

    // The line is another one by then.
    CHECK(line.tab("job-pause id=") == "job-pause id=");
    line.editor.set_text("job-pause id=x");
    line.vocabulary.known[{K::Job, ""}] = {"j0"};
    CHECK(line.learn() == "job-pause id=x");
    CHECK_FALSE(line.completer.is_open());
    // There are none: nothing is shown for it.
    CHECK(line.tab("object-del id=") == "object-del id=");
    line.vocabulary.known[{K::Object, ""}] = {};
    line.learn();
    CHECK(line.rows().empty());
    CHECK_FALSE(line.completer.is_open());
}

TEST_CASE("Files are those of a directory, hidden ones when they are asked for") {
    Entry line;
    test::TemporaryDirectory directory;
    const auto path = directory.path().string() + "/";
    directory.write("alpha", "");
    directory.write(".hidden", "");
    std::filesystem::create_directory(path + "beta");
    CHECK(line.tab("/save " + path) == "/save " + path);
    CHECK(line.rows() == Texts{path + "alpha", path + "beta/"});
    CHECK(line.tab("/save " + path + "al") == "/save " + path + "alpha ");
    CHECK(line.tab("/save " + path + "be") == "/save " + path + "beta/");
    CHECK(line.tab("/save " + path + ".h") == "/save " + path + ".hidden ");
    CHECK(line.tab("/save " + path + "none/") == "/save " + path + "none/");
    CHECK_FALSE(line.completer.is_open());
}

TEST_CASE("Half a character is never put in") {
    Entry line;
    line.vocabulary.known[{NameKind::Chardev, ""}] = {"sé", "sè"};
    CHECK(line.tab("chardev-remove id=") == "chardev-remove id=s");
}

TEST_CASE("A synopsis has the required arguments first") {
    test::SavedVocabulary vocabulary;
    const auto text = plain_text(synopsis("set_link", vocabulary));
    CHECK(text.starts_with("set_link name="));
    const auto mirror = plain_text(synopsis("blockdev-mirror", vocabulary));
    CHECK(mirror.find(" device=") < mirror.find(" [job-id="));
    CHECK(plain_text(synopsis("query-status", vocabulary)) ==
          "query-status  Query the run status of the VM.");
    CHECK(synopsis("no-such", vocabulary).empty());
}
