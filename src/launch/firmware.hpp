// SPDX-License-Identifier: GPL-3.0-or-later
// UEFI: which files boot a machine is said by QEMU's firmware descriptors (docs/interop/firmware.json).
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "config/resource.hpp"

namespace qvm::launch {

struct FirmwarePlaces {
    /// That hold descriptors. A file in a later one goes before one of the same name in an earlier one.
    std::vector<std::filesystem::path> descriptors;
    /// Where the VM's own variables are, unless its file says so.
    std::filesystem::path variables;

    /// Of this host and the calling user. Throws Error as Directories::from_environment() does.
    static FirmwarePlaces of(const config::Vm& vm);
};

/// Makes flash of what `firmware` asks for: two block nodes, the machine's properties that name them, and
/// what Secure Boot needs. Does nothing where it asks for nothing. Where no firmware fits, that is left in
/// vm.firmware for check_host(): only this host lacks it.
void place_firmware(config::Vm& vm, const FirmwarePlaces& places, Diagnostics& diagnostics);

}  // namespace qvm::launch
