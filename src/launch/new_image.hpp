// SPDX-License-Identifier: GPL-3.0-or-later
// Disk images that are made where there are none: what `create` of a block node means, and how it is done.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "config/resource.hpp"
#include "launch/plan.hpp"

namespace qvm::launch {

/// Of a block node with Resource::create. Pure.
NewImage new_image(const config::Vm& vm, const config::Resource& node);

/// What qemu-img is told with -o of an encrypted image, whose key is the secret "key".
std::string encryption_options(const NewImage& image);

/// An image that a start would make.
struct MissingImage {
    std::filesystem::path path;
    NewImage image;
    /// "made '/srv/root.qcow2', qcow2 of 20G over '/srv/base.qcow2'"
    std::string once_made() const;
};
/// Of a VM's nodes with Resource::create: those that are not there, and are to stay.
std::vector<MissingImage> missing_images(const config::Vm& vm);

/// Makes the image under its name as a whole, or not at all: never in the place of anything, unless it is
/// ephemeral. False if there is something of that name already. Calls qemu-img(1) for what is not raw, which
/// opens no other image. Throws SystemError or Error (HostCannot).
bool make_image(const std::filesystem::path& path, const NewImage& image);

}  // namespace qvm::launch
