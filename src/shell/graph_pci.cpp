// SPDX-License-Identifier: GPL-3.0-or-later
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/json.hpp"
#include "shell/graph_builder.hpp"
#include "shell/look.hpp"

namespace qvm::shell {
namespace {

class PciGraph : public GraphBuilder {
  public:
    PciGraph() { ask("query-pci", "{}"); }

    Graph graph() const override { return graph_; }

  protected:
    void take(std::size_t /*number*/, const Json* reply) override {
        graph_.title = "PCI";
        if (reply == nullptr || !reply->is_array()) {
            graph_.remark = "query-pci failed: the machine has no PCI, or QEMU was built without it.";
            return;
        }
        for (const auto& bus : *reply) {
            const auto number = unsigned_at(bus, "bus");
            const auto* devices = array_at(bus, "devices");
            if (!number || devices == nullptr) continue;
            auto id = fmt::format("bus {}", *number);
            graph_.nodes.push_back({id, id, "", ""});
            add(*devices, id, 0);
        }
        if (unnumbered_)
            graph_.remark =
                "What is behind bridges is not known before the guest's firmware has numbered the buses.";
    }

  private:
    static constexpr int deepest = 64;

    void add(const Json& devices, const std::string& parent, int depth) {
        if (depth == deepest) return;
        for (const auto& device : devices) {
            const auto slot = unsigned_at(device, "slot");
            const auto function = unsigned_at(device, "function");
            if (!slot || !function) continue;
            const auto address = fmt::format("{:02x}.{}", *slot, *function);
            const auto name = string_at(device, "qdev_id").value_or("");
            auto node = describe(device);
            node.id = parent + "/" + address;
            node.label = name.empty() ? address : name + " " + address;
            graph_.edges.push_back({parent, node.id, ""});
            const auto id = node.id;
            graph_.nodes.push_back(std::move(node));
            const auto* bridge = member(device, "pci_bridge");
            if (bridge == nullptr) continue;
            if (const auto* below = array_at(*bridge, "devices")) add(*below, id, depth + 1);
        }
    }

    GraphNode describe(const Json& device) {
        GraphNode node;
        if (const auto* kind = member(device, "class_info")) {
            const auto number = unsigned_at(*kind, "class");
            node.kind = string_at(*kind, "desc").value_or(number ? fmt::format("class {:04x}", *number) : "");
        }
        if (const auto* id = member(device, "id"))
            if (const auto vendor = unsigned_at(*id, "vendor"), model = unsigned_at(*id, "device");
                vendor && model)
                node.note = fmt::format("{:04x}:{:04x}", *vendor, *model);
        if (const auto* bridge = member(device, "pci_bridge"))
            if (const auto* bus = member(*bridge, "bus"))
                if (const auto number = unsigned_at(*bus, "secondary")) {
                    if (*number == 0) unnumbered_ = true;
                    if (*number != 0) node.note += fmt::format(" bus {}", *number);
                }
        return node;
    }

    Graph graph_;
    bool unnumbered_ = false;
};

}  // namespace

std::unique_ptr<GraphBuilder> pci_graph() {
    return std::make_unique<PciGraph>();
}

}  // namespace qvm::shell
