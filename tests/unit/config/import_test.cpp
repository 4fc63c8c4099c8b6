// SPDX-License-Identifier: GPL-3.0-or-later
// Command lines of QEMU, and domains of libvirt, as files: each NAME.sh or NAME.xml in tests/golden gives
// NAME.toml, which a QEMU that we know takes. With QVM_TEST_ACCEPT=1 the files are rewritten, and the run
// fails so that nobody overlooks it.
#include "config/import.hpp"

#include <random>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "config/check.hpp"
#include "config/document.hpp"
#include "config/host_uses.hpp"
#include "config/import_libvirt.hpp"
#include "config/lower.hpp"
#include "config/shell_words.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/saved_qemu.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_in(const char* directory, std::string_view suffix) {
    std::vector<fs::path> files;
    for (const auto& file : fs::directory_iterator(fs::path(QVM_SOURCE_DIR "/tests/golden") / directory))
        if (file.path().extension() == suffix) files.push_back(file.path());
    return files;
}

std::vector<fs::path> corpus() {
    return files_in("import", ".sh");
}

std::vector<fs::path> domains() {
    return files_in("libvirt", ".xml");
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

TEST_CASE("goldens: domains of libvirt as files") {
    const auto files = domains();
    CHECK(files.size() >= 20);
    for (const auto& file : files) {
        const auto made = import_libvirt(read_file(file).bytes);
        test::check_golden(fs::path(file).replace_extension(".toml"), made.toml);
    }
}

TEST_CASE("QEMU takes what import makes of a domain") {
    for (const auto& file : domains()) {
        INFO(file.string());
        if (file.stem() == "aarch64") continue;  // another QEMU's
        const auto made = import_libvirt(read_file(file).bytes);
        const Diagnostics diagnostics = checked(made.toml);
        INFO(made.toml);
        INFO(diagnostics.to_text(false));
        CHECK_FALSE(diagnostics.has_errors());
    }
}

TEST_CASE("what a domain has and a file has not is never left out in silence") {
    for (const auto& file : domains()) {
        INFO(file.string());
        const auto made = import_libvirt(read_file(file).bytes);
        for (const auto& warning : made.warnings)
            CHECK_THAT(made.toml, ContainsSubstring("# " + escape_controls(warning) + "\n"));
    }
    const auto odd = [](const std::string& inside) {
        return import_libvirt("<domain type='kvm'><memory>524288</memory>" + inside + "</domain>").warnings;
    };
    CHECK(odd("").empty());
    CHECK(odd("<vcpu>1</vcpu><os><type>hvm</type></os><features><acpi/></features>").empty());
    CHECK(odd("<something a='b'/>").size() == 1);
    CHECK(odd("<vcpu hot='yes'>1</vcpu>").size() == 1);
    CHECK(odd("<devices><disk type='file'><source file='/a.raw' mode='x'/><target dev='vda'/><geometry "
              "cyls='1'/></disk></devices>")
              .size() == 2);
}

TEST_CASE("no password of a domain is copied, wherever it stands") {
    const auto made = import_libvirt(
        "<domain type='kvm'><memory>524288</memory><devices><graphics type='vnc' port='1' passwd='s3cret' "
        "listen='0.0.0.0'/><graphics type='spice' passwd='s3cret'/><disk type='network'><source "
        "protocol='https' "
        "name='x'><cookies><cookie name='c'>s3cret</cookie></cookies></source></disk></devices></domain>");
    CHECK(made.toml.find("s3cret") == std::string::npos);
    CHECK(std::ranges::none_of(made.warnings,
                               [](const auto& text) { return text.find("s3cret") != std::string::npos; }));
    CHECK_THAT(made.toml,
               ContainsSubstring("passwd: it is not copied") && ContainsSubstring("listen='0.0.0.0'"));
}

TEST_CASE(
    "a forward of a domain is on all addresses, and one that leaves ports out is not made wider in silence") {
    const auto made = import_libvirt(
        "<domain type='kvm'><memory>524288</memory><devices><interface type='user'><portForward "
        "proto='tcp'><range "
        "start='3000' end='3100'/><range start='3050' "
        "exclude='yes'/></portForward></interface></devices></domain>");
    CHECK_THAT(made.toml, ContainsSubstring("forward = [\"0.0.0.0:3000-3100 -> 3000\"]"));
    CHECK_THAT(made.toml, ContainsSubstring("3050 exclude"));
}

TEST_CASE("what is no domain of QEMU's is told, with its place") {
    CHECK_THROWS_WITH(import_libvirt("<domain>\n  <name>x</nam></domain>"), ContainsSubstring("2:"));
    CHECK_THROWS_WITH(import_libvirt(""), ContainsSubstring("no XML"));
    CHECK_THROWS_WITH(import_libvirt("<network/>"), ContainsSubstring("<network>"));
    CHECK_THROWS_WITH(import_libvirt("<domain type='lxc'/>"), ContainsSubstring("'lxc'"));
    CHECK_THROWS_WITH(import_libvirt("<domain type='kvm'><name>\xFF</name></domain>"),
                      ContainsSubstring("UTF-8"));
}

TEST_CASE("a domain cut anywhere, or with a word changed, ends in a file or in an error") {
    const std::string text = read_file(QVM_SOURCE_DIR "/tests/golden/libvirt/server.xml").bytes;
    std::mt19937 random(20261122);
    constexpr int times = 400;
    for (int i = 0; i < times; ++i) {
        auto changed = text;
        const auto at = std::uniform_int_distribution<std::size_t>(0, text.size() - 1)(random);
        const auto what = std::uniform_int_distribution<int>(0, 2)(random);
        if (what == 0) changed.resize(at);
        if (what == 1) changed.erase(at, 8);
        if (what == 2) changed.replace(at, 1, std::to_string(random()));
        try {
            static_cast<void>(checked(import_libvirt(changed).toml));
        } catch (const Error&) {
        }
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
