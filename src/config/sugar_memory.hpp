// SPDX-License-Identifier: GPL-3.0-or-later
// [memory]: how much the guest has from the start and may ever have, and what it is made of on the host.
#pragma once
#include <cstdint>
#include <string>

#include "config/lowering.hpp"

namespace qvm::config {

/// The object that is all of the memory of the start, where it is not QEMU's own.
inline constexpr const char* boot_memory = "memory.boot";
/// The virtio-mem device that gives and takes memory while the VM runs, and the object it stands on.
inline constexpr const char* hot_memory = "memory.hot";

/// What a DIMM that comes while the VM runs is called, and its object, before their number.
inline constexpr const char* hot_dimm = "memory.dimm";
/// Linux gives and takes memory within blocks of this many bytes, and uses no part of one (x86, and arm64
/// with pages of 4K).
inline constexpr std::uint64_t guests_block = std::uint64_t{128} << 20U;

void lower_memory(Lowering& lowering);

/// What comes after the other devices, so that these keep their ports.
void lower_hot_memory(Lowering& lowering);

/// The members of an object that holds so many bytes of the guest's memory, as [memory] wants it. `made_at`:
/// who asks for the object.
Members memory_backend(const Lowering& lowering, std::uint64_t bytes, const Origin& made_at);

/// How large the pages of the guest's memory are on the host, where the file says; else 2M. Sizes of memory
/// that comes and goes are multiples of it.
std::uint64_t memory_page(const Lowering& lowering);

}  // namespace qvm::config
