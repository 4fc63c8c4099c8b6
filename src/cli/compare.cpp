// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/compare.hpp"

namespace qvm::cli {

Comparison compare(Front& front, launch::Applied applied) {
    Comparison comparison{std::move(applied), {}, {}, {}};
    front.find_qemu();
    comparison.running =
        launch::read_compiled(comparison.applied.compiled, front.vm.name.value, *front.probe);
    const auto spare = front.vm.spare_pcie_ports.value;
    front.check(&comparison.running);
    if (front.diagnostics.has_errors()) return comparison;
    comparison.wanted = launch::compiled(front.vm, spare);
    comparison.difference =
        launch::diff(comparison.running_side(), comparison.wanted_side(front), front.probe->capabilities());
    return comparison;
}

bool runs(const Front& front, const launch::VmState& vm) {
    if (vm.condition() != launch::Condition::Running) return false;
    const auto applied = vm.applied();
    return applied && !front.document.files.empty() && applied->origin == front.document.files.front();
}

}  // namespace qvm::cli
