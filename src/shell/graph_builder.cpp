// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/graph_builder.hpp"

#include <utility>

namespace qvm::shell {

std::vector<GraphQuery> GraphBuilder::next() {
    waiting_ += queries_.size();
    return std::exchange(queries_, {});
}

void GraphBuilder::absorb(std::size_t number, const Json* reply) {
    if (number >= answered_.size() || answered_[number]) return;
    answered_[number] = true;
    if (waiting_ != 0) --waiting_;
    take(number, reply);
}

std::size_t GraphBuilder::ask(std::string command, std::string arguments) {
    const auto number = answered_.size();
    answered_.push_back(false);
    queries_.push_back({number, std::move(command), std::move(arguments)});
    return number;
}

std::unique_ptr<GraphBuilder> graph_named(std::string_view word, std::string_view path) {
    if (word == "block") return block_graph();
    if (word == "qom") return qom_graph(path.empty() ? "/" : path);
    if (word == "pci") return pci_graph();
    return nullptr;
}

}  // namespace qvm::shell
