// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/passed_device.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "config/pci_address.hpp"
#include "config/rules_buses.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view devices = "bus/pci/devices";

/// What a symbolic link of sysfs names; "" if there is none.
std::string named_by(const fs::path& link) {
    std::error_code none;
    return fs::read_symlink(link, none).filename().string();
}

std::string group_of(const std::string& address, const HardwarePlaces& places) {
    return named_by(places.sys / devices / address / "iommu_group");
}

/// A PCI-to-PCI bridge stays with the host's driver, which only forwards.
bool is_bridge(const fs::path& device) {
    constexpr std::string_view bridges = "0x0604";
    std::string kind;
    std::ifstream(device / "class") >> kind;
    return kind.starts_with(bridges);
}

/// Bound to nothing that uses it: vfio-pci, one of its variants for a maker's devices, or pci-stub.
bool is_let_go(const std::string& driver) {
    return driver.empty() || driver == "pci-stub" || driver.find("vfio") != std::string::npos;
}

std::vector<std::string> rebinding(const std::string& address, const std::string& driver) {
    const auto place = fmt::format("/sys/{}/{}", devices, address);
    const auto unbind = driver.empty() ? "" : fmt::format("; echo {} > {}/driver/unbind", address, place);
    return {fmt::format("as root: `modprobe vfio-pci; echo vfio-pci > {0}/driver_override{1}; echo {2} > "
                        "/sys/bus/pci/drivers_probe`",
                        place, unbind, address),
            fmt::format("to keep it so: `driverctl set-override {} vfio-pci` (package driverctl)", address)};
}

bool is_vfio(const config::Resource& resource) {
    return resource.id.kind == config::Kind::Device && resource.driver().starts_with("vfio-pci");
}

class Checker {
  public:
    /// `by_other`: QEMU will open the group's file with a uid that is not the caller's.
    Checker(const PassedDevice& device, bool by_other, const HardwarePlaces& places, Diagnostics& diagnostics)
        : device_(device), by_other_(by_other), places_(places), diagnostics_(diagnostics) {}

    void check() {
        std::error_code none;
        const auto& address = device_.address;
        const auto place = places_.sys / devices / address;
        if (!fs::exists(place, none)) {
            report(fmt::format("this host has no PCI device {}", address), {"`lspci -D` lists them"});
            return;
        }
        const auto group = group_of(address, places_);
        if (group.empty()) {
            report(
                fmt::format("{} is in no IOMMU group: this host's IOMMU is off, or there is none", address),
                {"switch it on in the host's firmware (VT-d, AMD-Vi); an Intel host also needs "
                 "intel_iommu=on on its kernel's command line"});
            return;
        }
        const auto driver = named_by(place / "driver");
        if (driver.find("vfio") == std::string::npos)
            report(driver.empty() ? fmt::format("{} is not bound to vfio-pci", address)
                                  : fmt::format("{} is bound to the host's driver {}", address, driver),
                   rebinding(address, driver));
        else if (companions(group))
            may_open(group);
    }

  private:
    /// A group is passed as one: what can write to one device's memory could to another's.
    bool companions(const std::string& group) {
        bool free = true;
        std::error_code none;
        for (const auto& one :
             fs::directory_iterator(places_.sys / "kernel/iommu_groups" / group / "devices", none)) {
            const auto address = one.path().filename().string();
            const auto driver = named_by(one.path() / "driver");
            if (is_let_go(driver) || is_bridge(one.path())) continue;
            free = false;
            report(fmt::format("{} is in the same IOMMU group as {}, and bound to the host's driver {}",
                               address, device_.address, driver),
                   rebinding(address, driver));
        }
        return free;
    }

    void may_open(const std::string& group) {
        const auto file = places_.dev / "vfio" / group;
        struct stat status {};
        constexpr mode_t for_all = S_IROTH | S_IWOTH;
        if (by_other_ && ::stat(file.c_str(), &status) == 0 && (status.st_mode & for_all) != for_all) {
            report(
                fmt::format("{} cannot be used in a reduced jail of root's: only who may open '{}' can, and "
                            "QEMU is not root there",
                            device_.address, file.string()),
                {"a strict jail has a device file of its own"});
            return;
        }
        if (::access(file.c_str(), R_OK | W_OK) == 0) return;
        report(fmt::format("{} cannot be used: '{}': {}", device_.address, file.string(), errno_text(errno)),
               {fmt::format("as root: `chown {} {}`; a rule of udev keeps it so: SUBSYSTEM==\"vfio\", "
                            "KERNEL==\"{}\", OWNER=\"{}\"",
                            ::getuid(), file.string(), group, ::getuid())});
    }

    void report(std::string message, std::vector<std::string> notes) {
        notes.push_back(fmt::format("in {}", device_.made_by));
        diagnostics_.add(
            {DiagnosticKind::BadValue, device_.origin, std::move(message), {}, std::move(notes)});
    }

    const PassedDevice& device_;
    const bool by_other_;
    const HardwarePlaces& places_;
    Diagnostics& diagnostics_;
};

}  // namespace

std::vector<PassedDevice> passed_devices(const config::Vm& vm) {
    std::vector<PassedDevice> passed;
    for (const auto& resource : vm.resources) {
        if (!is_vfio(resource)) continue;
        const std::string* host = config::text_at(resource, "host");
        const auto address = host == nullptr ? std::nullopt : config::full_pci_address(*host);
        if (address)
            passed.push_back({*address, resource.properties.table()->find("host")->origin, resource.made_by});
    }
    return passed;
}

bool comes_at_start(const config::Vm& vm, const config::Resource& device) {
    return vm.jail_mode.value != config::JailMode::Off && is_vfio(device);
}

void let_in(jail::Spec& spec, const PassedDevice& device, const HardwarePlaces& places) {
    const auto group = group_of(device.address, places);
    if (group.empty()) return;
    for (const auto& file : {places.dev / "vfio/vfio", places.dev / "vfio" / group})
        if (std::ranges::find(spec.device_files, file.string()) == spec.device_files.end())
            spec.device_files.push_back(file.string());
    const auto told = (places.sys / devices / device.address).string();
    spec.binds.push_back({.source = told, .target = told});
}

void check_passed_devices(const config::Vm& vm, const HardwarePlaces& places, Diagnostics& diagnostics) {
    const bool by_other = ::geteuid() == 0 && vm.jail_mode.value == config::JailMode::Reduced;
    for (const auto& device : passed_devices(vm)) Checker(device, by_other, places, diagnostics).check();
}

}  // namespace qvm::launch
