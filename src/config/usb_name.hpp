// SPDX-License-Identifier: GPL-3.0-or-later
// What a file calls a USB device of this host: by what it is, or by where it is plugged in.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace qvm::config {

/// Either the two ids or the port is there.
struct UsbName {
    std::string vendor, product;  ///< "046d" and "c52b", as sysfs has them
    std::string port;             ///< "3-1.2": bus 3, port 1 of the computer, port 2 of the hub there

    bool by_port() const { return !port.empty(); }
};

/// Of "046d:c52b" as lsusb(8) prints it, or "3-1.2" as `lsusb -t` and the kernel have it. Nothing for
/// anything else.
std::optional<UsbName> usb_name(std::string_view text);

/// As the file should say it: "046d:c52b", "3-1.2".
std::string to_string(const UsbName& name);

}  // namespace qvm::config
