// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/image_check.hpp"

#include <filesystem>
#include <string>
#include <variant>

#include <fmt/format.h>

#include "base/text.hpp"
#include "launch/block_nodes.hpp"
#include "launch/host_action.hpp"
#include "launch/image_advice.hpp"
#include "launch/image_header.hpp"
#include "launch/new_image.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;
using config::Resource;
using config::Table;
using config::Value;

class ImageChecker {
  public:
    ImageChecker(const config::Vm& vm, Diagnostics& diagnostics) : vm_(vm), diagnostics_(diagnostics) {}

    void check(const Resource& resource) {
        node(resource.properties, resource, place_of(resource));
        growth(resource);
    }

  private:
    /// A node, and the nodes inside it.
    void node(const Value& value, const Resource& resource, const NodePlace& place) {
        if (const config::Array* array = value.array())
            for (std::size_t i = 0; i < array->size(); ++i)
                node((*array)[i], resource, below(place, std::to_string(i)));
        const Table* table = value.table();
        if (table == nullptr) return;
        for (const auto& entry : table->entries()) node(entry.value, resource, below(place, entry.key));
        const Value* driver = table->find("driver");
        if (driver == nullptr || driver->string() == nullptr || *driver->string() != "qcow2") return;
        const Value* name = filename_of(vm_, *table);
        if (name != nullptr) image(*table, *name, resource, place);
    }

    static NodePlace below(NodePlace place, const std::string& key) {
        place.keys.push_back(key);
        return place;
    }

    /// A disk is never shrunk.
    void growth(const Resource& resource) {
        const Value* name = resource.grow_to ? filename_of(vm_, *resource.properties.table()) : nullptr;
        const std::string format = resource.driver();
        if (name == nullptr) return;
        const fs::path path = *name->string();
        const auto bytes = read_disk_size(path, format).value_or(0);
        if (bytes <= resource.grow_to->value) return;
        const auto is = format_size(bytes);
        report(DiagnosticKind::BadSize, resource.grow_to->origin,
               fmt::format("'{}' has {} already, and a disk is never shrunk", path.string(), is),
               {fmt::format("say \"{}\", or leave it out", is),
                fmt::format(
                    "to shrink it, first make what the guest has on it smaller; then, while the VM does not "
                    "run, `qemu-img resize --shrink -f {} {} {}`",
                    format, path.string(), format_size(resource.grow_to->value)),
                fmt::format("in {}", resource.made_by)});
    }

    void image(const Table& node, const Value& name, const Resource& resource, const NodePlace& place) {
        const fs::path path = *name.string();
        const auto header = read_image_header(path);
        if (!header) return;  // what cannot be opened has been reported
        if (!header->is_qcow2) {
            report(DiagnosticKind::BadValue, name.origin,
                   fmt::format("'{}' is not a qcow2 image", path.string()),
                   {fmt::format("in {}; format = \"raw\" is for an image without a format of its own",
                                resource.made_by)});
            return;
        }
        const Value* backing = node.find("backing");
        const bool refuses = backing == nullptr || std::holds_alternative<std::monostate>(backing->data);
        if (!header->backing.empty() && refuses)
            report(DiagnosticKind::ChainMismatch, name.origin,
                   fmt::format("'{}' says it lies over '{}', but the configuration says it lies over nothing",
                               path.string(), escape_controls(header->backing)),
                   backing_advice(path, *header, place));
        if (!header->backing.empty() && !refuses) compare_backing(path, *header, *backing, place);
        if (header->has_data_file && node.find("data-file") == nullptr)
            report(DiagnosticKind::ChainMismatch, name.origin,
                   fmt::format("'{}' keeps its data in another file, which the configuration does not name",
                               path.string()),
                   data_file_advice(path, *header, place));
    }

    void compare_backing(const fs::path& path, const ImageHeader& header, const Value& backing,
                         const NodePlace& place) {
        const Table* node = child_of(vm_, &backing);
        const Value* name = node == nullptr ? nullptr : filename_of(vm_, *node);
        if (name == nullptr || has_protocol(header.backing)) return;
        const fs::path said = named_file(path, header.backing);
        std::error_code ignored;
        if (said == fs::path(*name->string()).lexically_normal() ||
            fs::equivalent(said, *name->string(), ignored))
            return;
        const Value* driver = node->find("driver");
        const std::string format =
            driver != nullptr && driver->string() != nullptr ? *driver->string() : std::string();
        report(
            DiagnosticKind::ChainMismatch, name->origin,
            fmt::format("'{}' says it lies over '{}', the configuration says over '{}'", path.string(),
                        escape_controls(said.string()), *name->string()),
            {fmt::format("if the configuration is right: `{}`", rebase_advice(path, *name->string(), format)),
             fmt::format("in [{}]", place.table)});
    }

    void report(DiagnosticKind kind, const Origin& origin, std::string message,
                std::vector<std::string> notes) {
        diagnostics_.add({kind, origin, std::move(message), {}, std::move(notes)});
    }

    const config::Vm& vm_;
    Diagnostics& diagnostics_;
};

}  // namespace

void check_images(const config::Vm& vm, Diagnostics& diagnostics) {
    ImageChecker checker(vm, diagnostics);
    for (const auto& resource : vm.resources)
        if (resource.id.kind == config::Kind::Blockdev) checker.check(resource);
}

}  // namespace qvm::launch
