// SPDX-License-Identifier: GPL-3.0-or-later
// What to ask a QEMU for a graph, and the graph that its answers make. The caller does the asking:
//
//   while (!builder->done()) { for (auto& query : builder->next()) ...; builder->absorb(number, reply); }
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.hpp"
#include "shell/graph.hpp"

namespace qvm::shell {

struct GraphQuery {
    std::size_t number = 0;  ///< for absorb()
    std::string command;
    std::string arguments;  ///< a JSON object
};

class GraphBuilder {
  public:
    GraphBuilder() = default;
    GraphBuilder(const GraphBuilder&) = delete;
    GraphBuilder& operator=(const GraphBuilder&) = delete;
    GraphBuilder(GraphBuilder&&) = delete;
    GraphBuilder& operator=(GraphBuilder&&) = delete;
    virtual ~GraphBuilder() = default;

    /// What can be asked now and was not given out before, all at once or one after the other. May be empty
    /// while answers are awaited.
    std::vector<GraphQuery> next();
    /// The value of "return", or null when the command failed. May bring new queries.
    void absorb(std::size_t number, const Json* reply);
    bool done() const { return waiting_ == 0 && queries_.empty(); }
    /// Of the answers so far; when one is missing, its remark says so.
    virtual Graph graph() const = 0;

  protected:
    std::size_t ask(std::string command, std::string arguments);
    virtual void take(std::size_t number, const Json* reply) = 0;

  private:
    std::vector<GraphQuery> queries_;
    std::vector<bool> answered_;
    std::size_t waiting_ = 0;
};

/// Devices, the block nodes they have, and what these are made of; block jobs too.
std::unique_ptr<GraphBuilder> block_graph();
/// The composition tree below `path` ("/", "/machine"). Interrupt lines and memory regions are only counted.
std::unique_ptr<GraphBuilder> qom_graph(std::string_view path);
/// Buses, bridges and functions. Until the guest's firmware has run no bus behind a bridge is known.
std::unique_ptr<GraphBuilder> pci_graph();
/// By the word a user writes: "block", "qom", "pci"; null for any other.
std::unique_ptr<GraphBuilder> graph_named(std::string_view word, std::string_view path);

}  // namespace qvm::shell
