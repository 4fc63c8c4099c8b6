// SPDX-License-Identifier: GPL-3.0-or-later
// What one QEMU says of its own words: drivers, types, members, properties.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "config/explanation.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::config {

/// A path by the names of QEMU's own commands: "blockdev.qcow2.encrypt", "device.edu.dma_mask",
/// "machine.q35".
struct QemuWord {
    std::string table;                ///< blockdev object netdev chardev device machine cpu option
    std::string type;                 ///< the driver, the qom-type, ..: as QEMU knows it
    std::vector<std::string> inside;  ///< members, inwards; of a property, at most one
};

/// Nothing if this QEMU has no such type. A driver needs no table before it: "qcow2",
/// "virtio-blk-pci.serial".
std::optional<QemuWord> find_qemu_word(const std::vector<std::string>& path, const qapi::Capabilities& qemu);

/// The types whose properties explain() wants to be known.
std::vector<std::string> properties_needed(const QemuWord& word, const qapi::Capabilities& qemu);

/// Throws Error (Usage) with the nearest name when the type has no such member.
Explanation explain(const QemuWord& word, const qapi::Capabilities& qemu);

/// The drivers or types that a raw table's things may be of; empty for a table that has none.
std::vector<std::string> types_of(const std::string& table, const qapi::Capabilities& qemu);

/// How one says it.
std::string to_string(const QemuWord& word);

}  // namespace qvm::config
