// SPDX-License-Identifier: GPL-3.0-or-later
// One entry, from text to tree.
#pragma once
#include <string>
#include <string_view>

#include "shell/grammar_tree.hpp"
#include "shell/scanner.hpp"

namespace qvm::shell {

class EntryReader {
  public:
    EntryReader(std::string_view text, Vocabulary& vocabulary);
    EntryReader(const EntryReader&) = delete;
    EntryReader& operator=(const EntryReader&) = delete;
    EntryReader(EntryReader&&) = delete;
    EntryReader& operator=(EntryReader&&) = delete;
    ~EntryReader() = default;

    /// Once.
    Tree read();
    /// Where the entry ended, or could not be read on.
    std::size_t end() const { return scan_.position(); }
    bool guessed() const { return guessed_; }

  private:
    /// What ends a command besides the text.
    enum class Inside { Line, Substitution, Transaction };
    /// The steps to a member, as its name was written.
    struct Name {
        qapi::Path steps;
        Range where;
    };

    void read_raw(Tree& tree);
    void read_builtin(Tree& tree);
    void read_words(Tree& tree, std::string_view rest);
    void read_request(Tree& tree, Inside inside);
    bool read_command_name(Tree& tree, Inside inside);
    void read_actions(Tree& tree);
    void read_action(Node& actions);
    void read_arguments(Tree& tree, Inside inside);
    void read_argument(Tree& tree, Inside inside);
    bool read_name(Name& name, const Tree& tree);
    void read_assignment(Tree& tree, Name name, Inside inside);
    void merge_object(Tree& tree);
    void put(Node& root, const Name& name, Node value);
    Node* step_into(Node& node, const qapi::Path& steps, std::size_t which, const Name& name);
    void read_tail(Tree& tree, Inside inside);
    void read_pipe(Tree& tree, Inside inside);
    void finish(Tree& tree);
    std::shared_ptr<Request> read_substitution();

    /// Space, but no line end where that ends the entry.
    void skip_blanks(Inside inside);
    bool at_end_of(Inside inside) const;

    Scanner scan_;
    Vocabulary& vocabulary_;
    std::size_t depth_ = 0;  ///< of substitutions
    bool guessed_ = false;
    qapi::Path prefix_;  ///< of an action's arguments
};

}  // namespace qvm::shell
