// SPDX-License-Identifier: GPL-3.0-or-later
// Which VM a word on the command line means.
#pragma once
#include <string>
#include <vector>

#include "config/document.hpp"
#include "launch/state.hpp"

namespace CLI {
class App;
}

namespace qvm::cli {

/// A word with a '/' or ending in ".toml" or ".plan" (launch/saved_plan.hpp) is a file, any other a name.
bool is_file_reference(const std::string& word);

/// A file as such a word: "./notes" for "notes".
std::string as_file_reference(const std::string& file);

struct NamedFiles {
    std::vector<std::string> files;
    std::vector<std::string> overrides;  ///< --set and --unset of the last start
};
/// The directories of templates: the user's, the system's, and those that came with the program.
config::Library library();

/// The files of a name: of its last start, else NAME.toml in the configuration directories (~/.config/qvm,
/// /etc/qvm). Throws Error (NoSuchVm) with the nearest name.
NamedFiles files_of_name(const std::string& name);

/// The state of the VM that `word` (a name or a file; "": ./vm.toml) means. Throws Error (NoSuchVm) when no
/// such VM has ever been started.
launch::VmState find_vm(const std::string& word);

/// Adds the positional argument NAME to a verb.
void add_name(CLI::App& verb, std::string& word);

/// "web is not running", with the way out.
Error not_running(const launch::VmState& vm);

}  // namespace qvm::cli
