// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/layout.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <sys/mount.h>
#include <sys/stat.h>

namespace qvm::jail {

namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t root_slack = std::uint64_t{256} << 10U;  ///< for long symbolic links and rounding
constexpr std::size_t inode_slack = 16;

/// "/usr/lib" -> "usr/lib"
std::string relative(std::string_view path) {
    return std::string(path.substr(1));
}

bool is_within(std::string_view path, std::string_view directory) {
    return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

std::uint64_t attributes_of(const Bind& bind) {
    std::uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
    if (!bind.writable) attributes |= MOUNT_ATTR_RDONLY;
    if (!bind.executable) attributes |= MOUNT_ATTR_NOEXEC;
    return attributes;
}

/// Does `outer` already show at the same place what `inner` would, with no fewer rights?
bool shows(const Attachment& outer, const Attachment& inner) {
    if ((outer.attributes & ~inner.attributes) != 0) return false;
    if (outer.target == inner.target) return outer.source == inner.source;
    return is_within(inner.target, outer.target) &&
           inner.source == outer.source + inner.target.substr(outer.target.size());
}

class Builder {
  public:
    explicit Builder(Layout& layout) : layout_(layout) {}

    /// `path` relative; makes its parents as well, except below an attachment, which brings its own.
    void directory(const std::string& path) {
        if (path.empty() || covered(path) || !seen_.insert(path).second) return;
        parent(path);
        layout_.directories.push_back(path);
    }
    void parent(const std::string& path) {
        const auto slash = path.rfind('/');
        if (slash != std::string::npos) directory(path.substr(0, slash));
    }
    void file(const std::string& path) {
        if (covered(path) || !seen_.insert(path).second) return;
        parent(path);
        layout_.files.push_back(path);
    }
    /// Outer attachments must come first.
    void attach(Attachment attachment) {
        const auto& all = layout_.attachments;
        if (std::any_of(all.begin(), all.end(), [&](const auto& outer) { return shows(outer, attachment); }))
            return;
        struct stat status {};
        if (::stat(attachment.source.c_str(), &status) == 0 && !S_ISDIR(status.st_mode))
            file(attachment.target);
        else
            directory(attachment.target);
        layout_.attachments.push_back(std::move(attachment));
    }

  private:
    bool covered(const std::string& path) const {
        return std::any_of(layout_.attachments.begin(), layout_.attachments.end(),
                           [&](const auto& outer) { return is_within(path, outer.target); });
    }

    Layout& layout_;
    std::set<std::string> seen_;
};

void set_sizes(Layout& layout) {
    std::uint64_t bytes = root_slack;
    for (const auto& copy : layout.copies) {
        struct stat status {};
        if (::fstat(copy.fd, &status) == 0)
            bytes += (static_cast<std::uint64_t>(status.st_size) + page - 1) / page * page;
    }
    layout.size = std::to_string(bytes);
    layout.inodes = std::to_string(layout.directories.size() + layout.files.size() + layout.symlinks.size() +
                                   layout.copies.size() + inode_slack);
}

}  // namespace

std::string device_path(Device device) {
    switch (device) {
        case Device::Null:
            return "/dev/null";
        case Device::Zero:
            return "/dev/zero";
        case Device::Urandom:
            return "/dev/urandom";
        case Device::Kvm:
            return "/dev/kvm";
    }
    return {};
}

std::vector<std::string> device_paths(const Spec& spec) {
    std::vector<std::string> paths;
    for (const auto device : spec.devices) paths.push_back(device_path(device));
    paths.insert(paths.end(), spec.device_files.begin(), spec.device_files.end());
    return paths;
}

Layout lay_out(const Spec& spec) {
    Layout layout;
    Builder builder(layout);
    auto binds = spec.binds;
    std::stable_sort(binds.begin(), binds.end(),
                     [](const auto& a, const auto& b) { return a.target.size() < b.target.size(); });
    for (const auto& bind : binds) {
        struct stat status {};
        if (bind.optional && ::stat(bind.source.c_str(), &status) != 0) continue;
        builder.attach({bind.source, relative(bind.target), attributes_of(bind)});
    }
    for (const auto& path : device_paths(spec))
        builder.attach({path, relative(path), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC});
    for (const auto& path : spec.directories) builder.directory(relative(path));
    for (const auto& path : spec.tmpfs) {
        builder.directory(relative(path));
        layout.tmpfs.push_back(relative(path));
    }
    if (spec.proc) builder.directory("proc");
    for (const auto& symlink : spec.symlinks) {
        builder.parent(relative(symlink.path));
        layout.symlinks.push_back({symlink.target, relative(symlink.path)});
    }
    for (const auto& copy : spec.copies) {
        builder.parent(relative(copy.path));
        layout.copies.push_back({copy.fd, relative(copy.path), copy.subject});
    }
    set_sizes(layout);
    return layout;
}

}  // namespace qvm::jail
