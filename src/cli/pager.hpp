// SPDX-License-Identifier: GPL-3.0-or-later
// Long texts for people.
#pragma once
#include <string>

namespace qvm::cli {

/// Prints it. On a terminal with fewer lines than the text has, through $PAGER, else through less.
void print_paged(const std::string& text);

}  // namespace qvm::cli
