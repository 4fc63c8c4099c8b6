// SPDX-License-Identifier: GPL-3.0-or-later
// What stands in the jail's root, as flat lists in the order in which the child makes it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "jail/spec.hpp"

namespace qvm::jail {

/// A part of the host's file system that is attached to the jail.
struct Attachment {
    std::string source;            ///< on the host
    std::string target;            ///< relative to the root of the jail
    std::uint64_t attributes = 0;  ///< MOUNT_ATTR_*, set on all of the tree
    int tree = -1;  ///< a detached mount made by the parent, borrowed; -1: the child makes it from `source`
};

/// All paths are relative to the root of the jail; parents come before what they hold.
struct Layout {
    std::vector<std::string> directories;
    std::vector<std::string> files;  ///< empty, to be covered by an attachment
    std::vector<Symlink> symlinks;
    std::vector<Copy> copies;
    std::vector<Attachment> attachments;
    std::vector<std::string> tmpfs;
    std::string size;  ///< of the root's tmpfs, in bytes, as mount wants it
    std::string inodes;
};

/// Looks at the bind sources and copies of a checked Spec. A source that is missing is left out when
/// optional, else it is kept for the child to report. A bind that shows what an earlier one shows already is
/// left out. Devices are bound from the host; the parent replaces them where it can make better ones.
Layout lay_out(const Spec& spec);

/// "/dev/null": where a device is on the host and in the jail.
std::string device_path(Device device);
/// Of all device files that the jail has.
std::vector<std::string> device_paths(const Spec& spec);

}  // namespace qvm::jail
