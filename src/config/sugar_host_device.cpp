// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_host_device.hpp"

#include <fmt/format.h>

#include "config/pci_address.hpp"

namespace qvm::config {

void lower_host_devices(Lowering& lowering) {
    for (const auto& passed : lowering.named("host-device")) {
        const Value* pci = passed.value("pci");
        if (pci == nullptr) {
            if (!passed.says("pci"))
                lowering.report(DiagnosticKind::Missing, passed.origin,
                                fmt::format("{} does not say which device it is", passed.where),
                                {"say pci = \"0000:41:00.0\"; `lspci -D` lists what this host has"});
            continue;
        }
        const auto address = full_pci_address(*pci->string());
        if (!address) {
            lowering.report(DiagnosticKind::BadValue, pci->origin,
                            fmt::format("'{}' is not the address of a PCI device", *pci->string()),
                            {"it is DOMAIN:BUS:SLOT.FUNCTION, as \"0000:41:00.0\"; `lspci -D` lists them",
                             fmt::format("in {}.pci", passed.where)});
            continue;
        }
        Members device(passed.origin);
        device.put("driver", std::string("vfio-pci")).put("host", *address, pci->origin);
        device.copy("bootindex", *passed.table, "boot");
        lowering.add(Kind::Device, passed.id, std::move(device), passed, "device");
    }
}

}  // namespace qvm::config
