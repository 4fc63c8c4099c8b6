// SPDX-License-Identifier: GPL-3.0-or-later
// The buses that several sugar tables share: SCSI controllers and the machine's own IDE ports.
#pragma once
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/lowering.hpp"

namespace qvm::config {

class Buses {
  public:
    /// Knows which IDE ports raw devices and overrides take.
    explicit Buses(Lowering& lowering);

    /// "scsi0.0": the bus of the controller for disks with this iothread and number of queues, made at the
    /// first call for them.
    std::string scsi(const Item& user);
    /// Sets `bus` (and `unit`) to the next free IDE port of the machine; bus-full or conflict is reported.
    void ide(const Item& user, Members& device);

  private:
    using Port = std::pair<int, int>;  ///< bus, unit
    void note_taken(const Table* device);

    Lowering& lowering_;
    std::vector<std::pair<std::pair<std::string, std::int64_t>, std::string>>
        scsi_;  ///< (iothread, queues), id
    std::set<Port> taken_;
};

}  // namespace qvm::config
