// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_buses.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace qvm::config {
namespace {

// QEMU hw/i386/pc_q35.c: the ICH9 AHCI has six ports, ide.0 to ide.5, of one unit each. hw/i386/pc_piix.c:
// the PIIX has two buses of two units.
constexpr int q35_ports = 6;
constexpr int i440fx_buses = 2;
constexpr int i440fx_units = 2;

}  // namespace

Buses::Buses(Lowering& lowering) : lowering_(lowering) {
    for (const auto& device : lowering.named("device")) note_taken(device.table);
    for (const auto& disk : lowering.named("disk")) note_taken(disk.inner("device"));
}

void Buses::note_taken(const Table* device) {
    const Value* bus = device == nullptr ? nullptr : device->find("bus");
    if (bus == nullptr || bus->string() == nullptr || !bus->string()->starts_with("ide.")) return;
    const std::string digits = bus->string()->substr(4);
    if (digits.size() != 1 || digits[0] < '0' || digits[0] > '9') return;
    const Value* unit = device->find("unit");
    const std::int64_t number = unit == nullptr || unit->integer() == nullptr ? 0 : *unit->integer();
    taken_.insert({digits[0] - '0', number == 1 ? 1 : 0});
}

std::string Buses::scsi(const Item& user) {
    const auto iothread = user.text("iothread");
    const auto queues = user.number("queues");
    const std::pair wanted(iothread.value_or(""), queues.value_or(0));
    const auto found = std::ranges::find(scsi_, wanted, [](const auto& known) { return known.first; });
    if (found != scsi_.end()) return found->second + ".0";
    const std::string id = fmt::format("scsi{}", scsi_.size());
    Members controller(user.origin);
    controller.put("driver", lowering_.virtio("scsi"));
    controller.copy("iothread", *user.table, "iothread").copy("num_queues", *user.table, "queues");
    lowering_.add(Kind::Device, id, std::move(controller), user);
    scsi_.emplace_back(wanted, id);
    return id + ".0";
}

void Buses::ide(const Item& user, Members& device) {
    const Origin origin = user.origin_of("bus");
    if (!lowering_.is_q35() && !lowering_.is_i440fx()) {
        lowering_.report(DiagnosticKind::Conflict, origin,
                         fmt::format("{} is on the sata bus, but machine '{}' has none", user.where,
                                     lowering_.vm().machine.type.value),
                         {"say bus = \"scsi\""});
        return;
    }
    const int buses = lowering_.is_q35() ? q35_ports : i440fx_buses;
    const int units = lowering_.is_q35() ? 1 : i440fx_units;
    for (int bus = 0; bus < buses; ++bus)
        for (int unit = 0; unit < units; ++unit) {
            if (!taken_.insert({bus, unit}).second) continue;
            device.put("bus", fmt::format("ide.{}", bus));
            if (units > 1) device.put("unit", std::int64_t{unit});
            return;
        }
    lowering_.report(DiagnosticKind::BusFull, origin,
                     fmt::format("{} finds no free sata port: machine '{}' has {}", user.where,
                                 lowering_.vm().machine.type.value, buses * units),
                     {"say bus = \"scsi\": its controllers take any number"});
}

}  // namespace qvm::config
