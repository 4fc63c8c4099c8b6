// SPDX-License-Identifier: GPL-3.0-or-later
// Processors that come and go while a VM runs. Pure.
#pragma once
#include <string>
#include <vector>

#include "base/json.hpp"
#include "config/resource.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::launch {

/// A place for a processor of a running QEMU (query-hotpluggable-cpus).
struct CpuSlot {
    std::string type;  ///< what device_add takes: "max-x86_64-cpu"
    Json place;        ///< {socket-id, core-id, ..}: the members that say which place
    bool taken = false;

    /// Those of a reply that hold one processor (on a PC: all), in the order of their places.
    static std::vector<CpuSlot> from_reply(const Json& reply);
};

/// What place_processors() says made a processor (Resource::made_by).
inline constexpr const char* made_by_cpus = "cpus";

/// Where a running QEMU can take processors.
struct CpuRoom {
    std::vector<CpuSlot> slots;
    /// How many it can take in all: TCG makes room for a processor once, and a QEMU that gets one more than
    /// its `maxcpus`, those counted that have gone again, ends with an assertion (tcg_register_thread; 7.2 to
    /// 11.1).
    unsigned most = ~0U;
};

/// False where QEMU ends, sooner or later, when it has let a processor go: 7.2 does with TCG (it frees memory
/// twice at the next device_add); 10.0 and 11.1 do not.
bool lets_processors_go(const qapi::Capabilities& qemu, const std::string& accel);

/// With a running VM in mind, `vm` stays with the processors that QEMU was started with; those above are
/// devices: first the ones that are there already, then new ones in free slots. What finds no room, and a
/// smaller number than QEMU was started with, stays in Vm::smp, where the difference is seen; why it does is
/// returned, as a part of a sentence, else nothing. Runs before place().
std::string place_processors(config::Vm& vm, const config::Vm& running, const CpuRoom& room);

}  // namespace qvm::launch
