// SPDX-License-Identifier: GPL-3.0-or-later
// A file, loaded, placed and checked against the saved QEMU: one side of a difference.
#pragma once
#include <string>
#include <vector>

#include "config/check.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"
#include "launch/diff.hpp"
#include "launch/memory_parts.hpp"
#include "launch/placement.hpp"
#include "launch/processors.hpp"
#include "support/catch.hpp"
#include "support/saved_qemu.hpp"

namespace qvm::test {

struct Half {
    config::Document document;
    config::Vm vm;
    launch::Compiled parts;
    launch::Side side() const { return {vm, parts, &document}; }
};

/// May be unusable, then `diagnostics` says why.
inline Half half_with(const std::string& text, Diagnostics& diagnostics, const Half* running = nullptr,
                      const std::vector<launch::CpuSlot>& slots = {}) {
    Half made;
    made.document = config::load({{"vm.toml", "/vm/vm.toml", text}}, {}, diagnostics);
    made.vm = config::lower(made.document, diagnostics);
    config::find_host_uses(made.vm, made.document, diagnostics);
    const auto spare = made.vm.spare_pcie_ports.value;
    if (running != nullptr) launch::place_processors(made.vm, running->vm, {slots});
    if (running != nullptr) launch::place_memory(made.vm, running->vm);
    launch::place(made.vm, saved_qemu(), diagnostics, running == nullptr ? nullptr : &running->vm);
    config::check(made.vm, saved_qemu(), diagnostics);
    made.parts = launch::compiled(made.vm, spare);
    return made;
}

inline Half half(const std::string& text, const Half* running = nullptr,
                 const std::vector<launch::CpuSlot>& slots = {}) {
    Diagnostics diagnostics;
    Half made = half_with(text, diagnostics, running, slots);
    INFO(diagnostics.to_text(false));
    REQUIRE_FALSE(diagnostics.has_errors());
    return made;
}

}  // namespace qvm::test
