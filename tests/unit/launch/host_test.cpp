// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/host.hpp"

#include <algorithm>
#include <fcntl.h>
#include <fstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/document.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"
#include "launch/helper_jail.hpp"
#include "launch/image_header.hpp"
#include "qmp/transport.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::launch;
using config::Access;
using config::Kind;
namespace fs = std::filesystem;

namespace {

struct Place {
    test::TemporaryDirectory root;
    VmState state{Directories{root.path() / "state", root.path() / "run", root.path() / "cache", {}}, "web"};
    Place() { state.create(); }
};

void big_endian(std::string& bytes, std::size_t offset, std::uint64_t value, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i)
        bytes[offset + i] = static_cast<char>(value >> (8 * (size - 1 - i)) & 0xFFU);
}

/// The beginning of a qcow2 image of version 3 (docs/interop/qcow2.txt).
std::string qcow2(const std::string& backing = {}, const std::string& backing_format = {},
                  const std::string& data_file = {}) {
    std::string bytes(1024, '\0');
    big_endian(bytes, 0, 0x514649fb, 4);
    big_endian(bytes, 4, 3, 4);
    big_endian(bytes, 100, 104, 4);
    std::size_t at = 104;
    const auto extension = [&](std::uint32_t kind, const std::string& text) {
        if (text.empty()) return;
        big_endian(bytes, at, kind, 4);
        big_endian(bytes, at + 4, text.size(), 4);
        bytes.replace(at + 8, text.size(), text);
        at += 8 + (text.size() + 7) / 8 * 8;
    };
    extension(0xe2792aca, backing_format);
    extension(0x44415441, data_file);
    if (!data_file.empty()) big_endian(bytes, 72, 1U << 2U, 8);
    if (!backing.empty()) {
        big_endian(bytes, 8, 512, 8);
        big_endian(bytes, 16, backing.size(), 4);
        bytes.replace(512, backing.size(), backing);
    }
    return bytes;
}

config::Value text(const std::string& value) {
    return {value, {}};
}

config::Value file_node(const fs::path& path) {
    config::Table table;
    table.set("driver", {}, text("file"));
    table.set("filename", {}, text(path.string()));
    return {std::move(table), {}};
}

/// A VM with one disk on `path`; `backing` is its member of that name.
config::Vm disk_on(const fs::path& path, config::Value backing = {}, Access access = Access::ReadWrite) {
    config::Resource disk;
    disk.id = {Kind::Blockdev, "root"};
    disk.made_by = "disk.root";
    config::Table table;
    table.set("driver", {}, text("qcow2"));
    table.set("file", {}, file_node(path));
    table.set("backing", {}, std::move(backing));
    disk.properties = {std::move(table), {}};
    disk.host_uses = {{{"file", "filename"}, config::Entrance::Fdset, access, path, {}, {}}};
    config::Vm vm;
    vm.resources.push_back(std::move(disk));
    return vm;
}

std::string findings(const config::Vm& vm) {
    Diagnostics diagnostics;
    check_host(vm, diagnostics);
    return diagnostics.to_text(false);
}

HostStep file_step(const fs::path& path, Access access = Access::ReadOnly) {
    return {"disk", OpenFile{path, access, false}};
}

}  // namespace

TEST_CASE("files are opened with exactly the access that is wanted") {
    const Place place;
    const auto path = place.root.write("disk.raw", "data");
    HostResources host(place.state);
    for (const auto& [access, flags] : {std::pair{Access::ReadOnly, O_RDONLY}, {Access::ReadWrite, O_RDWR}}) {
        host.make(file_step(path, access));
        const int opened = ::fcntl(host.fd("disk"), F_GETFL);
        CHECK((opened & O_ACCMODE) == flags);
        CHECK((opened & O_NONBLOCK) == 0);
        CHECK((::fcntl(host.fd("disk"), F_GETFD) & FD_CLOEXEC) != 0);
    }
    host.close("disk");
    host.close("disk");
    CHECK_THROWS_WITH(host.fd("disk"), ContainsSubstring("'disk'"));
    CHECK_THROWS_WITH(host.fd("other"), ContainsSubstring("'other'"));
}

TEST_CASE("what is no file is not opened, and nothing is made") {
    const Place place;
    HostResources host(place.state);
    const auto missing = place.root.path() / "missing";
    CHECK_THROWS_WITH(host.make(file_step(missing, Access::ReadWrite)), ContainsSubstring(missing.string()));
    CHECK_FALSE(fs::exists(missing));
    CHECK_THROWS_WITH(host.make(file_step(place.root.path())), ContainsSubstring("a directory"));
    const auto fifo = place.root.path() / "fifo";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    CHECK_THROWS_WITH(host.make(file_step(fifo)), ContainsSubstring("a FIFO"));
}

TEST_CASE("sockets go with their owner, unless they are to stay") {
    const Place place;
    const auto path = place.state.socket("monitor.sock");
    {
        HostResources host(place.state);
        host.make({"monitor", ListenSocket{{}, "monitor.sock"}});
        CHECK(fs::is_socket(path));
        host.make({"client", ConnectSocket{path}});
        CHECK(host.fd("client") >= 0);
    }
    CHECK_FALSE(fs::exists(path));
    {
        HostResources host(place.state);
        host.make({"monitor", ListenSocket{{}, "monitor.sock"}});
        host.release();
    }
    CHECK(fs::is_socket(path));
}

TEST_CASE("a socket that QEMU makes gets its name, and its place is closed") {
    const Place place;
    const auto path = place.root.path() / "vm.sock";
    const auto directory = directory_for(path);
    qmp::listen_unix(path.string());  // nobody listens on it any more
    {
        HostResources host(place.state);
        host.make({"switch", PlaceSocket{path}});
        CHECK_FALSE(fs::exists(path));
        CHECK_FALSE(host.publish_sockets());
        const Fd inside(::open(directory.c_str(), O_RDONLY | O_DIRECTORY));
        const Fd listener = qmp::listen_unix((directory / socket_in_place).string());
        REQUIRE(host.publish_sockets());
        CHECK_FALSE(fs::exists(directory));
        CHECK(qmp::connect_unix(path.string()));
        CHECK((fs::status(path).permissions() & fs::perms::others_all) == fs::perms::none);
        CHECK(host.sockets() == std::vector<fs::path>{path});
        CHECK(::mkdirat(inside.get(), "more", 0700) != 0);
    }
    CHECK_FALSE(fs::exists(path));
    {
        HostResources host(place.state);
        host.make({"switch", PlaceSocket{path}});
    }
    CHECK_FALSE(fs::exists(directory));
    const Fd other = qmp::listen_unix(path.string());
    HostResources host(place.state);
    CHECK_THROWS_WITH(host.make({"switch", PlaceSocket{path}}), ContainsSubstring("Address already in use"));
}

TEST_CASE("a helper that is not installed is named") {
    const Place place;
    HostResources host(place.state);
    CHECK_THROWS_WITH(host.make({"net", StartProcess{"passt", {"passt-not-here", "--fd", "{fd}"}}}),
                      ContainsSubstring("passt-not-here"));
    CHECK(host.helpers().empty());
}

TEST_CASE("a directory with anything but a TPM's state is not given to one") {
    const Place place;
    const auto& state = place.state;
    const auto directory = place.root.path() / "keys/of the guest";
    const StartProcess process{"swtpm", {"/bin/true", "dir={path}", "clientfd={fd},dir={path}"}, directory};
    const auto helper = prepare_helper("host.tpm", process, 0, state, std::nullopt, false);
    CHECK(helper.spec.argv == std::vector<std::string>{"/bin/true", "dir=/state", "clientfd=3,dir=/state"});
    struct stat status {};
    REQUIRE(::stat(directory.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0700);
    const auto reduced = prepare_helper("host.tpm", process, 0, state, std::nullopt, true);
    CHECK(reduced.spec.argv[1] == "dir=/proc/self/fd/4");
    CHECK(std::ranges::any_of(reduced.spec.fds, [&](const auto& kept) {
        return kept.writable_directory && kept.fd == reduced.directory.get();
    }));
    std::ofstream(directory / "tpm2-00.permall") << "state";
    CHECK_NOTHROW(prepare_helper("host.tpm", process, 0, state, std::nullopt, false));
    fs::create_symlink("/etc/shadow", directory / "tpm-00.permall");
    CHECK_THROWS_WITH(prepare_helper("host.tpm", process, 0, state, std::nullopt, false),
                      ContainsSubstring("'tpm-00.permall' in it"));
    fs::remove(directory / "tpm-00.permall");
    std::ofstream(directory / "letters") << "secret";
    CHECK_THROWS_WITH(prepare_helper("host.tpm", process, 0, state, std::nullopt, false),
                      ContainsSubstring("'letters' in it"));
    CHECK_THROWS_WITH(prepare_helper("host.tpm", {"swtpm", {"/bin/true"}, directory / "letters"}, 0, state,
                                     std::nullopt, false),
                      ContainsSubstring("Not a directory"));
}

TEST_CASE("a good image has no findings") {
    const test::TemporaryDirectory place;
    CHECK(findings(disk_on(place.write("a.qcow2", qcow2()))).empty());
    const auto base = place.write("base.raw", "");
    for (const auto* name : {"base.raw", "./base.raw"})
        CHECK(findings(disk_on(place.write("b.qcow2", qcow2(name)),
                               [&] {
                                   config::Table node;
                                   node.set("driver", {}, text("raw"));
                                   node.set("file", {}, file_node(base));
                                   return config::Value(std::move(node), {});
                               }()))
                  .empty());
}

TEST_CASE("a missing file is found, with the name that was meant") {
    const test::TemporaryDirectory place;
    place.write("debian.qcow2", qcow2());
    const auto text = findings(disk_on(place.path() / "debain.qcow2"));
    CHECK_THAT(text, ContainsSubstring("[file-missing]"));
    CHECK_THAT(text, ContainsSubstring("did you mean 'debian.qcow2'?"));
    CHECK_THAT(text, ContainsSubstring("in disk.root"));
    CHECK_THAT(findings(disk_on(place.path() / "no/such/x.qcow2")),
               ContainsSubstring("only '" + place.path().string() + "' exists"));
    CHECK_THAT(findings(disk_on(place.path())), ContainsSubstring("is a directory"));
}

TEST_CASE("a symbolic link to nowhere is called one") {
    const test::TemporaryDirectory place;
    fs::create_symlink("/nowhere/disk", place.path() / "disk.qcow2");
    const auto text = findings(disk_on(place.path() / "disk.qcow2"));
    CHECK_THAT(text, ContainsSubstring("it is a symbolic link to '/nowhere/disk'"));
    CHECK_THAT(text, !ContainsSubstring("did you mean"));
}

TEST_CASE("a file that may not be written is found before QEMU starts") {
    if (::geteuid() == 0) {
        WARN("skipped: root may write every file");
        return;
    }
    const test::TemporaryDirectory place;
    const auto path = place.write("disk.qcow2", qcow2());
    fs::permissions(path, fs::perms(0400));
    CHECK_THAT(findings(disk_on(path)), ContainsSubstring("cannot be written"));
    CHECK(findings(disk_on(path, {}, Access::ReadOnly)).empty());
}

TEST_CASE("a kernel that is missing is found") {
    config::Vm vm;
    vm.kernel.emplace();
    vm.kernel->image.value = "/nowhere/vmlinuz";
    CHECK_THAT(findings(vm), ContainsSubstring("there is no file '/nowhere/vmlinuz'"));
}

TEST_CASE("what a jail is to be shown must exist and be no file system of the kernel's") {
    config::Vm vm;
    for (const char* path : {"/", "/proc", "/sys/kernel", "/dev/kvm", "/nowhere/roms", "/usr"})
        vm.jail.binds_ro.push_back({path, {}});
    const auto text = findings(vm);
    for (const char* path : {"'/'", "'/proc'", "'/sys/kernel'", "'/dev/kvm'"})
        CHECK_THAT(text, ContainsSubstring(std::string(path) + " cannot be shown in a jail"));
    CHECK_THAT(text, ContainsSubstring("there is no file '/nowhere/roms'"));
    CHECK_THAT(text, !ContainsSubstring("'/usr'"));
}

TEST_CASE("an image whose header names other files is not trusted") {
    const test::TemporaryDirectory place;
    SECTION("a backing file nobody declared") {
        const auto text = findings(disk_on(place.write("a.qcow2", qcow2("/etc/shadow", "raw"))));
        CHECK_THAT(text, ContainsSubstring("[chain-mismatch]"));
        CHECK_THAT(text, ContainsSubstring("'/etc/shadow'"));
        CHECK_THAT(text,
                   ContainsSubstring("add to [disk.root]: blockdev.backing = { driver = \"raw\", file = { "
                                     "driver = \"file\", filename = \"/etc/shadow\" } }"));
        CHECK_THAT(text, ContainsSubstring("qemu-img rebase -u -f qcow2 -b '' /"));
    }
    SECTION("which the advice allows, as it stands") {
        const auto image = place.write("a.qcow2", qcow2("a \"b\"\x1b.raw", "raw"));
        place.write("a \"b\"\x1b.raw", "");
        std::string file = "[disk.root]\nfile = '" + image.string() + "'\n";
        const auto check = [&] {
            Diagnostics diagnostics;
            const auto document = config::load({{"vm.toml", "/vm/vm.toml", file}}, {}, diagnostics);
            auto vm = config::lower(document, diagnostics);
            config::find_host_uses(vm, document, diagnostics);
            check_host(vm, diagnostics);
            return diagnostics.to_text(false);
        };
        const auto text = check();
        const std::string lead = "add to [disk.root]: ";
        const auto begin = text.find(lead);
        REQUIRE(begin != std::string::npos);
        file += text.substr(begin + lead.size(), text.find('\n', begin) - begin - lead.size());
        INFO(file);
        CHECK(check() == "");
    }
    SECTION("whose format the header does not say: nobody guesses it") {
        for (const auto* format : {"", "raw\", x = \""}) {
            const auto text = findings(disk_on(place.write("a.qcow2", qcow2("base", format))));
            CHECK_THAT(text, ContainsSubstring("backing = { driver = \"FORMAT\""));
            CHECK_THAT(text, ContainsSubstring("for FORMAT write the one it was made in"));
        }
    }
    SECTION("whose name is no file's") {
        for (const auto* name : {"json:{\"driver\":\"file\"}", "nbd://host/x", "\xff.raw"}) {
            const auto text = findings(disk_on(place.write("a.qcow2", qcow2(name, "raw"))));
            CHECK_THAT(text, ContainsSubstring("say in [disk.root] what it lies over"));
            CHECK_THAT(text, !ContainsSubstring("filename ="));
        }
    }
    SECTION("whose name needs quotes") {
        const auto text = findings(disk_on(place.write("it's.qcow2", qcow2("a \"b\".raw", "raw"))));
        CHECK_THAT(text, ContainsSubstring("/a \\\"b\\\".raw\""));
        CHECK_THAT(text, ContainsSubstring("/it'\\''s.qcow2'"));
    }
    SECTION("of a node in a table whose name needs quotes") {
        auto vm = disk_on(place.write("a.qcow2", qcow2("base", "raw")));
        vm.resources.front().id.id = "my.base";
        vm.resources.front().made_by = "blockdev.my.base";
        CHECK_THAT(findings(vm), ContainsSubstring("add to [blockdev.\"my.base\"]: backing = {"));
    }
    SECTION("another backing file than the declared one") {
        config::Table node;
        node.set("driver", {}, text("raw"));
        node.set("file", {}, file_node(place.write("mine.raw", "")));
        const auto text =
            findings(disk_on(place.write("a.qcow2", qcow2("other.raw")), {std::move(node), {}}));
        CHECK_THAT(text, ContainsSubstring("other.raw', the configuration says over '"));
        CHECK_THAT(text, ContainsSubstring("qemu-img rebase -u -f qcow2 -F raw -b /"));
    }
    SECTION("another backing file, which is a node inside another") {
        config::Table inner;
        inner.set("driver", {}, text("raw"));
        inner.set("node-name", {}, text("base"));
        inner.set("file", {}, file_node(place.write("mine.raw", "")));
        config::Table outer;
        outer.set("driver", {}, text("throttle"));
        outer.set("file", {}, {std::move(inner), {}});
        auto vm = disk_on(place.write("a.qcow2", qcow2("other.raw")), text("base"));
        vm.resources.push_back(
            {{Kind::Blockdev, "limited"}, {std::move(outer), {}}, {}, {}, {}, "blockdev.limited", {}});
        CHECK_THAT(findings(vm), ContainsSubstring("other.raw', the configuration says over '"));
    }
    SECTION("a data file nobody declared") {
        const auto text = findings(disk_on(place.write("a.qcow2", qcow2({}, {}, "secrets.raw"))));
        CHECK_THAT(text, ContainsSubstring("[chain-mismatch]"));
        CHECK_THAT(text, ContainsSubstring("secrets.raw"));
    }
    SECTION("no qcow2 at all") {
        CHECK_THAT(findings(disk_on(place.write("a.qcow2", "MBR"))),
                   ContainsSubstring("is not a qcow2 image"));
    }
    SECTION("a name that would play with the terminal") {
        const auto text = findings(disk_on(place.write("a.qcow2", qcow2("\x1b[31mred"))));
        CHECK(text.find('\x1b') == std::string::npos);
    }
}

TEST_CASE("a disk that is larger than its size is not shrunk") {
    const test::TemporaryDirectory place;
    auto image = qcow2();
    big_endian(image, 24, 8192, 8);
    auto vm = disk_on(place.write("a.qcow2", image));
    config::Resource& disk = vm.resources.front();
    const auto with_size = [&](std::uint64_t bytes) {
        disk.grow_to = {bytes, {}};
        return findings(vm);
    };
    CHECK(with_size(8192).empty());
    CHECK(with_size(1U << 20U).empty());
    CHECK_THAT(with_size(4096), ContainsSubstring("has 8K already, and a disk is never shrunk [bad-size]"));
    // Of a raw disk the file counts: what is in it may be the guest's.
    disk.properties.table()->set("driver", {}, config::Value(std::string("raw"), {}));
    disk.properties.table()->erase("backing");
    CHECK(with_size(1024).empty());
    CHECK_THAT(with_size(512), ContainsSubstring("has 1K already"));
}

TEST_CASE("an image under two names is one image") {
    const test::TemporaryDirectory place;
    const auto path = place.write("a.qcow2", qcow2());
    fs::create_symlink("a.qcow2", place.path() / "link.qcow2");
    auto vm = disk_on(path);
    vm.resources.push_back(disk_on(place.path() / "link.qcow2").resources.front());
    vm.resources.back().id.id = "data";
    CHECK_THAT(findings(vm), ContainsSubstring("link.qcow2' is the same file as '" + path.string()) &&
                                 ContainsSubstring("[conflict]"));
    SECTION("through a resource of the host") {
        config::Table host;
        host.set("kind", {}, text("file"));
        host.set("path", {}, text((place.path() / "link.qcow2").string()));
        auto& use = vm.resources.back().host_uses.front();
        use.path.clear();
        use.host = "x";
        vm.resources.push_back({{Kind::Host, "x"}, {std::move(host), {}}, {}, {}, {}, "host.x", {}});
        CHECK_THAT(findings(vm), ContainsSubstring("is the same file as"));
    }
    SECTION("which several may read") {
        for (auto& resource : vm.resources) resource.host_uses.front().access = Access::ReadOnly;
        CHECK(findings(vm).empty());
    }
}

TEST_CASE("damaged headers never crash the reader") {
    const test::TemporaryDirectory place;
    const auto good = qcow2("base.raw", "qcow2", "data.raw");
    const auto whole = read_image_header(place.write("good", good));
    REQUIRE(whole);
    CHECK(whole->backing == "base.raw");
    CHECK(whole->backing_format == "qcow2");
    CHECK(whole->data_file == "data.raw");
    for (std::size_t length = 0; length < good.size(); length += 3)
        CHECK(read_image_header(place.write("short", good.substr(0, length))));
    for (std::size_t offset = 8; offset < 160; ++offset) {
        auto bad = good;
        bad[offset] = '\xff';
        CHECK(read_image_header(place.write("bad", bad)));
    }
    CHECK_FALSE(read_image_header(place.path() / "missing"));
    CHECK_FALSE(read_image_header(place.path()));
}
