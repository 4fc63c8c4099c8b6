// SPDX-License-Identifier: GPL-3.0-or-later
// The libraries that programs need, and the libraries that those need, found as ld.so(8) would find them in a
// jail: without its cache, which lies in /etc. Nothing is executed for it, unlike with ldd(1).
#pragma once
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace qvm::jail {

class Closure {
  public:
    /// A library that is in no directory where it was looked for.
    struct Missing {
        std::string library;
        std::filesystem::path needed_by;
    };

    /// `given` comes before what a file itself says (--library-path), `usual` after it.
    Closure(std::vector<std::filesystem::path> given, std::vector<std::filesystem::path> usual)
        : given_(std::move(given)), usual_(std::move(usual)) {}

    /// Adds what `file` needs, not `file`. What is no ELF file needs nothing.
    void add(const std::filesystem::path& file);
    /// Adds the library of this name and what it needs; false if there is none.
    bool add_library(const std::string& name, unsigned machine);

    /// The libraries' paths, as ld.so opens them, sorted.
    const std::set<std::filesystem::path>& libraries() const { return libraries_; }
    const std::vector<Missing>& missing() const { return missing_; }

  private:
    using Paths = std::vector<std::filesystem::path>;
    std::filesystem::path find(const std::string& name, unsigned machine, const Paths& before,
                               const Paths& after) const;

    Paths given_, usual_;
    std::set<std::filesystem::path> seen_;
    std::set<std::filesystem::path> libraries_;
    std::vector<Missing> missing_;
};

}  // namespace qvm::jail
