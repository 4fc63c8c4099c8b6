// SPDX-License-Identifier: GPL-3.0-or-later
// Files and their plans: tests/golden/plan/NAME.toml -> NAME.json and NAME.txt, against the saved
// QEMU 7.2.22. QVM_TEST_ACCEPT=1 rewrites what differs, and fails so that nobody overlooks it.
#include "launch/plan.hpp"

#include <algorithm>
#include <filesystem>

#include "config/check.hpp"
#include "config/document.hpp"
#include "config/dump.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"
#include "launch/compile.hpp"
#include "launch/placement.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/saved_qemu.hpp"

using namespace qvm;
namespace fs = std::filesystem;

namespace {

const fs::path folder = QVM_SOURCE_DIR "/tests/golden/plan";

std::vector<fs::path> toml_files() {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().extension() == ".toml") files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

/// As `qvm plan --no-host` goes, with paths that are the same on every machine.
config::Vm checked(const std::string& name, const std::string& text) {
    Diagnostics diagnostics;
    const auto document =
        config::load({config::SourceText{name, fs::path("/vm") / name, text}}, {}, diagnostics);
    config::Vm vm = config::lower(document, diagnostics);
    config::find_host_uses(vm, document, diagnostics);
    launch::place(vm, test::saved_qemu(), diagnostics);
    config::check(vm, test::saved_qemu(), diagnostics);
    INFO(diagnostics.to_text(false));
    CHECK_FALSE(diagnostics.has_errors());
    return vm;
}

launch::Plan plan_of(const config::Vm& vm) {
    return launch::compile(vm, test::saved_qemu(), vm.machine.accel.value.front());
}

Json without_origins(Json plan) {
    for (auto& step : plan["steps"]) step.erase("origin");
    return plan;
}

}  // namespace

TEST_CASE("every golden file has its plan") {
    for (const auto& path : toml_files()) {
        const auto plan = plan_of(checked(path.filename().string(), read_file(path).bytes));
        test::check_golden(fs::path(path).replace_extension(".json"), plan.to_json().dump(1) + '\n');
        test::check_golden(fs::path(path).replace_extension(".txt"), plan.to_text());
    }
}

TEST_CASE("the raw level of a file has the same plan as the file") {
    for (const auto& path : toml_files()) {
        const auto name = path.filename().string();
        INFO(name);
        auto vm = checked(name, read_file(path).bytes);
        const auto raw = config::to_toml(vm);
        INFO(raw);
        CHECK(without_origins(plan_of(checked(name, raw)).to_json()) ==
              without_origins(plan_of(vm).to_json()));
    }
}

TEST_CASE("compiling is deterministic") {
    for (const auto& path : toml_files()) {
        const auto name = path.filename().string();
        CHECK(plan_of(checked(name, read_file(path).bytes)).to_json() ==
              plan_of(checked(name, read_file(path).bytes)).to_json());
    }
}
