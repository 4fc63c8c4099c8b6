// SPDX-License-Identifier: GPL-3.0-or-later
// Files and overrides, read and merged: the tree of what the user wrote, each value with its origin. Never
// throws for bad content: that goes to Diagnostics.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/error.hpp"
#include "base/file.hpp"
#include "config/value.hpp"

namespace qvm::config {

/// A text to read as TOML; `name` is what messages call it, `path` its absolute path (for relative paths in
/// it).
struct SourceText {
    std::string name;
    std::filesystem::path path;
    std::string text;
};

/// One --set KEY=VALUE or --unset KEY; KEY is a TOML dotted key.
struct Override {
    std::string text;  ///< "memory.size=2G" or "memory.size", as given

    /// It is KEY alone.
    bool unsets() const;
};

/// Where the files are that others name.
struct Library {
    /// `extends = "NAME"` is NAME.toml beside the file, or in the first of these that has it.
    std::vector<std::filesystem::path> templates;
    std::function<FileContent(const std::filesystem::path&)> read = read_file;
    /// Holds a directory of each VM, with what qvm keeps for it.
    std::filesystem::path state = "/var/lib/qvm";
};

struct Document {
    Value root;  ///< always a table
    /// The files read, absolute, in order of precedence (last wins); the first one gives the VM its name.
    std::vector<std::filesystem::path> files;
    /// What these inherit, in the order in which it was read.
    std::vector<SourceText> inherited;
    std::filesystem::path state;  ///< Library::state
    /// The VM's name: its `name`, else that of its first file; empty without one.
    std::string name() const;
    /// The directory of the file that an origin names; relative paths in it are relative to this.
    std::filesystem::path directory_of(const Origin& origin) const;
    /// Origin::file name -> absolute path.
    std::vector<std::pair<std::string, std::filesystem::path>> names;
};

/// Merges the texts in order, each over what it extends and includes, then the overrides: later wins, tables
/// merge, scalars and arrays replace. Short forms (machine = "q35", memory = "4G", cpus = 4, ...) become
/// tables before merging. A syntax error in a text is one diagnostic, and that text contributes nothing. A
/// value given by --set is typed by its key where the key is known to be a string (serial=0123), else as
/// TOML, else it is a string. Then ${..} is replaced in all strings.
Document load(const std::vector<SourceText>& texts, const std::vector<Override>& overrides,
              Diagnostics& diagnostics, const Library& library = {});

/// A file that should say what the VM is, and cannot be read (ExitCode::Invalid).
class UnreadableFile : public SystemError {
  public:
    UnreadableFile(std::string path, int error);
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

/// Reads the files for load(). Throws UnreadableFile.
std::vector<SourceText> read_files(const std::vector<std::string>& paths);

}  // namespace qvm::config
