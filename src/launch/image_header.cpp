// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/image_header.hpp"

#include <cstdint>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.hpp"

namespace qvm::launch {
namespace {

constexpr std::uint32_t qcow2_magic = 0x514649fb;
constexpr std::uint32_t extension_end = 0;
constexpr std::uint32_t extension_backing_format = 0xe2792aca;
constexpr std::uint32_t extension_data_file = 0x44415441;
constexpr std::uint64_t incompatible_data_file = 1U << 2U;
constexpr std::size_t longest_backing_name = 1023;
constexpr std::size_t header_v2_size = 72;

/// The beginning of a file, and big-endian numbers in it; what lies beyond reads as zero.
class Bytes {
  public:
    explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}

    std::uint64_t number(std::size_t offset, std::size_t size) const {
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < size; ++i) value = value << 8U | byte(offset + i);
        return value;
    }
    std::uint32_t u32(std::size_t offset) const { return static_cast<std::uint32_t>(number(offset, 4)); }
    std::string text(std::size_t offset, std::size_t size) const {
        return offset < bytes_.size() ? bytes_.substr(offset, size) : std::string();
    }
    std::size_t size() const { return bytes_.size(); }

  private:
    unsigned char byte(std::size_t offset) const {
        return offset < bytes_.size() ? static_cast<unsigned char>(bytes_[offset]) : 0;
    }
    std::string bytes_;
};

std::string read_at(int fd, off_t offset, std::size_t size) {
    std::string bytes(size, '\0');
    const auto got = ::pread(fd, bytes.data(), size, offset);
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
}

void read_extensions(const Bytes& header, std::size_t offset, ImageHeader& found) {
    while (offset + 8 <= header.size()) {
        const auto kind = header.u32(offset);
        const std::size_t size = header.u32(offset + 4);
        if (kind == extension_end || size > header.size()) return;
        if (kind == extension_backing_format) found.backing_format = header.text(offset + 8, size);
        if (kind == extension_data_file) found.data_file = header.text(offset + 8, size);
        offset += 8 + (size + 7) / 8 * 8;
    }
}

}  // namespace

std::optional<ImageHeader> read_image_header(const std::filesystem::path& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0) return std::nullopt;
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) return std::nullopt;
    constexpr std::size_t enough = 4096;
    const Bytes header(read_at(file.get(), 0, enough));
    ImageHeader found;
    found.is_qcow2 = header.u32(0) == qcow2_magic && header.u32(4) >= 2;
    const auto end = ::lseek(file.get(), 0, SEEK_END);
    found.file_size = static_cast<std::uint64_t>(end < 0 ? 0 : end);
    found.disk_size = found.is_qcow2 ? header.number(24, 8) : 0;
    if (!found.is_qcow2) return found;
    const auto backing_offset = header.number(8, 8);
    const std::size_t backing_size = header.u32(16);
    if (backing_offset != 0 && backing_size != 0 && backing_offset <= INT64_MAX) {
        const auto size = backing_size < longest_backing_name ? backing_size : longest_backing_name;
        found.backing = read_at(file.get(), static_cast<off_t>(backing_offset), size);
        // A name that cannot be read is one all the same.
        if (found.backing.empty()) found.backing = "?";
    }
    const bool version_3 = header.u32(4) >= 3;
    found.has_data_file = version_3 && (header.number(72, 8) & incompatible_data_file) != 0;
    read_extensions(header, version_3 ? header.u32(100) : header_v2_size, found);
    return found;
}

std::optional<std::uint64_t> read_disk_size(const std::filesystem::path& path, std::string_view format) {
    if (format != "raw" && format != "qcow2") return std::nullopt;
    const auto header = read_image_header(path);
    if (!header) return std::nullopt;
    // What a raw image begins with is the guest's.
    return format == "raw" ? header->file_size : header->disk_size;
}

}  // namespace qvm::launch
