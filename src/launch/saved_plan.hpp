// SPDX-License-Identifier: GPL-3.0-or-later
// What `plan -o` saves, and `apply` does exactly or not at all: what was shown, and what it was made of, so
// that it can be seen whether that is still so. It holds no operations and no file's text: the files are
// compiled anew, so a secret of theirs is not in it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "launch/diff.hpp"

namespace qvm::launch {

struct SavedFile {
    std::filesystem::path path;  ///< absolute
    std::string hash;            ///< of its text: against accidents, not against who writes the file
    static SavedFile of(const std::filesystem::path& path, std::string_view text);
};

struct SavedPlan {
    std::string vm;
    std::uint64_t generation = 0, revision = 0;  ///< Applied's
    std::filesystem::path directory;             ///< relative paths in overrides begin here
    std::vector<SavedFile> files;
    std::vector<SavedFile> inherited;    ///< by these
    std::vector<std::string> overrides;  ///< --set and --unset
    bool replug = false, fix_drift = false;
    Json changes = Json::array();  ///< as they were shown, with their origins

    std::string text() const;
    /// The command line that makes it anew, saved as `path`.
    std::string command(const std::string& path) const;
    /// `path` is what messages call it. Throws Error (Invalid) when it is damaged, or of another version.
    static SavedPlan from_text(std::string_view text, const std::string& path);
};

/// True of a damaged one, too, and of no other JSON.
bool is_saved_plan(std::string_view text);

/// What is not as it was when `saved` was made: sentences. `now` is the plan that would be saved now, of the
/// same files and with the same options.
std::vector<std::string> what_differs(const SavedPlan& saved, const SavedPlan& now);

}  // namespace qvm::launch
