// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/json.hpp"
#include "shell/graph_builder.hpp"
#include "shell/look.hpp"

namespace qvm::shell {
namespace {

/// Of such objects a machine has hundreds, nearly all of them without children.
constexpr std::array<std::string_view, 3> counted{"irq", "memory-region", "qemu,iommu-memory-region"};
constexpr std::size_t most_objects = 20'000;

/// "device[9]" before "device[10]". QEMU itself tells children in no order at all.
bool natural_less(std::string_view a, std::string_view b) {
    const auto digits = [](std::string_view text) {
        return text.substr(0, std::min(text.find_first_not_of("0123456789"), text.size()));
    };
    while (!a.empty() && !b.empty()) {
        const auto left = digits(a), right = digits(b);
        if (!left.empty() && !right.empty() && left != right)
            return left.size() != right.size() ? left.size() < right.size() : left < right;
        if (a.front() != b.front()) return a.front() < b.front();
        a.remove_prefix(1);
        b.remove_prefix(1);
    }
    return a.size() < b.size();
}

class QomGraph : public GraphBuilder {
  public:
    explicit QomGraph(std::string_view path) {
        while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
        add(std::string(path), std::string(path), "");
    }

    Graph graph() const override {
        Graph graph{fmt::format("QOM below {}", objects_.front().id), objects_, edges_, ""};
        for (auto& node : graph.nodes) {
            const auto counts = counts_.find(node.id);
            if (counts == counts_.end()) continue;
            for (const auto& [kind, count] : counts->second)
                node.note += fmt::format("{}{} {}", node.note.empty() ? "+ " : ", ", count, kind);
        }
        if (root_failed_) graph.remark = fmt::format("There is no object {}.", objects_.front().id);
        if (failed_ != 0) graph.remark = fmt::format("{} objects went away meanwhile.", failed_);
        if (left_out_ != 0) graph.remark = fmt::format("{} objects are left out.", left_out_);
        return graph;
    }

  protected:
    void take(std::size_t number, const Json* reply) override {
        if (reply == nullptr || !reply->is_array()) {
            if (number == 0)
                root_failed_ = true;
            else
                ++failed_;
            return;
        }
        const auto path = objects_[number].id;
        std::vector<std::pair<std::string, std::string>> children;
        for (const auto& entry : *reply) {
            auto name = string_at(entry, "name");
            const auto type = string_at(entry, "type");
            if (!name || !type || !type->starts_with("child<") || !type->ends_with('>')) continue;
            children.emplace_back(std::move(*name), type->substr(6, type->size() - 7));
        }
        std::ranges::stable_sort(children, natural_less,
                                 [](const auto& child) -> std::string_view { return child.first; });
        for (auto& [name, type] : children) {
            if (std::ranges::find(counted, type) != counted.end()) {
                ++counts_[path][type];
            } else if (objects_.size() == most_objects) {
                ++left_out_;
            } else {
                const auto below = (path == "/" ? "" : path) + "/" + name;
                add(below, name, std::move(type));
                edges_.push_back({path, below, ""});
            }
        }
    }

  private:
    /// The objects have the numbers of the queries for their children.
    void add(const std::string& path, const std::string& name, std::string type) {
        objects_.push_back({path, name, std::move(type), ""});
        ask("qom-list", Json::object({{"path", path}}).dump(-1, ' ', false, Json::error_handler_t::replace));
    }

    std::vector<GraphNode> objects_;
    std::vector<GraphEdge> edges_;
    std::map<std::string, std::map<std::string, std::size_t>> counts_;
    std::size_t failed_ = 0;
    std::size_t left_out_ = 0;
    bool root_failed_ = false;
};

}  // namespace

std::unique_ptr<GraphBuilder> qom_graph(std::string_view path) {
    return std::make_unique<QomGraph>(path);
}

}  // namespace qvm::shell
