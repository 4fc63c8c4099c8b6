// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/usb_device.hpp"

#include <fcntl.h>
#include <fstream>

#include "base/error.hpp"
#include "config/lower.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

/// A host with USB devices, as sysfs shows them.
class Host {
  public:
    void write(const std::string& name, const std::string& text) const {
        const auto path = directory_.path() / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path) << text << '\n';
    }
    void remove(const std::string& name) const { std::filesystem::remove_all(directory_.path() / name); }
    void device(const std::string& port, const std::string& ids, const std::string& product,
                const std::string& serial = {}, const std::string& driver = "usb-storage",
                const std::string& kind = "00") const {
        const auto place = "sys/bus/usb/devices/" + port;
        write(place + "/idVendor", ids.substr(0, 4));
        write(place + "/idProduct", ids.substr(5));
        write(place + "/product", product);
        write(place + "/manufacturer", "Maker");
        if (!serial.empty()) write(place + "/serial", serial);
        write(place + "/bDeviceClass", kind);
        const auto bus = port.substr(0, port.find('-'));
        write(place + "/busnum", bus);
        write(place + "/devnum", std::to_string(++last_));
        bind(port, driver);
        const auto number = "00" + std::to_string(last_);
        write("dev/bus/usb/00" + bus + "/" + number.substr(number.size() - 3), "");
    }
    void bind(const std::string& port, const std::string& driver) const {
        const auto link = directory_.path() / "sys/bus/usb/devices" / port / (port + ":1.0") / "driver";
        std::filesystem::create_directories(link.parent_path());
        std::filesystem::remove(link);
        if (!driver.empty()) std::filesystem::create_symlink("../../../../bus/usb/drivers/" + driver, link);
    }
    HardwarePlaces places() const {
        const auto& root = directory_.path();
        return {root / "sys", root / "proc", root / "dev", std::nullopt};
    }
    std::string says(const std::string& text, bool runs = false) const {
        Diagnostics diagnostics;
        const auto document = config::load({{"vm.toml", "/vm/vm.toml", text}}, {}, diagnostics);
        const auto vm = config::lower(document, diagnostics);
        REQUIRE_FALSE(diagnostics.has_errors());
        check_hardware(vm, runs, places(), diagnostics);
        return diagnostics.to_text(false);
    }
    std::string open_error(const std::string& name) const {
        try {
            open_usb({name}, places());
        } catch (const Error& error) {
            return std::string(error.what()) + '\n' + error.advice();
        }
        return {};
    }

  private:
    test::TemporaryDirectory directory_;
    mutable int last_ = 0;
};

std::string stick(const std::string& name) {
    return "host-device.stick = { usb = '" + name + "' }";
}

}  // namespace

TEST_CASE("a USB device is found by what it is and by where it is") {
    const Host host;
    host.device("1-1", "0781:5581", "Ultra");
    host.device("3-1.2", "046d:c52b", "Receiver", "X9", "usbhid");
    CHECK(host.says(stick("0781:5581")).empty());
    CHECK(host.says(stick("046D:C52B")).empty());
    CHECK(host.says(stick("3-1.2")).empty());
    const Fd file = open_usb({"3-1.2"}, host.places());
    CHECK((::fcntl(file.get(), F_GETFL) & O_ACCMODE) == O_RDWR);
    const auto devices = usb_devices(host.places());
    REQUIRE(devices.size() == 2);
    CHECK(devices[1].port == "3-1.2");
    CHECK(devices[1].words == "Maker Receiver");
    CHECK(devices[1].drivers == std::vector<std::string>{"usbhid"});
    CHECK(devices[1].file.string().ends_with("dev/bus/usb/003/002"));
}

TEST_CASE("a USB device that is not there is told with those that are") {
    const Host none;
    CHECK_THAT(none.says(stick("0781:5581")), ContainsSubstring("no USB device 0781:5581"));
    CHECK_THAT(none.says(stick("0781:5581")), ContainsSubstring("it has none at all"));
    const Host host;
    host.device("1-1", "0781:5581", "Ultra\x1b[2J", "A1");
    host.device("1-2", "05e3:0610", "Hub", "", "hub", "09");
    const auto typo = host.says(stick("0781:5582"));
    CHECK_THAT(typo, ContainsSubstring("did you mean '0781:5581'?"));
    CHECK_THAT(typo, ContainsSubstring("there is 0781:5581 at 1-1, Maker Ultra"));
    CHECK_THAT(typo, ContainsSubstring("serial number A1"));
    CHECK_THAT(typo, !ContainsSubstring("\x1b"));
    CHECK_THAT(typo, !ContainsSubstring("Hub"));
    CHECK_THAT(typo, ContainsSubstring("in host-device.stick"));
    CHECK_THAT(typo, ContainsSubstring("vm.toml:1:"));
    CHECK_THAT(host.says(stick("1-3")), ContainsSubstring("no USB device at 1-3"));
    CHECK_THAT(host.says(stick("1-2")), ContainsSubstring("1-2, Maker Hub is a hub"));
    CHECK_THAT(host.open_error("0781:5582"), ContainsSubstring("there is 0781:5581 at 1-1"));
}

TEST_CASE("of two equal USB devices the port tells one") {
    const Host host;
    host.device("1-1", "0781:5581", "Ultra", "A1");
    host.device("1-4", "0781:5581", "Ultra", "B2");
    const auto two = host.says(stick("0781:5581"));
    CHECK_THAT(two, ContainsSubstring("this host has 2 USB devices 0781:5581"));
    CHECK_THAT(two, ContainsSubstring("usb = \"1-4\" is the one 0781:5581 at 1-4, Maker Ultra, serial number "
                                      "B2"));
    CHECK(host.says(stick("1-4")).empty());
    CHECK_THAT(host.open_error("0781:5581"), ContainsSubstring("usb = \"1-4\" is the one"));
}

TEST_CASE("a USB device goes to one") {
    const Host host;
    host.device("1-1", "0781:5581", "Ultra");
    CHECK_THAT(host.says(stick("1-1") + "\nhost-device.again = { usb = '0781:5581' }"),
               ContainsSubstring("is what host-device.stick has"));
    host.bind("1-1", "usbfs");
    const auto taken = host.says(stick("1-1"));
    CHECK_THAT(taken, ContainsSubstring("is in use by a program of this host, another VM perhaps"));
    CHECK_THAT(taken, ContainsSubstring("fuser -v "));
    // It may be this one.
    CHECK(host.says(stick("1-1"), true).empty());
    CHECK_THAT(host.open_error("1-1"), ContainsSubstring("is in use by a program"));
    // Before its guest has looked at it.
    host.bind("1-1", "");
    {
        const Fd had = open_usb({"1-1"}, host.places());
        CHECK_THAT(host.says(stick("1-1")), ContainsSubstring("is in use by a program"));
        CHECK(host.says(stick("1-1"), true).empty());
        CHECK_THAT(host.open_error("1-1"), ContainsSubstring("is in use by a program"));
    }
    CHECK(host.says(stick("1-1")).empty());
}

TEST_CASE("a disk that the host has mounted is not taken away") {
    const Host host;
    host.device("1-1", "0781:5581", "Ultra");
    host.write("sys/bus/usb/devices/1-1/1-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb/sdb1/partition", "1");
    host.write("proc/self/mounts", "/dev/sda1 / ext4 rw 0 0");
    CHECK(host.says(stick("1-1")).empty());
    host.write("proc/self/mounts", "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /media/x vfat rw 0 0");
    CHECK_THAT(host.says(stick("1-1")), ContainsSubstring("is a disk of this host, and '/dev/sdb1' of it is "
                                                          "mounted"));
    CHECK_THAT(host.says(stick("1-1")), ContainsSubstring("`umount /media/x`"));
    CHECK_THAT(host.open_error("1-1"), ContainsSubstring("`umount /media/x`"));
}

TEST_CASE("a USB device that may not be opened is told with the way to it") {
    const Host host;
    host.device("3-1", "0781:5581", "Ultra");
    host.remove("dev/bus/usb/003/001");
    const auto closed = host.says(stick("0781:5581"));
    CHECK_THAT(closed, ContainsSubstring("dev/bus/usb/003/001': No such file or directory"));
    CHECK_THAT(closed, ContainsSubstring("`setfacl -m u:"));
    CHECK_THAT(closed, ContainsSubstring("ATTR{idVendor}==\"0781\", ATTR{idProduct}==\"5581\", OWNER="));
    CHECK_THAT(host.says(stick("3-1")), ContainsSubstring("KERNEL==\"3-1\""));
    CHECK_THAT(host.open_error("3-1"), ContainsSubstring("setfacl"));
}

TEST_CASE("the jail has a way for USB devices where one is, or may come") {
    const auto lets_in = [](const std::string& text) {
        Diagnostics diagnostics;
        const auto document = config::load({{"vm.toml", "/vm/vm.toml", text}}, {}, diagnostics);
        return lets_usb_in(config::lower(document, diagnostics));
    };
    CHECK_FALSE(lets_in("name = 'x'"));
    CHECK(lets_in(stick("1-1")));
    CHECK(lets_in("hotplug.usb = true"));
    CHECK_FALSE(lets_in("hotplug.usb = false"));
}

TEST_CASE("a device that was plugged anew is not the one that the VM has") {
    const Host host;
    host.device("1-1", "0781:5581", "Ultra");
    Diagnostics diagnostics;
    const auto document = config::load({{"vm.toml", "/vm/vm.toml", stick("1-1")}}, {}, diagnostics);
    const auto vm = config::lower(document, diagnostics);
    const Fd had = open_usb({"1-1"}, host.places());
    CHECK(unplugged_usb(vm, host.places()).empty());
    host.remove("sys/bus/usb/devices/1-1");
    CHECK(unplugged_usb(vm, host.places()) == std::set<std::string>{"stick"});
    host.device("1-1", "0781:5581", "Ultra");
    CHECK(unplugged_usb(vm, host.places()) == std::set<std::string>{"stick"});
    const Fd anew = open_usb({"1-1"}, host.places());
    CHECK(unplugged_usb(vm, host.places()).empty());
}

TEST_CASE("a disk that something of the host's stands on is not taken away") {
    const Host host;
    host.device("1-1", "0781:5581", "Ultra");
    host.write("sys/bus/usb/devices/1-1/1-1:1.0/host6/target6:0:0/6:0:0:0/block/sdb/sdb1/partition", "1");
    host.write("proc/swaps", "Filename Type Size Used Priority\n/dev/sdb1 partition 1 0 -2");
    CHECK_THAT(host.says(stick("1-1")), ContainsSubstring("'/dev/sdb1' of it is the host's swap"));
    CHECK_THAT(host.open_error("1-1"), ContainsSubstring("`swapoff /dev/sdb1`"));
    host.write("proc/swaps", "Filename Type Size Used Priority");
    host.write("sys/class/block/sdb1/holders/dm-3/dev", "254:3");
    CHECK_THAT(host.says(stick("1-1")), ContainsSubstring("'dm-3' stands on '/dev/sdb1' of it"));
    CHECK_THAT(host.open_error("1-1"), ContainsSubstring("cryptsetup close"));
}
