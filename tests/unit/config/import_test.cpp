// SPDX-License-Identifier: GPL-3.0-or-later
// Command lines of QEMU as files: each tests/golden/import/NAME.sh gives NAME.toml, which a QEMU that we know
// takes. With QVM_TEST_ACCEPT=1 the files are rewritten, and the run fails so that nobody overlooks it.
#include "config/import.hpp"

#include <random>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "config/check.hpp"
#include "config/document.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"
#include "config/shell_words.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/saved_qemu.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> corpus() {
    std::vector<fs::path> files;
    for (const auto& file : fs::directory_iterator(QVM_SOURCE_DIR "/tests/golden/import"))
        if (file.path().extension() == ".sh") files.push_back(file.path());
    return files;
}

Import imported(const std::string& script) {
    return import_command(qemu_command(script).words);
}

/// What `check --no-host` says of it, but for the places on buses.
Diagnostics checked(const std::string& toml) {
    Diagnostics diagnostics;
    const Document document = load({{"vm.toml", "/vm/test/vm.toml", toml}}, {}, diagnostics);
    Vm vm = lower(document, diagnostics);
    find_host_uses(vm, document, diagnostics);
    check(vm, test::saved_qemu(), diagnostics);
    diagnostics.sort();
    return diagnostics;
}

TEST_CASE("goldens: command lines as files") {
    const auto files = corpus();
    CHECK(files.size() >= 40);
    for (const auto& file : files) {
        test::check_golden(fs::path(file).replace_extension(".toml"), imported(read_file(file).bytes).toml);
    }
}

TEST_CASE("QEMU takes what import makes") {
    for (const auto& file : corpus()) {
        INFO(file.string());
        const auto result = imported(read_file(file).bytes);
        const Diagnostics diagnostics = checked(result.toml);
        INFO(result.toml);
        INFO(diagnostics.to_text(false));
        CHECK_FALSE(diagnostics.has_errors());
    }
}

TEST_CASE("each warning is a comment in the file, too") {
    for (const auto& file : corpus()) {
        INFO(file.string());
        const auto result = imported(read_file(file).bytes);
        for (const auto& warning : result.warnings)
            CHECK_THAT(result.toml, ContainsSubstring("# " + escape_controls(warning) + "\n"));
    }
}

TEST_CASE("a script cut anywhere is read to its end") {
    for (const auto* file : {"script.sh", "bash-array.sh", "libvirt-like.sh"}) {
        const std::string text = read_file(fs::path(QVM_SOURCE_DIR "/tests/golden/import") / file).bytes;
        for (std::size_t size = 0; size <= text.size(); ++size) {
            const auto words = qemu_command(std::string_view(text).substr(0, size)).words;
            try {
                if (!words.empty()) static_cast<void>(import_command(words));
            } catch (const Error& error) {
                CHECK(error.exit_code() == ExitCode::Invalid);
            }
        }
    }
}

TEST_CASE("whatever is imported is TOML") {
    std::mt19937 random(7);  // NOLINT: the same mutations in each run
    for (const auto& file : corpus()) {
        const std::string text = read_file(file).bytes;
        for (int round = 0; round < 40; ++round) {
            std::string changed = text;
            for (int i = 0; i < 3; ++i) changed[random() % changed.size()] = ",=:\"'.[]\\-x0 "[random() % 13];
            INFO(changed);
            const auto words = qemu_command(changed).words;
            if (words.empty()) continue;
            try {
                const auto result = import_command(words);
                Diagnostics diagnostics;
                static_cast<void>(load({{"a.toml", "/a.toml", result.toml}}, {}, diagnostics));
                INFO(result.toml);
                INFO(diagnostics.to_text(false));
                CHECK(diagnostics.size() == 0);
            } catch (const Error& error) {
                CHECK(error.exit_code() == ExitCode::Invalid);
            }
        }
    }
}

TEST_CASE("ids given twice, which QEMU refuses itself, make two tables") {
    const auto result = imported(
        "qemu-system-x86_64 -nic user,id=n -nic user,id=n -device edu,id=e -device edu,id=e -vnc :1 -vnc :2 "
        "-object secret,id=s,data=a -object secret,id=s,data=b");
    Diagnostics diagnostics;
    static_cast<void>(load({{"a.toml", "/a.toml", result.toml}}, {}, diagnostics));
    INFO(result.toml);
    CHECK(diagnostics.size() == 0);
    CHECK_THAT(result.toml, ContainsSubstring("[device.e-1]"));
}

TEST_CASE("words that no file can hold") {
    CHECK_THROWS_AS(import_command({"qemu-system-x86_64", "-hda", "\xff.raw"}), Error);
    CHECK_THROWS_AS(import_command({"qemu-system-x86_64", "-m"}), Error);
    const auto odd = import_command({"qemu-system-x86_64", "-hda", "a\nb\x1b.qcow2"});
    Diagnostics diagnostics;
    const auto document = load({{"a.toml", "/a.toml", odd.toml}}, {}, diagnostics);
    CHECK(diagnostics.size() == 0);
    CHECK(*document.root.table()->find("disk")->table()->find("hda")->table()->find("file")->string() ==
          "a\nb\x1b.qcow2");
}

}  // namespace
}  // namespace qvm::config
