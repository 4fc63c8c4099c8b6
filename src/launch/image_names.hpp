// SPDX-License-Identifier: GPL-3.0-or-later
// What block jobs write into the headers of images. QEMU knows its images by the numbers of descriptors: left
// to itself, block-stream and block-commit write "/dev/fdset/3" where the name of the backing file belongs,
// and nothing outside of this QEMU could open the image any more. Pure.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "launch/compiled.hpp"

namespace qvm::launch {

/// True for a command that may need it.
bool writes_image_names(std::string_view command, const Json& arguments);

/// The block nodes of a running QEMU, and how their files are called on this host.
class BlockGraph {
  public:
    /// From the replies of x-debug-query-block-graph, query-named-block-nodes and query-fdsets. Throws
    /// Json::exception.
    BlockGraph(const Json& graph, const Json& nodes, const Json& fdsets, const Compiled& compiled);

    /// The arguments with the `backing-file` that a block-stream or block-commit needs. Throws
    /// qmp::ExecuteError when the header would name a file that has no name here.
    Json with_backing_file(const std::string& command, Json arguments) const;

  private:
    struct Node {
        std::string file, backing;  ///< nodes; empty: none
        std::string filename;       ///< as QEMU calls it
    };
    const Node* find(const std::string& name) const;
    std::string backing_of(const std::string& name) const;
    bool has_overlay(const std::string& name) const;
    std::string deepest_below(const std::string& name) const;
    std::string new_backing_of_stream(const Json& arguments) const;
    std::string new_backing_of_commit(const Json& arguments) const;
    std::string node_with_file(const std::string& filename) const;
    std::optional<std::string> host_name_of(const std::string& node) const;

    std::map<std::string, Node> nodes_;
    std::map<std::string, std::string> by_fdset_;  ///< "/dev/fdset/3" -> path
};

}  // namespace qvm::launch
