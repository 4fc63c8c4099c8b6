// SPDX-License-Identifier: GPL-3.0-or-later
// What a disk image's header says about other files. Guests can write it: it is compared, never followed.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace qvm::launch {

struct ImageHeader {
    bool is_qcow2 = false;
    std::uint64_t file_size = 0;  ///< of the file or device itself, in bytes
    std::uint64_t disk_size = 0;  ///< of the disk in a qcow2 image
    std::string backing;          ///< as in the header; empty: none
    std::string backing_format;   ///< empty: not said
    bool has_data_file = false;
    std::string data_file;  ///< empty: not said
};

/// Reads the header of a qcow2 image, or the size of any other (docs/interop/qcow2.txt); nothing if the file
/// cannot be read. A damaged header gives what can be read of it.
std::optional<ImageHeader> read_image_header(const std::filesystem::path& path);

/// Of the disk in an image, in bytes; nothing if the file cannot be read, or the format is neither raw nor
/// qcow2.
std::optional<std::uint64_t> read_disk_size(const std::filesystem::path& path, std::string_view format);

}  // namespace qvm::launch
