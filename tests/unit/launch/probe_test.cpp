// SPDX-License-Identifier: GPL-3.0-or-later
// With the QEMU that is installed; skipped, saying so, where there is none.
#include "launch/probe.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include "base/error.hpp"
#include "launch/probe_cache.hpp"
#include "support/catch.hpp"
#include "support/saved_qemu.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::launch;
namespace fs = std::filesystem;

namespace {

constexpr auto qemu_path = "/usr/bin/qemu-system-x86_64";

bool no_qemu() {
    if (fs::exists(qemu_path)) return false;
    WARN("skipped: there is no " << qemu_path);
    return true;
}

config::QemuBinary qemu() {
    config::QemuBinary binary;
    binary.binary.value = qemu_path;
    return binary;
}

Probe probe_with(const test::TemporaryDirectory& cache) {
    return {qemu(), config::JailMode::Off, cache.path()};
}

std::vector<fs::path> files_in(const fs::path& directory) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(directory)) files.push_back(entry.path());
    return files;
}

}  // namespace

TEST_CASE("a QEMU that is not there is an error that names the package") {
    const test::TemporaryDirectory cache;
    config::QemuBinary missing;
    missing.binary.value = "qemu-system-x86_64-not-here";
    CHECK_THROWS_WITH(Probe(missing, config::JailMode::Off, cache.path()),
                      ContainsSubstring("'qemu-system-x86_64-not-here' is not in PATH"));
    missing.binary.value = "/nowhere/qemu-system-x86_64";
    try {
        const Probe probe(missing, config::JailMode::Off, cache.path());
        FAIL("found");
    } catch (const Error& error) {
        CHECK(error.exit_code() == ExitCode::HostCannot);
        CHECK_THAT(error.what(), ContainsSubstring("/nowhere/qemu-system-x86_64"));
        CHECK_THAT(error.advice(), ContainsSubstring("qemu-system-x86"));
    }
}

TEST_CASE("a program that is no QEMU is reported with what it says") {
    const test::TemporaryDirectory cache;
    config::QemuBinary other;
    other.binary.value = "/usr/bin/env";
    Probe probe(other, config::JailMode::Off, cache.path());
    CHECK_THROWS_WITH(probe.capabilities(), ContainsSubstring("/usr/bin/env"));
}

TEST_CASE("a QEMU tells what it is, once") {
    if (no_qemu()) return;
    const test::TemporaryDirectory cache;
    {
        Probe probe = probe_with(cache);
        const auto& told = probe.capabilities();
        CHECK(told.version.major >= 7);
        CHECK(told.arch == "x86_64");
        CHECK(told.machine("q35") != nullptr);
        CHECK(told.cpu_model("max") != nullptr);
        CHECK(told.has_device("virtio-blk-pci"));
        CHECK(told.is_a("virtio-blk-pci", "pci-device"));
        CHECK(told.schema.command("blockdev-add") != nullptr);
        // What can be said in a file; not what is answered or told.
        CHECK(told.schema.command("query-status") != nullptr);
        CHECK(told.schema.event("RESET") == nullptr);
        CHECK(probe.whole_schema().event("RESET") != nullptr);
        CHECK(told.options.contains("rtc"));
        const auto machine = told.machine("q35")->name + "-machine";
        const auto& more =
            probe.with_properties({"virtio-blk-pci", machine, "max-x86_64-cpu", "no-such-device"});
        for (const auto& [type, property] : {std::pair{std::string("virtio-blk-pci"), "drive"},
                                             {machine, "vmport"},
                                             {"max-x86_64-cpu", "avx"}}) {
            INFO(type);
            const auto* list = more.properties_of(type);
            REQUIRE(list != nullptr);
            CHECK(std::ranges::find(*list, property, &qapi::Property::name) != list->end());
            CHECK(std::ranges::find(*list, "type", &qapi::Property::name) == list->end());
        }
        REQUIRE(more.properties_of("no-such-device") != nullptr);
        CHECK(more.properties_of("no-such-device")->empty());
        CHECK(more.properties_of("virtio-net-pci") == nullptr);
    }
    const auto files = files_in(cache.path() / "probe");
    REQUIRE(files.size() == 3);
    for (const auto& file : files) {
        struct stat status {};
        REQUIRE(::stat(file.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777U) == 0600);
    }
    // From the cache: the same again, and nothing is written.
    const auto before = fs::last_write_time(files.front());
    Probe again = probe_with(cache);
    CHECK(again.with_properties({"virtio-blk-pci", "no-such-device"}).properties_of("no-such-device") !=
          nullptr);
    CHECK(fs::last_write_time(files.front()) == before);
}

TEST_CASE("a type that QEMU dies of counts as one without properties") {
    if (no_qemu()) return;
    const test::TemporaryDirectory cache;
    Probe probe = probe_with(cache);
    // QEMU 7.2 aborts on the first; whatever it does, the second is told.
    const auto& told = probe.with_properties({"microvm-machine", "x-remote-object", "virtio-net-pci"});
    CHECK(told.properties_of("x-remote-object") != nullptr);
    REQUIRE(told.properties_of("virtio-net-pci") != nullptr);
    CHECK_FALSE(told.properties_of("virtio-net-pci")->empty());
}

TEST_CASE("a cache that is damaged counts as absent") {
    const test::TemporaryDirectory place;
    const auto binary = place.write("qemu", "elf");
    const auto cache = [&] { return ProbeCache(place.path() / "probe", {}, binary); };
    CHECK_FALSE(cache().load());
    cache().store(test::saved_qemu());
    REQUIRE(cache().load());
    const std::vector<std::string> types{"virtio-blk-pci", "isa-serial"};
    cache().store_properties(test::saved_qemu(), {types[0]});
    cache().store_properties(test::saved_qemu(), {types[1]});
    {
        auto loaded = *cache().load();
        CHECK(loaded.properties.empty());
        cache().load_properties(loaded, types);
        CHECK(loaded.properties.size() == 2);
        auto expected = test::saved_qemu().to_json();
        auto got = loaded.to_json();
        CHECK(got["properties"]["isa-serial"] == expected["properties"]["isa-serial"]);
        for (const char* apart : {"properties", "introspection"}) {
            got.erase(apart);
            expected.erase(apart);
        }
        CHECK(got == expected);
        CHECK(loaded.schema.save() == test::saved_qemu().schema.save());
    }

    SECTION("a file cut short or overwritten") {
        for (const auto& file : files_in(place.path() / "probe")) {
            const auto size = fs::file_size(file);
            for (const auto length : {size - 1, size / 2, std::uintmax_t{10}, std::uintmax_t{0}}) {
                fs::resize_file(file, length);
                CHECK_NOTHROW(cache().load());
                qapi::Capabilities empty;
                CHECK_NOTHROW(cache().load_properties(empty, types));
                CHECK((file.extension() != ".properties" || empty.properties.size() < 2));
            }
        }
        CHECK_FALSE(cache().load());
        cache().store(test::saved_qemu());
        CHECK(cache().load());
    }
    SECTION("another binary in its place") {
        place.write("qemu", "another elf");
        CHECK_FALSE(cache().load());
    }
}

TEST_CASE("the accelerator is the first that works") {
    std::string notice;
    CHECK(choose_accelerator({"tcg", "kvm"}, config::JailMode::Strict, notice) == "tcg");
    CHECK(notice.empty());
    CHECK(choose_accelerator({"xen", "tcg"}, config::JailMode::Strict, notice) == "tcg");
    CHECK_THAT(notice, ContainsSubstring("xen does not work here"));
    CHECK_THAT(notice, ContainsSubstring("slower"));
    CHECK_THROWS_WITH(choose_accelerator({"xen"}, config::JailMode::Strict, notice),
                      ContainsSubstring("xen"));
}
