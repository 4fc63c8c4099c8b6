// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/usb_device.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <sys/file.h>
#include <thread>
#include <tuple>
#include <unistd.h>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "config/rules_buses.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

/// The driver that an interface is bound to while a program has it.
constexpr std::string_view claimed = "usbfs";

std::string line_of(const fs::path& file) {
    std::string line;
    std::getline(std::ifstream(file), line);
    return escape_controls(line);
}

/// Of a list of names in a directory; none if there is none.
std::vector<fs::path> entries(const fs::path& directory) {
    std::vector<fs::path> list;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(directory, none)) list.push_back(entry.path());
    std::ranges::sort(list);
    return list;
}

/// The disks below a device: links would lead out of it.
void find_disks(const fs::path& directory, std::vector<std::string>& disks) {
    std::error_code none;
    for (const auto& entry : entries(directory)) {
        if (!fs::is_directory(fs::symlink_status(entry, none))) continue;
        if (directory.filename() != "block") {
            find_disks(entry, disks);
            continue;
        }
        disks.push_back(entry.filename().string());
        for (const auto& part : entries(entry))
            if (fs::exists(part / "partition", none)) disks.push_back(part.filename().string());
    }
}

UsbDevice device_at(const fs::path& place, const HardwarePlaces& places) {
    UsbDevice device;
    device.port = place.filename().string();
    device.vendor = line_of(place / "idVendor");
    device.product = line_of(place / "idProduct");
    device.serial = line_of(place / "serial");
    device.words = line_of(place / "manufacturer");
    const auto name = line_of(place / "product");
    if (!device.words.empty() && !name.empty()) device.words += ' ';
    device.words += name;
    device.hub = line_of(place / "bDeviceClass") == "09";
    unsigned bus = 0, number = 0;
    std::ifstream(place / "busnum") >> bus;
    std::ifstream(place / "devnum") >> number;
    device.file = places.dev / fmt::format("bus/usb/{:03}/{:03}", bus, number);
    for (const auto& interface : entries(place)) {
        if (!interface.filename().string().starts_with(device.port + ':')) continue;
        std::error_code none;
        const auto driver = fs::read_symlink(interface / "driver", none).filename().string();
        if (!driver.empty() && std::ranges::find(device.drivers, driver) == device.drivers.end())
            device.drivers.push_back(driver);
        find_disks(interface, device.disks);
    }
    return device;
}

bool has_name(const UsbDevice& device, const config::UsbName& name) {
    return name.by_port() ? device.port == name.port
                          : device.vendor == name.vendor && device.product == name.product;
}

std::string described(const UsbDevice& device) {
    return fmt::format("{} at {}{}{}", device.ids(), device.port,
                       device.words.empty() ? "" : ", " + device.words,
                       device.serial.empty() ? "" : ", serial number " + device.serial);
}

/// One device, or why there is not exactly one.
struct Search {
    std::vector<UsbDevice> found;
    std::string trouble;
    std::string label;
    std::vector<std::string> notes;
};

void explain_missing(Search& search, const config::UsbName& name, const std::vector<UsbDevice>& there) {
    search.trouble = name.by_port() ? fmt::format("this host has no USB device at {}", name.port)
                                    : fmt::format("this host has no USB device {}", config::to_string(name));
    std::vector<std::string> names;
    constexpr std::size_t most_told = 12;
    for (const auto& device : there) {
        if (device.hub) continue;
        names.push_back(name.by_port() ? device.port : device.ids());
        if (names.size() <= most_told) search.notes.push_back("there is " + described(device));
    }
    search.label = did_you_mean(config::to_string(name), names);
    if (names.empty()) search.notes.emplace_back("it has none at all");
    if (names.size() > most_told) search.notes.emplace_back("and others: `lsusb` lists them");
}

Search search_for(const config::UsbName& name, const HardwarePlaces& places) {
    Search search;
    const auto there = usb_devices(places);
    for (const auto& device : there)
        if (has_name(device, name)) search.found.push_back(device);
    if (search.found.empty()) explain_missing(search, name, there);
    if (search.found.size() > 1) {
        search.trouble =
            fmt::format("this host has {} USB devices {}", search.found.size(), config::to_string(name));
        for (const auto& device : search.found)
            search.notes.push_back(fmt::format("usb = \"{}\" is the one {}", device.port, described(device)));
    }
    if (search.found.size() == 1 && search.found.front().hub) {
        search.trouble = fmt::format("{} is a hub", described(search.found.front()));
        search.notes.emplace_back("what is plugged into it can be passed, each by itself");
    }
    return search;
}

/// By a driver's name while the guest uses it; from before that on, by the lock on its open file. `lock`:
/// LOCK_SH to look, LOCK_EX to take it.
bool is_taken(const UsbDevice& device, const Fd& file, int lock) {
    return std::ranges::find(device.drivers, claimed) != device.drivers.end() ||
           (file && ::flock(file.get(), lock | LOCK_NB) != 0 && errno == EWOULDBLOCK);
}

/// Somebody may be looking just now.
bool cannot_take(const UsbDevice& device, const Fd& file) {
    constexpr int looks = 5;
    for (int i = 1; i < looks; ++i) {
        if (!is_taken(device, file, LOCK_EX)) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return is_taken(device, file, LOCK_EX);
}

Fd open_file_of(const UsbDevice& device) {
    return Fd(::open(device.file.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY));
}

std::string taken_text(const UsbDevice& device) {
    return fmt::format("{} is in use by a program of this host, another VM perhaps", described(device));
}

std::string who_has(const UsbDevice& device) {
    return fmt::format("as root: `fuser -v {}` tells which", device.file.string());
}

/// What the host does with one of a device's disks, and what ends it.
struct DiskUse {
    std::string what, way_out;
};

/// File systems, swap, and what stands on a disk: LUKS, LVM, MD.
std::vector<DiskUse> uses_of(const std::vector<std::string>& disks, const HardwarePlaces& places) {
    std::vector<DiskUse> uses;
    for (const auto& [file, what, way_out] :
         {std::tuple{"self/mounts", "mounted", "umount"}, {"swaps", "the host's swap", "swapoff"}}) {
        std::ifstream lines(places.proc / file);
        for (std::string source, place, rest; lines >> source >> place && std::getline(lines, rest);)
            for (const auto& disk : disks)
                if (source == "/dev/" + disk)
                    uses.push_back({fmt::format("'{}' of it is {}", source, what),
                                    fmt::format("`{} {}` before the VM takes it", way_out,
                                                way_out == std::string_view("umount") ? escape_controls(place)
                                                                                      : source)});
    }
    for (const auto& disk : disks)
        for (const auto& holder : entries(places.sys / "class/block" / disk / "holders"))
            uses.push_back({fmt::format("'{}' stands on '/dev/{}' of it", holder.filename().string(), disk),
                            "close that before the VM takes it: `cryptsetup close`, `vgchange -an` or "
                            "`mdadm --stop`"});
    return uses;
}

std::vector<std::string> ways_to_open(const UsbDevice& device, bool by_port) {
    const auto which = by_port ? fmt::format("KERNEL==\"{}\"", device.port)
                               : fmt::format("ATTR{{idVendor}}==\"{}\", ATTR{{idProduct}}==\"{}\"",
                                             device.vendor, device.product);
    return {fmt::format("as root, until it is unplugged: `setfacl -m u:{}:rw {}`", ::geteuid(),
                        device.file.string()),
            fmt::format("to keep it so, a rule of udev: SUBSYSTEM==\"usb\", ENV{{DEVTYPE}}==\"usb_device\", "
                        "{}, OWNER=\"{}\"",
                        which, ::geteuid())};
}

class Checker {
  public:
    Checker(bool runs, const HardwarePlaces& places, Diagnostics& diagnostics)
        : runs_(runs), places_(places), diagnostics_(diagnostics) {}

    void check(const config::Resource& host) {
        const auto* said = host.properties.table()->find("device");
        const auto name =
            said == nullptr || said->string() == nullptr ? std::nullopt : config::usb_name(*said->string());
        if (!name) return;
        const auto report = [&](std::string message, std::vector<std::string> notes, std::string label = {}) {
            notes.push_back(fmt::format("in {}", host.made_by));
            diagnostics_.add({DiagnosticKind::BadValue, said->origin, std::move(message), std::move(label),
                              std::move(notes)});
        };
        const auto search = search_for(*name, places_);
        if (!search.trouble.empty()) {
            // What a VM that runs has may be unplugged, and is no matter of all that changes otherwise. What
            // comes to it is opened first.
            if (!runs_) report(search.trouble, search.notes, search.label);
            return;
        }
        const auto& device = search.found.front();
        const auto [first, fresh] = users_.try_emplace(device.port, host.made_by);
        if (!fresh) {
            report(fmt::format("{} is what {} has", described(device), first->second), {});
            return;
        }
        if (runs_) return;
        for (const auto& use : uses_of(device.disks, places_))
            report(fmt::format("{} is a disk of this host, and {}", described(device), use.what),
                   {use.way_out});
        const Fd file = open_file_of(device);
        if (!file)
            report(fmt::format("{} cannot be used: '{}': {}", described(device), device.file.string(),
                               errno_text(errno)),
                   ways_to_open(device, name->by_port()));
        if (is_taken(device, file, LOCK_SH)) report(taken_text(device), {who_has(device)});
    }

  private:
    const bool runs_;
    const HardwarePlaces& places_;
    Diagnostics& diagnostics_;
    std::map<std::string, std::string> users_;  ///< by port
};

}  // namespace

std::vector<UsbDevice> usb_devices(const HardwarePlaces& places) {
    std::vector<UsbDevice> devices;
    for (const auto& place : entries(places.sys / "bus/usb/devices")) {
        // Interfaces are "3-1:1.0", the controllers' own hubs "usb3".
        const auto name = config::usb_name(place.filename().string());
        if (name && name->by_port()) devices.push_back(device_at(place, places));
    }
    return devices;
}

bool is_usb_host(const config::Resource& resource) {
    return resource.id.kind == config::Kind::Device && resource.driver() == "usb-host";
}

bool lets_usb_in(const config::Vm& vm) {
    return vm.usb_hotplug.value || std::ranges::any_of(vm.resources, is_usb_host);
}

std::set<std::string> unplugged_usb(const config::Vm& running, const HardwarePlaces& places) {
    std::set<std::string> gone;
    for (const auto& device : running.resources) {
        const auto* said = is_usb_host(device) ? config::text_at(device, "hostdevice") : nullptr;
        if (said == nullptr || !said->starts_with('@')) continue;
        const auto* host = running.find({config::Kind::Host, said->substr(1)});
        const auto* which = host == nullptr ? nullptr : config::text_at(*host, "device");
        const auto name = which == nullptr ? std::nullopt : config::usb_name(*which);
        if (!name) continue;
        const auto search = search_for(*name, places);
        if (search.found.size() > 1) continue;
        const Fd file = search.found.empty() ? Fd() : open_file_of(search.found.front());
        // The lock goes with the device's file, which is a new one with each plugging.
        if (search.found.empty() || (file && !is_taken(search.found.front(), file, LOCK_SH)))
            gone.insert(device.id.id);
    }
    return gone;
}

std::vector<config::ResourceId> usb_of(const config::Vm& vm, const std::string& device) {
    std::vector<config::ResourceId> hosts;
    const auto* resource = vm.find({config::Kind::Device, device});
    if (resource == nullptr || !is_usb_host(*resource)) return hosts;
    for (const auto& use : resource->host_uses)
        if (!use.host.empty()) hosts.push_back({config::Kind::Host, use.host});
    return hosts;
}

Fd open_usb(const OpenUsb& wanted, const HardwarePlaces& places) {
    const auto name = config::usb_name(wanted.device);
    if (!name) throw Error(ExitCode::Usage, fmt::format("'{}' does not name a USB device", wanted.device));
    const auto search = search_for(*name, places);
    if (!search.trouble.empty())
        throw Error(ExitCode::HostCannot, search.trouble, fmt::format("{}", fmt::join(search.notes, "\n")));
    const auto& device = search.found.front();
    if (const auto uses = uses_of(device.disks, places); !uses.empty())
        throw Error(ExitCode::HostCannot,
                    fmt::format("{} is a disk of this host, and {}", described(device), uses.front().what),
                    uses.front().way_out);
    Fd file = open_file_of(device);
    if (!file)
        throw SystemError(fmt::format("open '{}' of the USB device {}", device.file.string(), wanted.device),
                          errno, fmt::format("{}", fmt::join(ways_to_open(device, name->by_port()), "\n")),
                          ExitCode::HostCannot);
    if (cannot_take(device, file)) throw Error(ExitCode::HostCannot, taken_text(device), who_has(device));
    return file;
}

void check_usb_devices(const config::Vm& vm, bool runs, const HardwarePlaces& places,
                       Diagnostics& diagnostics) {
    Checker checker(runs, places, diagnostics);
    for (const auto& resource : vm.resources)
        if (resource.id.kind == config::Kind::Host && resource.driver() == "usb") checker.check(resource);
}

}  // namespace qvm::launch
