// SPDX-License-Identifier: GPL-3.0-or-later
// The disk from which cloud-init in a guest learns who it is: an ISO 9660 image with the label CIDATA, of the
// NoCloud data source (cloudinit.readthedocs.io, "NoCloud"). Made in memory.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "config/resource.hpp"
#include "launch/plan.hpp"

namespace qvm::launch {

/// Of a [host.X] with kind = "seed", whose paths are absolute. Pure.
WriteSeed write_seed(const config::Resource& host);

/// The files of the seed by their names, once what they are made of has been read. What the keys say is
/// user-data; beside user-data of the user's own it is vendor-data, over which that goes. Throws SystemError
/// or Error (HostCannot) that names the file.
std::map<std::string, std::string> seed_files(const WriteSeed& seed);

/// Why `text` is no public key of SSH; empty if it is one.
std::string why_no_public_key(std::string_view text);

/// True if cloud-init would look at it: it begins with a line that says what it is.
bool has_user_data_header(std::string_view text);

/// An image with these files, open for reading. Throws SystemError.
Fd make_seed_image(const std::map<std::string, std::string>& files);

}  // namespace qvm::launch
