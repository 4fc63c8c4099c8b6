// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_memory.hpp"

#include <algorithm>
#include <bit>
#include <optional>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/sugar_numa.hpp"

namespace qvm::config {
namespace {

constexpr std::uint64_t mebibyte = 1U << 20U;

/// The most usual size of a huge page; also what QEMU lets virtio-mem move at once on a PC.
constexpr std::uint64_t usual_block = 2 * mebibyte;

constexpr const char* virtio_mem = "virtio-mem";

constexpr std::uint64_t least_huge_page = 64U << 10U;

bool wants_huge_pages(const Item& item) {
    return item.number("hugepages").has_value() || item.flag("hugepages").value_or(false);
}

bool is_memfd(const Item& item) {
    return wants_huge_pages(item) || item.flag("share").value_or(false);
}

/// True if all of it is said of a kind that QEMU's own memory is not.
bool needs_object(const Item& item) {
    return is_memfd(item) || item.flag("prealloc").value_or(false);
}

std::string way_to_max(const Item& item) {
    return item.text("via").value_or(virtio_mem);
}

void check_huge_pages(Lowering& lowering, const Item& item) {
    const auto page = item.number("hugepages");
    if (!page || (std::has_single_bit(static_cast<std::uint64_t>(*page)) &&
                  static_cast<std::uint64_t>(*page) >= least_huge_page))
        return;
    lowering.report(
        DiagnosticKind::BadSize, item.origin_of("hugepages"),
        fmt::format("{} is not the size of a huge page", format_size(static_cast<std::uint64_t>(*page))),
        {"on x86 they are \"2M\" or \"1G\"; true takes the host's usual ones"});
}

/// What is given in pages is given in whole ones.
void check_multiple(Lowering& lowering, const Item& item, std::string_view key, std::uint64_t page) {
    const auto bytes = item.number(key);
    if (!bytes || static_cast<std::uint64_t>(*bytes) % page == 0) return;
    const auto below = static_cast<std::uint64_t>(*bytes) / page * page;
    lowering.report(DiagnosticKind::BadSize, item.origin_of(key),
                    fmt::format("memory.{} is not a multiple of {}", key, format_size(page)),
                    {wants_huge_pages(item) ? "the memory is made of whole huge pages"
                                            : "with memory.max, memory comes and goes in blocks of 2M",
                     fmt::format("say \"{}\"", format_size(below == 0 ? page : below))});
}

void lower_max(Lowering& lowering, const Item& item) {
    Vm& vm = lowering.vm();
    const auto max = item.number("max");
    if (!max) {
        if (item.says("via") && !item.says("max"))
            lowering.report(DiagnosticKind::Conflict, item.origin_of("via"),
                            "memory.via goes with memory.max",
                            {"say max = \"8G\", the most that the VM may ever have, or leave it out"});
        return;
    }
    const auto bytes = static_cast<std::uint64_t>(*max);
    const Origin origin = item.origin_of("max");
    if (bytes < vm.memory.value)
        lowering.report(DiagnosticKind::Conflict, origin,
                        fmt::format("memory.max is {}, but the VM starts with {}", format_size(bytes),
                                    format_size(vm.memory.value)),
                        {"max is all that the VM may ever have, size included"});
    else if (lowering.is_microvm())
        lowering.report(DiagnosticKind::Conflict, origin,
                        fmt::format("machine '{}' takes no memory while it runs", vm.machine.type.value),
                        {"leave max out, or say machine = \"q35\""});
    else
        vm.memory_max = {bytes, origin};
    vm.memory_in_dimms = vm.memory_max && way_to_max(item) == "dimm";
}

void lower_lock(Lowering& lowering, const Item& item) {
    if (!item.flag("lock").value_or(false)) return;
    const Origin origin = item.origin_of("lock");
    if (item.says("max") && way_to_max(item) == virtio_mem) {
        lowering.report(DiagnosticKind::Conflict, origin,
                        "memory.lock keeps all memory in place, but memory.max has some that comes and goes",
                        {"QEMU refuses virtio-mem beside it: leave one of the two out",
                         "prealloc = true takes the memory from the host at the start, too"});
        return;
    }
    for (const auto& option : lowering.named("option"))
        if (option.id == "overcommit" && option.says("mem-lock")) {
            lowering.report(DiagnosticKind::Conflict, origin,
                            "memory.lock and option.overcommit.mem-lock say the same",
                            {"leave one of the two out"});
            return;
        }
    Table properties;
    properties.set("mem-lock", origin, Value(true, origin));
    lowering.vm().options.push_back({"overcommit", std::move(properties), {}, origin, {}});
}

void lower_boot_object(Lowering& lowering, const Item& item) {
    Vm& vm = lowering.vm();
    if (!needs_object(item) || !lowering.named("numa").empty()) return;
    if (const Entry* said = vm.machine.properties.entry("memory-backend")) {
        lowering.report(
            DiagnosticKind::Conflict, said->key_origin,
            "machine.memory-backend says what the memory is made of, and so does memory",
            {"leave hugepages, share and prealloc out of memory; the object has members for them"});
        return;
    }
    lowering.add(Kind::Object, boot_memory, memory_backend(lowering, vm.memory.value, item.origin), item);
    vm.machine.properties.set("memory-backend", item.origin, Value(std::string(boot_memory), item.origin));
}

/// In whole blocks, and never none: what is all that there may be at this start is not at another.
std::uint64_t room_above(Lowering& lowering) {
    const Vm& vm = lowering.vm();
    const auto block = std::max(guests_block, memory_page(lowering));
    const auto blocks = (vm.memory_max->value - vm.memory.value + block - 1) / block;
    return std::max<std::uint64_t>(blocks, 1) * block;
}

}  // namespace

std::uint64_t memory_page(const Lowering& lowering) {
    const auto item = lowering.single("memory");
    const auto page = item ? item->number("hugepages") : std::nullopt;
    return page && *page > 0 ? static_cast<std::uint64_t>(*page) : usual_block;
}

Members memory_backend(const Lowering& lowering, std::uint64_t bytes, const Origin& made_at) {
    const auto item = lowering.single("memory");
    Members members(made_at);
    const bool memfd = item && is_memfd(*item);
    members.put("qom-type", std::string(memfd ? "memory-backend-memfd" : "memory-backend-ram"));
    members.put("size", static_cast<std::int64_t>(bytes));
    if (!item) return members;
    if (wants_huge_pages(*item)) {
        members.put("hugetlb", true, item->origin_of("hugepages"));
        if (const auto page = item->number("hugepages"))
            members.put("hugetlbsize", *page, item->origin_of("hugepages"));
    }
    if (memfd) members.copy("share", *item->table, "share");
    members.copy("prealloc", *item->table, "prealloc");
    return members;
}

void lower_memory(Lowering& lowering) {
    Vm& vm = lowering.vm();
    if (const auto sum = memory_of_nodes(lowering)) vm.memory = *sum;
    const auto item = lowering.single("memory");
    if (!item) return;
    if (const auto size = item->number("size")) {
        if (*size < static_cast<std::int64_t>(mebibyte)) {
            lowering.report(DiagnosticKind::BadSize, item->origin_of("size"),
                            fmt::format("{} bytes of memory are too few for a VM", *size),
                            {"sizes without a unit are bytes: write \"512M\" or \"4G\""});
            return;
        }
        vm.memory = {static_cast<std::uint64_t>(*size), item->origin_of("size")};
    }
    check_huge_pages(lowering, *item);
    const bool in_blocks = wants_huge_pages(*item) || (item->says("max") && way_to_max(*item) == virtio_mem);
    for (const char* key : {"size", "max"})
        if (in_blocks) check_multiple(lowering, *item, key, memory_page(lowering));
    lower_max(lowering, *item);
    lower_lock(lowering, *item);
    lower_boot_object(lowering, *item);
}

void lower_hot_memory(Lowering& lowering) {
    const Vm& vm = lowering.vm();
    const auto item = lowering.single("memory");
    if (!item || !vm.memory_max || way_to_max(*item) != virtio_mem) return;
    const Origin origin = item->origin_of("max");
    auto backend = memory_backend(lowering, room_above(lowering), origin);
    // The device takes from the host what the guest takes from it, and no more.
    backend.table().erase("prealloc");
    if (is_memfd(*item)) backend.put("reserve", false);
    lowering.add(Kind::Object, hot_memory, std::move(backend), *item);
    Members device(origin);
    device.put("driver", std::string("virtio-mem-pci"));
    device.put("memdev", std::string(hot_memory));
    device.put("block-size", static_cast<std::int64_t>(memory_page(lowering)));
    device.put("requested-size", std::int64_t{0});
    device.copy("prealloc", *item->table, "prealloc");
    lowering.add(Kind::Device, hot_memory, std::move(device), *item);
}

}  // namespace qvm::config
