// SPDX-License-Identifier: GPL-3.0-or-later
// Saved plans on disk, and what they are made of.
#pragma once
#include <optional>
#include <string>

#include "cli/compare.hpp"
#include "cli/front.hpp"
#include "launch/saved_plan.hpp"

namespace qvm::cli {

struct PlanOptions {
    bool replug = false;
    bool fix_drift = false;
};

/// What `plan -o` would save now.
/// As a saved plan knows them.
std::vector<launch::SavedFile> saved_files(const std::vector<config::SourceText>& texts);

launch::SavedPlan plan_of(const Front& front, const Comparison& comparison, const PlanOptions& options);

/// Mode 0600, the old file or the new whole. Throws Error when something else than a plan is there.
void write_plan_file(const launch::SavedPlan& plan, const std::string& path);

/// The plan that `word` (of `apply`) names; nothing when it is no file, or one of a VM. Throws Error
/// (Invalid) when it is damaged.
std::optional<launch::SavedPlan> read_plan_file(const std::string& word);

/// Throws Error (Invalid) that says what has changed since `saved` was made. `now`: see what_differs.
void expect_current(const launch::SavedPlan& saved, const launch::SavedPlan& now, const std::string& path);

}  // namespace qvm::cli
