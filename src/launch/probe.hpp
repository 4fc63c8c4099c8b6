// SPDX-License-Identifier: GPL-3.0-or-later
// Asks a QEMU binary what it is: a throw-away, jailed `-M none` process, with a cache on disk.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "config/resource.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::launch {

class Probe {
  public:
    /// Finds the binary (a name is looked up in PATH); the cache is below `cache`. `mode`: whether QEMU is
    /// asked in a jail. Throws Error (HostCannot) naming the package when the binary is not there.
    explicit Probe(const config::QemuBinary& qemu, config::JailMode mode = config::JailMode::Strict);
    Probe(const config::QemuBinary& qemu, config::JailMode mode, const std::filesystem::path& cache);
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;
    Probe(Probe&&) noexcept;
    Probe& operator=(Probe&&) noexcept;
    ~Probe();

    /// From the cache, or by starting QEMU. `schema` and `introspection` have only the commands that make
    /// resources (object-add, chardev-add, blockdev-add, netdev_add, device_add): reading the whole takes
    /// longer than everything else `up` does before it starts QEMU. Throws Error (HostCannot) when QEMU
    /// cannot be asked.
    const qapi::Capabilities& capabilities();
    /// Makes sure the properties of these types are known; starts QEMU only if one is missing. Types that
    /// QEMU does not know, or dies of, are remembered as without properties.
    const qapi::Capabilities& with_properties(const std::vector<std::string>& types);

    /// All commands and events.
    const qapi::Schema& whole_schema();

    /// Absolute path of the binary.
    const std::filesystem::path& binary() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The first of `wanted` that this host and this QEMU can do; for kvm by opening /dev/kvm and making a VM.
/// `notice` is set to a sentence when it is not the first one. Throws Error (HostCannot) when none works.
std::string choose_accelerator(const std::vector<std::string>& wanted, config::JailMode mode,
                               std::string& notice);

}  // namespace qvm::launch
