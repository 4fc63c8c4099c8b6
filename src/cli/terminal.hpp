// SPDX-License-Identifier: GPL-3.0-or-later
// How qvm speaks: colours only on a terminal, errors on standard error, progress only where someone watches.
#pragma once
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/error.hpp"

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace qvm::cli {

/// True when `fd` is a terminal and neither NO_COLOR nor TERM=dumb speaks against it.
bool wants_color(int fd);

/// "qvm: WHAT" and the advice below it, on standard error.
void print_error(const Error& error);
std::string describe(const Error& error);
/// "qvm: warning: TEXT" on standard error.
void print_warning(const std::string& text);
void print_usage_error(const CLI::App& app, const CLI::ParseError& error);

/// Rows under headings, columns as wide as needed.
std::string table(const std::vector<std::vector<std::string>>& rows);

/// "3 s", "5 min", "2 h", "4 d".
std::string ago(std::chrono::system_clock::time_point then);

/// "web: [2/7] device_add device.data": how progress names a step. `index` counts from 1.
std::string step_text(const std::string& vm, std::size_t index, std::size_t count, const std::string& title);

/// A line on a terminal's standard error that is overwritten, shown only when the work takes longer than half
/// a second; gone when this ends.
class ProgressLine {
  public:
    ProgressLine();
    ~ProgressLine();
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;
    void show(const std::string& text);
    /// Until it is shown again.
    void clear();

  private:
    std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
    bool terminal_ = false;
    std::string shown_;
};

}  // namespace qvm::cli
