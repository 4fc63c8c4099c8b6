// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/backing.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>

namespace qvm::config {
namespace {

// QAPI: the members of BlockdevOptionsGenericCOWFormat's users.
constexpr std::array<std::string_view, 4> formats_with_backing{"qcow", "qcow2", "qed", "vmdk"};

bool has_backing(const Table& node) {
    const Value* driver = node.find("driver");
    return driver != nullptr && driver->is_string() &&
           std::ranges::find(formats_with_backing, *driver->string()) != formats_with_backing.end();
}

void make_explicit(Value& value) {
    if (Array* array = value.array())
        for (auto& item : *array) make_explicit(item);
    Table* node = value.table();
    if (node == nullptr) return;
    if (has_backing(*node)) {
        Value* backing = node->find("backing");
        const bool refused = backing != nullptr && backing->boolean() != nullptr && !*backing->boolean();
        if (refused) backing->data = std::monostate();
        if (backing == nullptr) node->set("backing", value.origin, Value({}, value.origin));
    }
    for (auto& entry : node->entries()) make_explicit(entry.value);
}

/// A node's name where something other than the node itself says it.
struct Mention {
    std::size_t node;  ///< index of the resource that is named, or that has an inner node of this name
    std::optional<std::size_t> below;  ///< below a node that opens as this whole resource does
    bool writes = false;               ///< when it is not `below` anything
};

class Mentions {
  public:
    explicit Mentions(const Vm& vm) : vm_(vm) {
        for (std::size_t i = 0; i < vm.resources.size(); ++i)
            if (vm.resources[i].id.kind == Kind::Blockdev) add_names(vm.resources[i].properties, i, true);
        for (std::size_t i = 0; i < vm.resources.size(); ++i) {
            const Resource& resource = vm.resources[i];
            if (resource.id.kind == Kind::Blockdev)
                visit(resource.properties, {}, {std::nullopt, i});
            else if (resource.id.kind == Kind::Device)
                visit(resource.properties, {}, {false, std::nullopt});
        }
        for (const Entry& entry : vm.machine.properties.entries())
            visit(entry.value, entry.key, {false, std::nullopt});
    }

    const std::vector<Mention>& list() const { return list_; }

  private:
    /// How the node around a value is opened: as somebody said, or as the whole resource is.
    struct Around {
        std::optional<bool> read_only;
        std::optional<std::size_t> resource;
    };

    void add_names(const Value& value, std::size_t resource, bool top) {
        if (const Array* array = value.array())
            for (const Value& item : *array) add_names(item, resource, false);
        const Table* table = value.table();
        if (table == nullptr) return;
        const Value* inner = top ? nullptr : table->find("node-name");
        if (top) names_.emplace(vm_.resources[resource].id.id, resource);
        if (inner != nullptr && inner->string() != nullptr) names_.emplace(*inner->string(), resource);
        for (const Entry& entry : table->entries()) add_names(entry.value, resource, false);
    }

    void visit(const Value& value, std::string_view key, Around around) {
        if (key == "node-name") return;
        if (key == "backing") around.read_only = true;
        if (const std::string* text = value.string()) mention(*text, around);
        if (const Array* array = value.array())
            for (const Value& item : *array) visit(item, {}, around);
        const Table* table = value.table();
        if (table == nullptr) return;
        const Value* said = table->find("read-only");
        if (said != nullptr && said->boolean() != nullptr) around.read_only = *said->boolean();
        for (const Entry& entry : table->entries()) visit(entry.value, entry.key, around);
    }

    void mention(const std::string& name, const Around& around) {
        const auto found = names_.find(name);
        if (found == names_.end() || found->second == around.resource) return;
        if (around.read_only)
            list_.push_back({found->second, {}, !*around.read_only});
        else
            list_.push_back({found->second, around.resource, true});
    }

    const Vm& vm_;
    std::map<std::string, std::size_t, std::less<>> names_;
    std::vector<Mention> list_;
};

/// Nothing if the user leaves it to us.
std::optional<bool> said_read_only(const Resource& resource) {
    const Table* table = resource.properties.table();
    if (table == nullptr) return false;
    const Value* said = table->find("read-only");
    if (said != nullptr) return said->boolean() != nullptr && *said->boolean();
    return table->find("auto-read-only") == nullptr ? std::nullopt : std::optional(false);
}

}  // namespace

void make_backing_explicit(Vm& vm) {
    for (auto& resource : vm.resources)
        if (resource.id.kind == Kind::Blockdev) make_explicit(resource.properties);
}

void make_backing_read_only(Vm& vm) {
    const Mentions mentions(vm);
    std::vector<bool> read_only(vm.resources.size(), false);
    for (const Mention& m : mentions.list())
        read_only[m.node] = said_read_only(vm.resources[m.node]).value_or(true);
    for (std::size_t i = 0; i < vm.resources.size(); ++i)
        if (vm.resources[i].id.kind == Kind::Blockdev && said_read_only(vm.resources[i]) == true)
            read_only[i] = true;
    // Each node that turns out to be written may make another one written.
    for (bool changed = true; changed;) {
        changed = false;
        for (const Mention& m : mentions.list()) {
            const bool writes = m.below ? !read_only[*m.below] : m.writes;
            if (!writes || !read_only[m.node] || said_read_only(vm.resources[m.node])) continue;
            read_only[m.node] = false;
            changed = true;
        }
    }
    for (std::size_t i = 0; i < vm.resources.size(); ++i) {
        Resource& resource = vm.resources[i];
        if (!read_only[i] || said_read_only(resource)) continue;
        resource.properties.table()->set("read-only", resource.origin, Value(true, resource.origin));
    }
}

}  // namespace qvm::config
