// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/hardware.hpp"

#include <fstream>

#include "config/lower.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

/// A host with two CPUs, one node, and three free huge pages of 2M of which one is spoken for.
class Host {
  public:
    Host() {
        write("sys/devices/system/cpu/online", "0-1");
        write("sys/devices/system/node/online", "0");
        for (const auto* name : {"2048", "1048576"}) {
            const auto pages = std::string("sys/kernel/mm/hugepages/hugepages-") + name + "kB/";
            for (const auto* file : {"free_hugepages", "resv_hugepages", "nr_hugepages", "surplus_hugepages",
                                     "nr_overcommit_hugepages"})
                write(pages + file, "0");
        }
        write("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "3");
        write("sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "1");
        write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "5");
        write("proc/meminfo", "MemTotal: 1 kB\nHugepagesize:       2048 kB\n");
    }
    void write(const std::string& name, const std::string& text) const {
        const auto path = directory_.path() / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text << '\n';
    }
    std::string says(const std::string& text, bool runs = false,
                     std::optional<std::uint64_t> lockable = std::nullopt) const {
        Diagnostics diagnostics;
        const auto document = config::load({{"vm.toml", "/vm/vm.toml", text}}, {}, diagnostics);
        const auto vm = config::lower(document, diagnostics);
        REQUIRE_FALSE(diagnostics.has_errors());
        check_hardware(vm, runs, {directory_.path() / "sys", directory_.path() / "proc", lockable},
                       diagnostics);
        return diagnostics.to_text(false);
    }

  private:
    test::TemporaryDirectory directory_;
};

}  // namespace

TEST_CASE("huge pages are counted before a start, and the way to more is told") {
    const Host host;
    CHECK(host.says("memory = { size = '4M', hugepages = '2M' }").empty());
    // What comes later is not taken now.
    CHECK(host.says("memory = { size = '4M', max = '8G', hugepages = true }").empty());
    const auto few = host.says("memory = { size = '6M', hugepages = true }");
    CHECK_THAT(few, ContainsSubstring("vm.toml:1:"));
    CHECK_THAT(few, ContainsSubstring("needs 3 huge pages of 2M, and 2 of this host's are free"));
    CHECK_THAT(few, ContainsSubstring("`sysctl vm.nr_hugepages=6`"));
    CHECK(host.says("memory = { size = '6M', hugepages = true }", true).empty());
    CHECK_THAT(host.says("memory = { size = '1G', hugepages = '1G' }"),
               ContainsSubstring("hugepages-1048576kB/nr_hugepages`"));
    CHECK_THAT(host.says("memory = { size = '64M', hugepages = '64K' }"),
               ContainsSubstring("no huge pages of 64K"));
    host.write("sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages", "1");
    CHECK(host.says("memory = { size = '6M', hugepages = true }").empty());
}

TEST_CASE("CPUs and nodes of the host are there") {
    const Host host;
    CHECK(host.says("cpus = { count = 2, pin = '0-1' }").empty());
    const auto pin = host.says("cpus = { count = 2, pin = ['0', '1-2'] }");
    CHECK_THAT(pin, ContainsSubstring("this host has no CPU 2"));
    CHECK_THAT(pin, ContainsSubstring("it has 0-1"));
    const std::string node = "cpus = 1\nnuma.0 = { cpus = 0, memory = '64M', host-nodes = ";
    CHECK(host.says(node + "[0] }").empty());
    CHECK_THAT(host.says(node + "[1] }"), ContainsSubstring("this host has no memory node 1"));
}

TEST_CASE("memory is locked within one's limit") {
    const Host host;
    const std::string lock = "memory = { size = '1G', lock = true }";
    CHECK(host.says(lock).empty());
    CHECK_THAT(host.says(lock, false, 8U << 20U), ContainsSubstring("you may lock 8M of memory"));
    CHECK(host.says(lock, false, std::uint64_t{2} << 30U).empty());
    CHECK(host.says("memory = '1G'", false, 0).empty());
}
