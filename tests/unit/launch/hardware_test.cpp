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
    void link(const std::string& name, const std::string& target) const {
        const auto path = directory_.path() / name;
        std::filesystem::create_directories(path.parent_path());
        std::filesystem::create_symlink(target, path);
    }
    /// A PCI device as sysfs shows it.
    void pci(const std::string& address, const std::string& group, const std::string& driver,
             const std::string& kind = "0x030000") const {
        const auto place = "sys/bus/pci/devices/" + address;
        write(place + "/class", kind);
        if (!driver.empty()) link(place + "/driver", "../../../bus/pci/drivers/" + driver);
        if (group.empty()) return;
        link(place + "/iommu_group", "../../../kernel/iommu_groups/" + group);
        link("sys/kernel/iommu_groups/" + group + "/devices/" + address,
             (directory_.path() / place).string());
    }
    std::string says(const std::string& text, bool runs = false,
                     std::optional<std::uint64_t> lockable = std::nullopt) const {
        Diagnostics diagnostics;
        const auto document = config::load({{"vm.toml", "/vm/vm.toml", text}}, {}, diagnostics);
        const auto vm = config::lower(document, diagnostics);
        REQUIRE_FALSE(diagnostics.has_errors());
        check_hardware(
            vm, runs,
            {directory_.path() / "sys", directory_.path() / "proc", directory_.path() / "dev", lockable},
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

TEST_CASE("what hinders a device of the host's from being passed is told, with the way out") {
    const Host host;
    const std::string gpu = "host-device.gpu = { pci = '41:00.0' }";
    CHECK_THAT(host.says(gpu), ContainsSubstring("this host has no PCI device 0000:41:00.0"));
    // A restart must not end the VM that runs for it.
    CHECK_THAT(host.says(gpu, true), ContainsSubstring("this host has no PCI device 0000:41:00.0"));

    host.pci("0000:41:00.0", "", "nouveau");
    CHECK_THAT(host.says(gpu), ContainsSubstring("in no IOMMU group"));
    CHECK_THAT(host.says(gpu), ContainsSubstring("vm.toml:1:27: error"));
}

TEST_CASE("a device that the host's driver has is told with the commands that take it away") {
    const Host host;
    const std::string gpu = "host-device.gpu = { pci = '41:00.0' }";
    host.pci("0000:41:00.0", "12", "nouveau");
    const auto bound = host.says(gpu);
    CHECK_THAT(bound, ContainsSubstring("0000:41:00.0 is bound to the host's driver nouveau"));
    CHECK_THAT(bound, ContainsSubstring("echo vfio-pci > /sys/bus/pci/devices/0000:41:00.0/driver_override; "
                                        "echo 0000:41:00.0 > "
                                        "/sys/bus/pci/devices/0000:41:00.0/driver/unbind"));
    CHECK_THAT(bound, ContainsSubstring("driverctl set-override 0000:41:00.0 vfio-pci"));
    CHECK_THAT(bound, ContainsSubstring("in host-device.gpu"));
}

TEST_CASE("a device's IOMMU group goes with it") {
    const Host host;
    const std::string gpu = "host-device.gpu = { pci = '41:00.0' }";
    host.pci("0000:40:00.0", "12", "pcieport", "0x060400");
    host.pci("0000:41:00.0", "12", "vfio-pci");
    host.pci("0000:41:00.1", "12", "snd_hda_intel", "0x040300");
    CHECK_THAT(host.says(gpu), ContainsSubstring("0000:41:00.1 is in the same IOMMU group as 0000:41:00.0, "
                                                 "and bound to the host's driver snd_hda_intel"));
    const Host board;
    board.pci("0000:00:1f.0", "7", "lpc_ich", "0x060100");
    board.pci("0000:00:1f.3", "7", "vfio-pci");
    CHECK_THAT(board.says("host-device.sound = { pci = '00:1f.3' }"), ContainsSubstring("driver lpc_ich"));
    const Host other;
    other.pci("0000:41:00.0", "12", "vfio-pci");
    CHECK_THAT(other.says(gpu), ContainsSubstring("dev/vfio/12': No such file or directory"));
    other.write("dev/vfio/12", "");
    CHECK(other.says(gpu).empty());
    CHECK_THAT(other.says("memory = '4G'\n" + gpu, false, 1 << 20), ContainsSubstring("you may lock 1M"));
    CHECK_THAT(other.says("defaults = false\ndevice.x = { driver = 'vfio-pci', host = '0000:42:00.0' }"),
               ContainsSubstring("no PCI device 0000:42:00.0"));
}
