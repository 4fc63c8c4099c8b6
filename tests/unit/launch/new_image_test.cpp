// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/new_image.hpp"

#include <fstream>
#include <sys/stat.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "config/document.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"
#include "launch/image_header.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::launch;
namespace fs = std::filesystem;

namespace {

std::size_t files_in(const fs::path& directory) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), {}));
}

}  // namespace

TEST_CASE("a raw image is made of its size, and only where there is nothing") {
    const test::TemporaryDirectory directory;
    const fs::path path = directory.path() / "a.raw";
    CHECK(make_image(path, {.format = "raw", .size = 4096}));
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK(status.st_size == 4096);
    CHECK((status.st_mode & 0777U) == 0600);
    std::ofstream(path) << "mine";
    CHECK_FALSE(make_image(path, {.format = "raw", .size = 4096}));
    CHECK(read_file(path).bytes == "mine");
    // Nor in the place of a link that leads nowhere.
    fs::create_symlink("/nowhere", directory.path() / "link");
    CHECK_FALSE(make_image(directory.path() / "link", {.format = "raw", .size = 512}));
    CHECK(files_in(directory.path()) == 2);
}

TEST_CASE("an ephemeral image takes the place of one that was left") {
    const test::TemporaryDirectory directory;
    const fs::path path = directory.path() / "a.raw";
    std::ofstream(path) << "old";
    CHECK(make_image(path, {.format = "raw", .size = 512, .ephemeral = true}));
    CHECK(read_file(path).bytes == std::string(512, '\0'));
}

TEST_CASE("an image over another one is as large, and names it") {
    const test::TemporaryDirectory directory;
    const fs::path base = directory.path() / "base.qcow2", path = directory.path() / "a,b:c.qcow2";
    REQUIRE(make_image(base, {.format = "qcow2", .size = 3 << 20}));
    REQUIRE(make_image(path, {.format = "qcow2", .backing = base, .backing_format = "qcow2"}));
    const auto header = read_image_header(path);
    REQUIRE(header);
    CHECK(header->is_qcow2);
    CHECK(header->disk_size == 3 << 20);
    CHECK(header->backing == base.string());
    CHECK(header->backing_format == "qcow2");
    const fs::path raw = directory.path() / "base.raw", over = directory.path() / "over.qcow2";
    std::ofstream(raw) << std::string(1000, 'x');
    REQUIRE(make_image(over, {.format = "qcow2", .backing = raw, .backing_format = "raw"}));
    CHECK(read_image_header(over)->disk_size == 1024);
}

TEST_CASE("what an image lies over may be written in its place, named, or named inside of another node") {
    Diagnostics diagnostics;
    const auto document = config::load({{"vm.toml", "/vm/vm.toml", R"(
disk.root = { base = "base.qcow2" }
[blockdev.named]
driver = "qcow2"
create = true
file = { driver = "file", filename = "named.qcow2" }
backing = "root"
[blockdev.inner]
driver = "qcow2"
create = "1G"
file = { driver = "file", filename = "inner.qcow2" }
backing = "root.base"
)"}},
                                       {}, diagnostics);
    auto vm = config::lower(document, diagnostics);
    config::find_host_uses(vm, document, diagnostics);
    REQUIRE_FALSE(diagnostics.has_errors());
    const auto image = [&](const char* id) { return new_image(vm, *vm.find({config::Kind::Blockdev, id})); };
    CHECK(image("root").backing == "/vm/base.qcow2");
    CHECK(image("named").backing == "/var/lib/qvm/vm/disks/root.qcow2");
    CHECK(image("named").size == 0);
    CHECK(image("inner").backing == "/vm/base.qcow2");
    CHECK(image("inner").backing_format == "qcow2");
    CHECK(image("inner").size == std::uint64_t{1} << 30U);
    CHECK(missing_images(vm).size() == 3);
}

TEST_CASE("an image that cannot be made leaves nothing") {
    const test::TemporaryDirectory directory;
    const fs::path path = directory.path() / "a.qcow2";
    CHECK_THROWS_WITH(
        make_image(path, {.format = "qcow2", .backing = "/nowhere.vmdk", .backing_format = "vmdk"}),
        ContainsSubstring("does not tell its size"));
    CHECK_THROWS_WITH(make_image(path, {.format = "nonsense", .size = 512}),
                      ContainsSubstring("qemu-img could not make"));
    CHECK_THROWS_AS(make_image(directory.path() / "none/a.raw", {.format = "raw", .size = 512}), SystemError);
    CHECK(files_in(directory.path()) == 0);
}
