// SPDX-License-Identifier: GPL-3.0-or-later
// How place() works: one object for each run, in two files. placement.cpp knows of buses and the controllers
// that make them, placement_pci.cpp of PCI addresses and ports.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "config/resource.hpp"
#include "config/rules_buses.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::launch {

using Devfn = unsigned;  ///< slot * 8 + function

/// The addresses taken on one PCI bus, and by whom ("" for the machine itself).
using Taken = std::map<Devfn, const config::Resource*>;

class Placer {
  public:
    Placer(config::Vm& vm, const qapi::Capabilities& qemu, Diagnostics& diagnostics,
           const config::Vm* running)
        : vm_(vm),
          qemu_(qemu),
          diagnostics_(diagnostics),
          running_(running),
          board_(config::board_of(vm, qemu)) {}

    void run();

  private:
    using Devices = std::vector<config::Resource*>;
    Devices devices_without_bus(config::BusKind kind);
    void bring_running_ports();
    void keep_running_places();
    void use_free_ports(const Devices& homeless);
    void add_usb_controller();
    void add_serial_controller();
    void use_first_bus(config::BusKind kind);
    void place_ide();
    void settle_addressed();
    void place_pci();
    void place_q35(const Devices& homeless);
    void add_ports(std::size_t needed, const Devices& homeless);
    void set_chassis_of_user_ports();
    void take_given_addresses();
    void give_missing_addresses();
    /// Takes a free slot of `bus`; false (and a diagnostic) if there is none.
    bool take_slot(config::Resource& device, const std::string& bus);
    std::optional<unsigned> free_slot(const std::string& bus);
    void report_without_bus(const config::Resource& device, config::BusKind kind);

    void set(config::Resource& device, const char* key, config::Value::Data value) {
        device.properties.table()->set(key, device.origin, config::Value(std::move(value), device.origin));
    }
    /// Adds a device; its properties follow by set(). Pointers to resources stay valid until flush().
    config::Resource& add(std::string id, std::string driver, std::string made_by);
    std::string free_id(const std::string& stem, unsigned from);
    void flush();

    config::Vm& vm_;
    const qapi::Capabilities& qemu_;
    Diagnostics& diagnostics_;
    const config::Vm* running_;  ///< may be null
    config::Board board_;
    std::map<std::string, Taken, std::less<>> taken_;
    std::set<std::string, std::less<>> ids_;
    std::vector<std::unique_ptr<config::Resource>> added_;
    bool full_said_ = false;
};

/// False when the file leaves it to us.
bool has_bus(const config::Resource& device);

}  // namespace qvm::launch
