// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/json.hpp"
#include "shell/graph_builder.hpp"
#include "shell/layout.hpp"
#include "shell/look.hpp"

namespace qvm::shell {
namespace {

/// Only x-debug-query-block-graph tells all edges. QEMU has had it since 4.0 and calls it unstable, so there
/// are two other ways: nodes name their children since 11.1, and devices always did name their node.
class BlockGraph : public GraphBuilder {
  public:
    BlockGraph() {
        edges_query_ = ask("x-debug-query-block-graph", "{}");
        nodes_query_ = ask("query-named-block-nodes", R"({"flat": true})");
        devices_query_ = ask("query-block", "{}");
    }

    Graph graph() const override {
        Graph graph;
        graph.title = "block graph";
        if (!debug_graph(graph)) public_graph(graph);
        if (!nodes_ok_) add_remark(graph, "Sizes and files are missing: query-named-block-nodes failed.");
        return graph;
    }

  protected:
    void take(std::size_t number, const Json* reply) override {
        if (reply == nullptr) return;
        if (number == edges_query_) {
            debug_ = *reply;
        } else if (number == nodes_query_ && reply->is_array()) {
            nodes_ok_ = true;
            for (const auto& node : *reply)
                if (const auto name = string_at(node, "node-name");
                    name && infos_.try_emplace(*name, node).second)
                    order_.push_back(*name);
        } else if (number == devices_query_) {
            devices_ = *reply;
        }
    }

  private:
    static void add_remark(Graph& graph, std::string_view remark) {
        graph.remark.append(graph.remark.empty() ? "" : " ").append(remark);
    }

    GraphNode driver_node(std::string id, const std::string& name) const {
        GraphNode node{std::move(id), name, "", ""};
        const auto found = infos_.find(name);
        if (found == infos_.end()) return node;
        const auto& info = found->second;
        node.kind = string_at(info, "drv").value_or("");
        if (const auto* image = member(info, "image"))
            if (const auto size = number_at(*image, "virtual-size")) node.note = short_size(*size);
        if (const auto read_only = bool_at(info, "ro")) node.note += *read_only ? " ro" : " rw";
        if (const auto file = string_at(info, "file"); file && !file->starts_with("json:"))
            node.note += " " + *file;
        return node;
    }

    /// False when there is no such reply, or it is none that we understand.
    bool debug_graph(Graph& graph) const {
        const auto* nodes = array_at(debug_, "nodes");
        const auto* edges = array_at(debug_, "edges");
        if (nodes == nullptr || edges == nullptr) return false;
        // Devices first, then jobs, as they are what everything hangs below.
        std::vector<GraphNode> drivers, jobs;
        for (const auto& node : *nodes) {
            const auto id = unsigned_at(node, "id");
            const auto type = string_at(node, "type");
            if (!id || !type) continue;
            const auto name = string_at(node, "name").value_or("");
            if (*type == "block-driver")
                drivers.push_back(driver_node(std::to_string(*id), name));
            else if (*type == "block-backend")
                graph.nodes.push_back({std::to_string(*id),
                                       name.empty() ? fmt::format("backend {}", *id) : device_name(name),
                                       "device", ""});
            else
                jobs.push_back({std::to_string(*id), name, *type == "block-job" ? "job" : *type, ""});
        }
        std::ranges::move(jobs, std::back_inserter(graph.nodes));
        std::ranges::move(drivers, std::back_inserter(graph.nodes));
        for (const auto& edge : *edges) {
            const auto parent = unsigned_at(edge, "parent");
            const auto child = unsigned_at(edge, "child");
            if (!parent || !child) continue;
            const auto label = string_at(edge, "name").value_or("");
            graph.edges.push_back(
                {std::to_string(*parent), std::to_string(*child), label == "root" ? "" : label});
        }
        return true;
    }

    void public_graph(Graph& graph) const {
        bool children_told = false;
        if (devices_.is_array()) {
            for (std::size_t i = 0; i < devices_.size(); ++i) {
                auto name = string_at(devices_[i], "device").value_or("");
                if (name.empty()) name = device_name(string_at(devices_[i], "qdev").value_or(""));
                if (name.empty()) name = fmt::format("backend {}", i + 1);
                const auto id = fmt::format("device {}", i);
                graph.nodes.push_back({id, name, "device", ""});
                const auto* inserted = member(devices_[i], "inserted");
                const auto node = inserted == nullptr ? std::nullopt : string_at(*inserted, "node-name");
                if (node) graph.edges.push_back({id, *node, ""});
            }
        }
        for (const auto& name : order_) {
            graph.nodes.push_back(driver_node(name, name));
            const auto* children = array_at(infos_.at(name), "children");
            if (children == nullptr) continue;
            children_told = true;
            for (const auto& child : *children)
                if (const auto to = string_at(child, "node-name"))
                    graph.edges.push_back({name, *to, string_at(child, "child").value_or("")});
        }
        if (children_told)
            add_remark(graph, "Jobs are missing: x-debug-query-block-graph failed.");
        else
            add_remark(graph, "What a node is made of is not told: x-debug-query-block-graph failed.");
    }

    std::size_t edges_query_ = 0, nodes_query_ = 0, devices_query_ = 0;
    Json debug_;
    Json devices_;
    std::map<std::string, Json> infos_;
    std::vector<std::string> order_;
    bool nodes_ok_ = false;
};

}  // namespace

std::unique_ptr<GraphBuilder> block_graph() {
    return std::make_unique<BlockGraph>();
}

}  // namespace qvm::shell
