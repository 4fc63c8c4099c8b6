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
    /// Of what was saved of a QEMU (read_saved_qemu): nothing is started, and all that is not there is not
    /// known.
    explicit Probe(qapi::Capabilities saved);
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

    /// With the properties of all types that a file may name, and the whole introspection. It is asked anew
    /// each time, which takes seconds: so much is not kept in the cache, where every verb would read over it.
    const qapi::Capabilities& everything();

    /// All commands and events.
    const qapi::Schema& whole_schema();

    /// Absolute path of the binary; of one that was saved, where it was.
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
