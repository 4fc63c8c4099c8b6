// SPDX-License-Identifier: GPL-3.0-or-later
// What the schema has to say of an entry, at its place in the text.
#pragma once
#include "shell/argument_types.hpp"
#include "shell/grammar_tree.hpp"

namespace qvm::shell {

/// `request` is what the tree was made into.
void check_request(const Request& request, const Tree& tree, const ArgumentTypes& types,
                   std::vector<Finding>& findings);

/// Of a whole QMP message.
void check_raw(const RawMessage& message, const Tree& tree, Vocabulary& vocabulary,
               std::vector<Finding>& findings);

}  // namespace qvm::shell
