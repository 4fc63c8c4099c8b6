// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/sources.hpp"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <sys/stat.h>

#include "jail/sys.hpp"

namespace qvm::jail {

namespace {

constexpr mode_t device_mode = 0600;
constexpr mode_t directory_mode = 0755;
constexpr std::string_view dev = "/dev/";

/// A detached tmpfs with the device files, or a negated errno value (EPERM: root may not make device files
/// here).
int make_dev(const std::vector<std::string>& devices, std::uint32_t host_uid) {
    const Fd fs(sys::fsopen("tmpfs"));
    if (fs.get() < 0) return fs.get();
    for (const auto& [key, value] :
         {std::pair{"size", "64k"}, std::pair{"nr_inodes", "256"}, std::pair{"mode", "0755"}})
        if (const int result = sys::fsconfig_string(fs.get(), key, value); result < 0) return result;
    if (const int result = sys::fsconfig_create(fs.get()); result < 0) return result;
    Fd tree(sys::fsmount(fs.get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
    if (tree.get() < 0) return tree.get();
    for (const auto& path : devices) {
        const auto name = path.substr(dev.size());
        for (auto slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
            const auto directory = name.substr(0, slash);
            if (::mkdirat(tree.get(), directory.c_str(), directory_mode) < 0 && errno != EEXIST)
                return -errno;
            // Whatever our umask is.
            if (::fchmodat(tree.get(), directory.c_str(), directory_mode, 0) < 0) return -errno;
        }
        struct stat status {};
        if (::stat(path.c_str(), &status) < 0) return -errno;
        if (::mknodat(tree.get(), name.c_str(), S_IFCHR | device_mode, status.st_rdev) < 0) return -errno;
        if (::fchownat(tree.get(), name.c_str(), host_uid, host_uid, AT_SYMLINK_NOFOLLOW) < 0) return -errno;
    }
    const int sealed = sys::mount_setattr(tree.get(), 0, MOUNT_ATTR_RDONLY, MS_PRIVATE);
    return sealed < 0 ? sealed : tree.release();
}

bool is_device(const Attachment& attachment) {
    return attachment.target.starts_with("dev/");
}

}  // namespace

std::optional<Failure> open_sources(Layout& layout, const std::vector<std::string>& devices,
                                    std::uint32_t host_uid, std::vector<Fd>& trees) {
    auto& attachments = layout.attachments;
    if (!devices.empty()) {
        const int made = make_dev(devices, host_uid);
        if (made >= 0) {
            attachments.erase(std::remove_if(attachments.begin(), attachments.end(), is_device),
                              attachments.end());
            trees.emplace_back(made);
            attachments.push_back({"a new /dev", "dev", 0, made});
        } else if (made != -EPERM) {
            return Failure{Stage::MakeDevices, 0, -made};
        }
    }
    std::int32_t index = 0;
    for (auto& attachment : attachments) {
        if (attachment.tree < 0) {
            constexpr unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_NO_AUTOMOUNT;
            const int tree = sys::open_tree(attachment.source.c_str(), flags);
            if (tree < 0) return Failure{Stage::OpenSource, index, -tree};
            trees.emplace_back(tree);
            const int result = sys::mount_setattr(tree, AT_RECURSIVE, attachment.attributes, MS_PRIVATE);
            if (result < 0) return Failure{Stage::OpenSource, index, -result};
            attachment.tree = tree;
        }
        ++index;
    }
    return std::nullopt;
}

}  // namespace qvm::jail
