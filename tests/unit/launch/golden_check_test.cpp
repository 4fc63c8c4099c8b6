// SPDX-License-Identifier: GPL-3.0-or-later
// Files and what is said about them: tests/golden/check/NAME.toml -> NAME.txt, against the saved QEMU 7.2.22.
// An empty .txt is a file with nothing wrong. QVM_TEST_ACCEPT=1 rewrites what differs, shows it, and fails.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

#include "config/check.hpp"
#include "config/document.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"
#include "launch/placement.hpp"
#include "support/catch.hpp"
#include "support/saved_qemu.hpp"

using namespace qvm;
namespace fs = std::filesystem;

namespace {

const fs::path folder = QVM_SOURCE_DIR "/tests/golden/check";

std::string read(const fs::path& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<fs::path> toml_files() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().extension() == ".toml") files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

/// As `qvm check` goes, with a path that is the same on every machine.
Diagnostics diagnose(const fs::path& path) {
    Diagnostics diagnostics;
    const std::string name = path.filename().string();
    const auto document =
        config::load({config::SourceText{name, fs::path("/vm") / name, read(path)}}, {}, diagnostics);
    config::Vm vm = config::lower(document, diagnostics);
    config::find_host_uses(vm, document, diagnostics);
    launch::place(vm, test::saved_qemu(), diagnostics);
    config::check(vm, test::saved_qemu(), diagnostics);
    diagnostics.sort();
    return diagnostics;
}

void show_difference(const std::string& name, const std::string& before, const std::string& after) {
    std::istringstream old_lines(before), new_lines(after);
    std::multiset<std::string> gone, fresh;
    for (std::string line; std::getline(old_lines, line);) gone.insert(line);
    for (std::string line; std::getline(new_lines, line);) {
        if (const auto same = gone.find(line); same != gone.end())
            gone.erase(same);
        else
            fresh.insert(line);
    }
    std::cerr << "--- " << name << '\n';
    for (const auto& line : gone) std::cerr << "- " << line << '\n';
    for (const auto& line : fresh) std::cerr << "+ " << line << '\n';
}

}  // namespace

TEST_CASE("every golden file is told what is wrong with it") {
    const bool accept = std::getenv("QVM_TEST_ACCEPT") != nullptr;
    for (const fs::path& path : toml_files()) {
        INFO(path.filename().string());
        const std::string text = diagnose(path).to_text(false);
        const fs::path golden = fs::path(path).replace_extension(".txt");
        const std::string wanted = fs::exists(golden) ? read(golden) : "(no golden)\n";
        CHECK(text == wanted);
        if (text == wanted || !accept) continue;
        show_difference(path.filename().string(), wanted, text);
        std::ofstream(golden) << text;
    }
}

TEST_CASE("a file with ten mistakes reports ten") {
    CHECK(diagnose(folder / "ten-mistakes.toml").size() == 10);
}

TEST_CASE("good files are not complained about") {
    std::size_t good = 0;
    for (const fs::path& path : toml_files()) {
        if (!path.filename().string().starts_with("good-")) continue;
        INFO(path.filename().string());
        CHECK(diagnose(path).size() == 0);
        ++good;
    }
    CHECK(good >= 8);
}

TEST_CASE("at least sixty files are broken, each of a different kind or place") {
    std::set<DiagnosticKind> kinds;
    std::size_t broken = 0;
    for (const fs::path& path : toml_files()) {
        const auto diagnostics = diagnose(path);
        broken += diagnostics.size() == 0 ? 0 : 1;
        for (const auto& d : diagnostics.list()) kinds.insert(d.kind);
    }
    CHECK(broken >= 60);
    // What only a running QEMU, or a later look at the host, can find is not found by these.
    for (const auto kind :
         {DiagnosticKind::TomlSyntax, DiagnosticKind::UnknownKey, DiagnosticKind::UnknownTable,
          DiagnosticKind::BadType, DiagnosticKind::BadEnum, DiagnosticKind::BadSize, DiagnosticKind::BadValue,
          DiagnosticKind::Missing, DiagnosticKind::Conflict, DiagnosticKind::DuplicateId,
          DiagnosticKind::BadRef, DiagnosticKind::WrongRefType, DiagnosticKind::Cycle,
          DiagnosticKind::BusFull, DiagnosticKind::NotInThisQemu, DiagnosticKind::PathInJail,
          DiagnosticKind::Deprecated, DiagnosticKind::Unused}) {
        INFO(kind_name(kind));
        CHECK(kinds.contains(kind));
    }
}
