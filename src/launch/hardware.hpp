// SPDX-License-Identifier: GPL-3.0-or-later
// What a VM asks of this host's memory and processors, and whether it is there.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>

#include "base/diagnostic.hpp"
#include "config/resource.hpp"

namespace qvm::launch {

/// The bytes of huge pages that a start takes, by the size of a page; 0: the host's usual one. Memory that
/// comes later is not counted.
std::map<std::uint64_t, std::uint64_t> huge_pages_of(const config::Vm& vm);

/// True if QEMU is to keep all of its memory in place, for its own sake or for that of a device of the
/// host's.
bool locks_memory(const config::Vm& vm);

/// Where the host tells about itself.
struct HardwarePlaces {
    std::filesystem::path sys = "/sys";
    std::filesystem::path proc = "/proc";
    std::filesystem::path dev = "/dev";
    /// Bytes that the caller may have locked for it; nothing: any number.
    std::optional<std::uint64_t> lockable;

    /// For QEMU in such a jail.
    static HardwarePlaces of_host(config::JailMode jail);
};

/// `runs`: what the VM has got of the host is not there any more.
void check_hardware(const config::Vm& vm, bool runs, const HardwarePlaces& places, Diagnostics& diagnostics);

}  // namespace qvm::launch
