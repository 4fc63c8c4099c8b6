// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/new_image.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "launch/block_nodes.hpp"
#include "launch/find_program.hpp"
#include "launch/host_action.hpp"
#include "launch/image_header.hpp"
#include "launch/run_program.hpp"
#include "launch/secret.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;
using config::Kind;
using config::Resource;
using config::Table;
using config::Value;

/// What qemu-img knows the descriptor of the key by.
constexpr int key_number = 3;

std::string text_of(const Table* table, std::string_view key) {
    const Value* value = table == nullptr ? nullptr : table->find(key);
    return value == nullptr || value->string() == nullptr ? std::string() : *value->string();
}

const Table* table_of(const Table* table, std::string_view key) {
    const Value* value = table == nullptr ? nullptr : table->find(key);
    return value == nullptr ? nullptr : value->table();
}

std::optional<ReadSecret> key_of(const config::Vm& vm, const Table& node) {
    auto name = text_of(&node, "key-secret");
    if (name.empty()) name = text_of(table_of(&node, "encrypt"), "key-secret");
    const Resource* object = vm.find({Kind::Object, name});
    const auto data = object == nullptr ? std::string() : text_of(object->properties.table(), "data");
    if (!data.starts_with('@')) return std::nullopt;
    const Resource* host = vm.find({Kind::Host, data.substr(1)});
    return host == nullptr ? std::nullopt : std::optional(secret_of(*host));
}

/// An image in the making, beside the place where it will be; gone unless it got there.
class Draft {
  public:
    explicit Draft(const fs::path& path)
        : path_(path),
          draft_(path.parent_path() / fmt::format(".{}.{}", path.filename().string(), ::getpid())) {
        ::unlink(draft_.c_str());
        file_ = Fd(::open(draft_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!file_) fail();
    }
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    ~Draft() { ::unlink(draft_.c_str()); }

    const fs::path& draft() const { return draft_; }
    int fd() const { return file_.get(); }
    [[noreturn]] void fail() const {
        throw SystemError(fmt::format("make the image '{}'", path_.string()), errno, {},
                          ExitCode::HostCannot);
    }
    /// False if something else has got there meanwhile.
    bool settle(bool replace) {
        if (::fsync(file_.get()) != 0) fail();
        const unsigned how = replace ? 0U : RENAME_NOREPLACE;
        int moved = ::renameat2(AT_FDCWD, draft_.c_str(), AT_FDCWD, path_.c_str(), how);
        // Not every file system has that; link(2) replaces nothing either.
        if (moved != 0 && errno == EINVAL) moved = ::link(draft_.c_str(), path_.c_str());
        if (moved != 0 && errno != EEXIST) fail();
        return moved == 0;
    }

  private:
    fs::path path_, draft_;
    Fd file_;
};

/// qemu-img, with a key as descriptor `key_number`. Throws with its words.
void run_qemu_img(std::vector<std::string> words, const Fd& key, const fs::path& makes) {
    const auto program = find_program("qemu-img", "qemu-utils");
    words.insert(words.begin(), "qemu-img");
    std::vector<std::pair<int, int>> fds;
    if (key) fds.emplace_back(key.get(), key_number);
    const auto end = run_program(program, std::move(words), fds);
    const auto& said = end.said;
    if (!end.succeeded())
        throw Error(ExitCode::HostCannot, fmt::format("qemu-img could not make '{}'", makes.string()),
                    "it said: " + escape_controls(said.substr(0, said.find_last_not_of('\n') + 1)));
}

std::uint64_t size_of(const NewImage& image, const fs::path& path) {
    if (image.size != 0) return image.size;
    const auto bytes = read_disk_size(image.backing, image.backing_format);
    if (!bytes)
        throw Error(ExitCode::HostCannot,
                    fmt::format("cannot tell how large '{}' is to be: '{}' does not tell its size",
                                path.string(), image.backing.string()),
                    "say how large: size = \"20G\"");
    return (*bytes + 511) / 512 * 512;
}

void fill(const Draft& draft, const NewImage& image, const fs::path& path) {
    const auto size = size_of(image, path);
    if (image.format == "raw") {
        if (::ftruncate(draft.fd(), static_cast<off_t>(size)) != 0) draft.fail();
        return;
    }
    // -u: it looks at no other image, and believes what it is told of it.
    std::vector<std::string> words{"create", "-q", "-f", image.format};
    if (!image.backing.empty())
        words.insert(words.end(), {"-u", "-b", image.backing.string(), "-F", image.backing_format});
    Fd key;
    if (image.key) {
        key = read_secret(*image.key);
        words.insert(words.end(), {"--object", fmt::format("secret,id=key,file=/dev/fd/{}", key_number), "-o",
                                   encryption_options(image)});
    }
    words.push_back(draft.draft().string());
    words.push_back(std::to_string(size));
    run_qemu_img(std::move(words), key, path);
}

}  // namespace

std::string encryption_options(const NewImage& image) {
    return image.format == "luks" ? "key-secret=key" : "encrypt.format=luks,encrypt.key-secret=key";
}

NewImage new_image(const config::Vm& vm, const Resource& node) {
    const Table& table = *node.properties.table();
    NewImage image;
    image.format = node.driver();
    image.size = node.create->value;
    image.ephemeral = node.ephemeral;
    image.key = key_of(vm, table);
    if (const Table* backing = child_of(vm, table.find("backing"))) {
        image.backing_format = text_of(backing, "driver");
        if (const auto* file = filename_of(vm, *backing)) image.backing = *file->string();
    }
    return image;
}

std::string MissingImage::once_made() const {
    std::string text = fmt::format("made '{}', {}", path.string(), image.format);
    if (image.size != 0) text += " of " + format_size(image.size);
    if (!image.backing.empty()) text += fmt::format(" over '{}'", image.backing.string());
    return text;
}

std::vector<MissingImage> missing_images(const config::Vm& vm) {
    std::vector<MissingImage> missing;
    for (const auto& resource : vm.resources) {
        if (!resource.create || resource.ephemeral) continue;
        const auto* name = filename_of(vm, *resource.properties.table());
        if (name == nullptr) continue;
        const fs::path path = *name->string();
        std::error_code ignored;
        if (!fs::exists(fs::symlink_status(path, ignored)))
            missing.push_back({path, new_image(vm, resource)});
    }
    return missing;
}

bool make_image(const fs::path& path, const NewImage& image) {
    struct stat status {};
    if (!image.ephemeral && (::lstat(path.c_str(), &status) == 0 || errno != ENOENT)) return false;
    Draft draft(path);
    fill(draft, image, path);
    return draft.settle(image.ephemeral);
}

}  // namespace qvm::launch
