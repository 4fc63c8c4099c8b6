// SPDX-License-Identifier: GPL-3.0-or-later
// Which buses a VM has and which device sits on which: what QEMU's introspection does not tell. Tables
// measured on QEMU 7.2, 10.0 and 11.1 (device_add of every type before the start), names from hw/*/:
// qbus_init().
#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/resource.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::config {

enum class BusKind { Pci, Scsi, Usb, VirtioSerial, Virtio, Ide, Isa, Hda, Nvme, Ccid, I2c };

/// "PCI", "SCSI", ... for messages.
std::string_view bus_kind_name(BusKind kind);

/// The kind of bus a device of `type` sits on; nothing if it sits on none (pc-dimm) or on one not known here.
std::optional<BusKind> bus_needed(std::string_view type, const qapi::Capabilities& qemu);

/// The boards whose buses are known.
enum class Board { Q35, I440fx, IsaPc, Microvm, Other };
Board board_of(const Vm& vm, const qapi::Capabilities& qemu);

struct Bus {
    BusKind kind = BusKind::Pci;
    const Resource* provider = nullptr;  ///< null for a bus of the machine itself
    bool hotplug = false;                ///< takes device_add
    bool single = false;                 ///< a PCI Express link: slot 0 only
};

/// The buses of a VM by name. Borrows the VM's resources.
class BusMap {
  public:
    BusMap(const Vm& vm, const qapi::Capabilities& qemu);

    /// Null if there is no such bus, or it is of a kind not known here: see may_exist().
    const Bus* find(std::string_view name) const;
    /// False if `name` is certainly no bus of this VM.
    bool may_exist(std::string_view name) const;
    /// In the order of names.
    std::vector<std::string> names(BusKind kind) const;
    std::vector<std::string> names() const;
    /// The first bus of that kind in the order of the file; "" if there is none.
    std::string first(BusKind kind) const;

  private:
    void add_machine_buses(const Vm& vm, Board board);
    void add(const std::string& name, Bus bus);

    std::map<std::string, Bus, std::less<>> buses_;
    std::vector<std::pair<BusKind, std::string>> order_;
    std::map<std::string, bool, std::less<>> device_ids_;  ///< true if the device's buses are all known
    bool machine_known_ = true;
};

/// The boolean member `key` of a table, written as a boolean or as "on" or "off"; `otherwise` if it is
/// neither.
bool flag_at(const Table& table, std::string_view key, bool otherwise);

/// The string member `key` of a resource's properties; null if there is none.
const std::string* text_at(const Resource& resource, std::string_view key);

}  // namespace qvm::config
