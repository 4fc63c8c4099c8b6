// SPDX-License-Identifier: GPL-3.0-or-later
// Memory that comes and goes while a VM runs. Pure.
#pragma once
#include <cstdint>
#include <string>

#include "config/resource.hpp"

namespace qvm::launch {

/// Places for DIMMs of a machine that has room for more memory.
inline constexpr unsigned dimm_slots = 16;

/// A DIMM, virtio-mem or the like: what it holds is in the machine's room for more memory.
bool takes_room_for_memory(const config::Resource& resource);

/// How many bytes such a device holds; 0 where its object is none of the VM's.
std::uint64_t memory_held(const config::Vm& vm, const config::Resource& device);

/// A DIMM that place_memory() makes, or its object.
bool is_hot_dimm(const config::ResourceId& id);

/// How much the machine must have room for: Vm::memory_max, or more where its devices bring more. The VM is
/// checked.
std::uint64_t room_for_memory(const config::Vm& vm);

/// With a running VM in mind, the memory that `vm` had from its start stays what it was, and what is wanted
/// above is what its virtio-mem device is to give, or DIMMs: those that are there, and one more. What finds
/// no room there, or is less than it was started with, stays in Vm::memory, where the difference is seen; why
/// is returned, as a part of a sentence, else nothing. Runs before place().
std::string place_memory(config::Vm& vm, const config::Vm& running);

}  // namespace qvm::launch
