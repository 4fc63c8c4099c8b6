// SPDX-License-Identifier: GPL-3.0-or-later
// Something to read that covers the log: help, documentation, a graph, a table. It is laid out for the width
// it has, anew when that changes.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shell/frame.hpp"

namespace qvm::shell {

class Page {
  public:
    using Content = std::function<std::vector<Line>(std::size_t columns)>;
    Page(std::string title, Content content) : title_(std::move(title)), content_(std::move(content)) {}

    const std::string& title() const { return title_; }
    /// What is on the screen now.
    std::vector<Line> lines(std::size_t rows, std::size_t columns);
    /// Down when positive.
    void scroll(long rows);
    void to_top() { first_ = 0; }
    void to_bottom();
    /// The next line (or the one before) that holds this becomes the first. False if there is none.
    bool search(const std::string& needle, bool backwards);
    /// Lays it out anew: what it shows has changed.
    void refresh() { columns_ = 0; }
    /// Whatever keeps it up to date; it is known by this.
    void set_key(std::shared_ptr<void> key) { key_ = std::move(key); }
    const void* key() const { return key_.get(); }
    /// "12%", "all", "end".
    std::string place() const;

  private:
    void lay_out(std::size_t columns);
    std::size_t last_first() const { return laid_out_.size() > rows_ ? laid_out_.size() - rows_ : 0; }

    std::string title_;
    Content content_;
    std::vector<Line> laid_out_;
    std::size_t columns_ = 0;
    std::size_t rows_ = 1;
    std::size_t first_ = 0;
    std::string needle_;
    std::shared_ptr<void> key_;
};

/// The line's text without its roles.
std::string plain_text(const Line& line);
/// Marks each place where the line holds the needle; case matters not.
Line with_matches(const Line& line, std::string_view needle);

}  // namespace qvm::shell
