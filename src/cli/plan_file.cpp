// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/plan_file.hpp"

#include <filesystem>

#include <fmt/format.h>

#include "base/file.hpp"
#include "cli/reference.hpp"

namespace qvm::cli {
namespace {

namespace fs = std::filesystem;

/// Empty when it cannot be read: whoever needs it says so.
std::string text_of(const std::string& path) {
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) return {};
    return read_file(path).bytes;
}

}  // namespace

std::vector<launch::SavedFile> saved_files(const std::vector<config::SourceText>& texts) {
    std::vector<launch::SavedFile> files;
    for (const auto& text : texts) files.push_back(launch::SavedFile::of(text.path, text.text));
    return files;
}

launch::SavedPlan plan_of(const Front& front, const Comparison& comparison, const PlanOptions& options) {
    launch::SavedPlan plan;
    plan.vm = front.vm.name.value;
    plan.generation = comparison.applied.generation;
    plan.revision = comparison.applied.revision;
    plan.directory = fs::current_path();
    plan.files = saved_files(front.texts);
    plan.inherited = saved_files(front.document.inherited);
    plan.overrides = front.sets;
    plan.replug = options.replug;
    plan.fix_drift = options.fix_drift;
    plan.changes = launch::to_json(comparison.difference);
    return plan;
}

void write_plan_file(const launch::SavedPlan& plan, const std::string& path) {
    std::error_code ignored;
    if (fs::exists(path, ignored) && !launch::is_saved_plan(text_of(path)))
        throw Error(ExitCode::Usage, fmt::format("'{}' is there already, and is no saved plan", path),
                    "-o replaces nothing else: give another name");
    try {
        write_atomically(path, plan.text());
    } catch (const SystemError& error) {
        throw Error(error.exit_code(), fmt::format("the plan cannot be saved: {}", error.what()),
                    "-o wants a file in a directory where you may make files");
    }
}

std::optional<launch::SavedPlan> read_plan_file(const std::string& word) {
    if (!is_file_reference(word)) return std::nullopt;
    const auto text = text_of(word);
    if (!launch::is_saved_plan(text)) return std::nullopt;
    return launch::SavedPlan::from_text(text, word);
}

void expect_current(const launch::SavedPlan& saved, const launch::SavedPlan& now, const std::string& path) {
    const auto differs = launch::what_differs(saved, now);
    if (differs.empty()) return;
    throw Error(ExitCode::Invalid,
                fmt::format("{}: '{}' is out of date: {}; nothing was changed", saved.vm, path,
                            fmt::join(differs, ", ")),
                fmt::format("`{}` makes it anew", saved.command(path)));
}

}  // namespace qvm::cli
