// SPDX-License-Identifier: GPL-3.0-or-later
// A file of the language in the making, with comments.
#pragma once
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "config/value.hpp"

namespace qvm::config {

class Draft {
  public:
    /// One [table]. `comments` stand above it, one a line.
    struct Part {
        std::vector<std::string> path;  ///< ["disk", "root"]
        std::vector<std::string> comments;
        Table members;
        bool repeated = false;  ///< [[table]]

        Part& put(std::string key, Value value);
        Part& put(std::string key, Value::Data data) {
            return put(std::move(key), Value(std::move(data), {}));
        }
        Part& put(std::string key, const char* text) {
            return put(std::move(key), Value::Data(std::string(text)));
        }
        /// Adds what the table of that name has: [disk.X.device].
        void merge_into(const std::string& key, Table members);
    };

    /// A line above all tables. An earlier one of the same key is replaced.
    void set(std::string key, Value value, std::string comment = {});
    // Parts stay where they are, whatever is added later.

    /// A new table; a path that is taken gets a number.
    Part& add(std::vector<std::string> path, std::string comment = {});
    /// [[table]]
    Part& add_repeated(std::vector<std::string> path, std::string comment);
    /// The table of that path, made if need be.
    Part& at(const std::vector<std::string>& path, std::string comment);
    /// A paragraph of its own at the end of the file.
    void remark(std::string comment) { remarks_.push_back(std::move(comment)); }
    /// `source`: what it was translated from.
    std::string text(std::string_view source) const;

  private:
    Part* find(const std::vector<std::string>& path);

    struct Line {
        std::string key, comment;
        Value value;
    };
    std::vector<Line> lines_;
    std::deque<Part> parts_;
    std::vector<std::string> remarks_;
};

}  // namespace qvm::config
