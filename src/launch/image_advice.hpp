// SPDX-License-Identifier: GPL-3.0-or-later
// What to write, and to type, about an image that lies over another one. Names in it come from headers that
// guests can write, so everything is quoted, and what cannot be is not advised.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "config/resource.hpp"
#include "launch/image_header.hpp"

namespace qvm::launch {

/// Where the user writes members of a block node: a table of the file, and the way from it.
struct NodePlace {
    std::string table;              ///< "disk.root", "blockdev.\"my.base\""
    std::vector<std::string> keys;  ///< "blockdev", "backing"
};

NodePlace place_of(const config::Resource& blockdev);

/// json:{..}, nbd://..: not the name of a file (QEMU block.c: path_has_protocol).
bool has_protocol(const std::string& backing);

/// The file that a header's name means: relative to the image.
std::filesystem::path named_file(const std::filesystem::path& image, const std::string& name);

/// How to allow the backing file that the header of `image` names, and how to make the image forget it.
std::vector<std::string> backing_advice(const std::filesystem::path& image, const ImageHeader& header,
                                        const NodePlace& place);

/// How to allow the file for its data that the header names.
std::vector<std::string> data_file_advice(const std::filesystem::path& image, const ImageHeader& header,
                                          const NodePlace& place);

/// How to tell an image that it lies over another file; `format` may be empty.
std::string rebase_advice(const std::filesystem::path& image, const std::filesystem::path& base,
                          const std::string& format);

}  // namespace qvm::launch
