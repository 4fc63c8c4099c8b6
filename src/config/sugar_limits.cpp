// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_limits.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::config {
namespace {

/// What QEMU takes beside the guest's memory: itself, its threads, what it caches of disks and screens.
constexpr std::uint64_t overhead = std::uint64_t{256} << 20U;

using Limit = std::optional<Setting<std::uint64_t>>;

Limit limit(const Item& item, std::string_view key) {
    const auto number = item.number(key);
    if (!number) return std::nullopt;
    return Setting<std::uint64_t>{static_cast<std::uint64_t>(*number), item.origin_of(key)};
}

void compare_with_memory(Lowering& lowering) {
    const Vm& vm = lowering.vm();
    const Limit& memory = vm.limits.memory;
    const auto need = vm.memory.value + overhead;
    if (!memory || memory->value >= need) return;
    lowering.report(DiagnosticKind::LimitTooLow, memory->origin,
                    fmt::format("limits.memory is less than the VM needs: {} for the guest, and up to {} for "
                                "QEMU and its helpers",
                                format_size(vm.memory.value), format_size(overhead)),
                    {"the kernel kills the VM when it reaches the limit",
                     fmt::format("at least \"{}\" lets it run", format_size(need))});
}

void expect_cgroup(Lowering& lowering) {
    const Vm& vm = lowering.vm();
    if (vm.jail.cgroup.value != JailCgroup::Off) return;
    for (const Limit* limit :
         {&vm.limits.memory, &vm.limits.cpu, &vm.limits.pids, &vm.limits.io_read, &vm.limits.io_write})
        if (*limit)
            lowering.report(DiagnosticKind::Conflict, (*limit)->origin,
                            "a limit needs a cgroup, but jail.cgroup is \"off\"",
                            {fmt::format("said at {}", vm.jail.cgroup.origin.to_string())});
}

}  // namespace

void lower_limits(Lowering& lowering) {
    Vm& vm = lowering.vm();
    const auto item = lowering.single("limits");
    if (!item) return;
    vm.limits.memory = limit(*item, "memory");
    vm.limits.cpu = limit(*item, "cpu");
    vm.limits.pids = limit(*item, "pids");
    if (const Table* table = item->inner("io")) {
        const Item io{"io", "limits.io", table, item->origin_of("io")};
        vm.limits.io_read = limit(io, "read");
        vm.limits.io_write = limit(io, "write");
    }
    compare_with_memory(lowering);
    expect_cgroup(lowering);
}

}  // namespace qvm::config
