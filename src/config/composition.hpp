// SPDX-License-Identifier: GPL-3.0-or-later
// A file and what it inherits: `extends`, `include`, `unset`.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "config/document.hpp"
#include "config/toml_reader.hpp"

namespace qvm::config {

/// extends, include, unset: they say what is read, and are gone once it is.
bool is_composition_key(std::string_view key);

/// Reads what texts inherit, and what that inherits, as it merges them.
class Composer {
  public:
    Composer(Document& document, const Library& library, Diagnostics& diagnostics)
        : document_(document), library_(library), diagnostics_(diagnostics) {}

    /// What `text` says over what it inherits. What was read is in Document::names and Document::inherited.
    Table compose(const SourceText& text, const Via& via = {});

  private:
    struct Target;
    std::vector<Target> take_targets(Table& table);
    Table inherited(const SourceText& text, Table& table);
    std::optional<SourceText> find(const SourceText& from, const Target& target);
    std::optional<SourceText> find_file(const SourceText& from, const Target& target);
    std::optional<SourceText> find_template(const SourceText& from, const Target& target);
    bool may_read(const std::filesystem::path& path, const Target& target);
    void unset(Table& from, const Value& keys);

    Document& document_;
    const Library& library_;
    Diagnostics& diagnostics_;
    std::vector<std::filesystem::path> chain_;  ///< from the outermost text to the one being read
};

/// For `path`, which is not in `table`.
Diagnostic nothing_to_unset(const Table& table, const std::vector<std::string>& path, const Origin& origin);

}  // namespace qvm::config
