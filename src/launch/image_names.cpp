// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/image_names.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "config/document.hpp"
#include "config/dump.hpp"
#include "qmp/message.hpp"

namespace qvm::launch {
namespace {

using config::Value;

/// The value at `path` ("file.filename") in a resource's text.
std::optional<std::string> text_at(const CompiledResource& resource, std::string_view path) {
    Diagnostics ignored;
    const auto document = config::load({{"", "/", resource.text}}, {}, ignored);
    const Value* here = &document.root;
    // The resource's own table first: [blockdev.root].
    const auto dot = resource.id.find('.');
    for (const auto& key : {resource.id.substr(0, dot), resource.id.substr(dot + 1)}) {
        const auto* table = here->table();
        here = table == nullptr ? nullptr : table->find(key);
        if (here == nullptr) return std::nullopt;
    }
    while (!path.empty()) {
        const auto end = std::min(path.find('.'), path.size());
        const auto* table = here->table();
        here = table == nullptr ? nullptr : table->find(std::string(path.substr(0, end)));
        if (here == nullptr) return std::nullopt;
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    const std::string* text = here->string();
    return text == nullptr ? std::nullopt : std::optional(*text);
}

/// The file that a descriptor was opened for: "blockdev.root.file.filename", "host.shared".
std::optional<std::string> path_for(const Compiled& compiled, const std::string& purpose) {
    for (const auto& resource : compiled.resources) {
        if (resource.id == purpose) return text_at(resource, "path");
        if (purpose.starts_with(resource.id + '.'))
            if (auto path = text_at(resource, std::string_view(purpose).substr(resource.id.size() + 1)))
                return path;
    }
    return std::nullopt;
}

std::string text_member(const Json& arguments, const char* member) {
    const auto found = arguments.find(member);
    return found != arguments.end() && found->is_string() ? found->get<std::string>() : std::string();
}

[[noreturn]] void refuse(const std::string& command, const std::string& why) {
    throw qmp::ExecuteError(command, "GenericError", why);
}

}  // namespace

bool writes_image_names(std::string_view command, const Json& arguments) {
    return (command == "block-stream" || command == "block-commit") && !arguments.contains("backing-file");
}

BlockGraph::BlockGraph(const Json& graph, const Json& nodes, const Json& fdsets, const Compiled& compiled) {
    std::map<std::int64_t, std::string> names;
    for (const auto& node : graph.at("nodes"))
        if (node.value("type", "") == "block-driver") {
            names[node.at("id").get<std::int64_t>()] = node.at("name").get<std::string>();
            nodes_[node.at("name").get<std::string>()];
        }
    for (const auto& edge : graph.at("edges")) {
        const auto parent = names.find(edge.at("parent").get<std::int64_t>());
        const auto child = names.find(edge.at("child").get<std::int64_t>());
        if (parent == names.end() || child == names.end()) continue;
        const auto role = edge.at("name").get<std::string>();
        if (role == "file") nodes_[parent->second].file = child->second;
        if (role == "backing") nodes_[parent->second].backing = child->second;
    }
    for (const auto& node : nodes)
        if (const auto known = nodes_.find(text_member(node, "node-name")); known != nodes_.end())
            known->second.filename = text_member(node, "file");
    for (const auto& set : fdsets)
        for (const auto& fd : set.at("fds"))
            if (const auto path = path_for(compiled, text_member(fd, "opaque")))
                by_fdset_[fmt::format("/dev/fdset/{}", set.at("fdset-id").get<std::int64_t>())] = *path;
}

const BlockGraph::Node* BlockGraph::find(const std::string& name) const {
    const auto found = nodes_.find(name);
    return found == nodes_.end() ? nullptr : &found->second;
}

std::string BlockGraph::backing_of(const std::string& name) const {
    const Node* node = find(name);
    return node == nullptr ? std::string() : node->backing;
}

bool BlockGraph::has_overlay(const std::string& name) const {
    return std::ranges::any_of(nodes_, [&](const auto& node) { return node.second.backing == name; });
}

std::string BlockGraph::deepest_below(const std::string& name) const {
    std::string deepest = name;
    // No longer than there are nodes: a loop cannot be.
    for (std::size_t i = 0; i < nodes_.size() && !backing_of(deepest).empty(); ++i)
        deepest = backing_of(deepest);
    return deepest;
}

std::string BlockGraph::node_with_file(const std::string& filename) const {
    for (const auto& [name, node] : nodes_)
        if (node.filename == filename && !node.file.empty()) return name;
    return {};
}

/// Down the protocol side to the file itself.
std::optional<std::string> BlockGraph::host_name_of(const std::string& name) const {
    const Node* node = find(name);
    for (std::size_t i = 0; node != nullptr && !node->file.empty() && i < nodes_.size(); ++i)
        node = find(node->file);
    if (node == nullptr) return std::nullopt;
    const auto known = by_fdset_.find(node->filename);
    return known == by_fdset_.end() ? std::nullopt : std::optional(known->second);
}

/// Empty: there is none, or QEMU will say what is wrong.
std::string BlockGraph::new_backing_of_stream(const Json& arguments) const {
    if (const auto node = text_member(arguments, "base-node"); !node.empty()) return node;
    const auto base = text_member(arguments, "base");
    return base.empty() ? base : node_with_file(base);
}

/// The overlay of `top` is told of its new backing file; where there is no overlay, none is.
std::string BlockGraph::new_backing_of_commit(const Json& arguments) const {
    auto top = text_member(arguments, "top-node");
    if (const auto file = text_member(arguments, "top"); top.empty() && !file.empty())
        top = node_with_file(file);
    if (top.empty() || !has_overlay(top)) return {};
    if (const auto node = text_member(arguments, "base-node"); !node.empty()) return node;
    const auto base = text_member(arguments, "base");
    return base.empty() ? deepest_below(top) : node_with_file(base);
}

Json BlockGraph::with_backing_file(const std::string& command, Json arguments) const {
    // QEMU takes no `backing-file` beside `bottom`, which is another word for the node above the base.
    if (const auto base = backing_of(text_member(arguments, "bottom")); !base.empty()) {
        arguments.erase("bottom");
        arguments["base-node"] = base;
    }
    const auto node =
        command == "block-stream" ? new_backing_of_stream(arguments) : new_backing_of_commit(arguments);
    if (node.empty()) return arguments;
    const auto path = host_name_of(node);
    if (!path)
        refuse(command, fmt::format("{} would write the number of a descriptor into an image's header: what "
                                    "the file of node '{}' is called is not known here; name it with "
                                    "\"backing-file\" (attach.allow = \"all\")",
                                    command, node));
    arguments["backing-file"] = *path;
    return arguments;
}

}  // namespace qvm::launch
