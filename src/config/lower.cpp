// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/lower.hpp"

#include "base/json.hpp"
#include "config/backing.hpp"
#include "config/lowering.hpp"
#include "config/raw_level.hpp"
#include "config/sugar_audio.hpp"
#include "config/sugar_buses.hpp"
#include "config/sugar_cloud_init.hpp"
#include "config/sugar_console.hpp"
#include "config/sugar_devices.hpp"
#include "config/sugar_disk.hpp"
#include "config/sugar_display.hpp"
#include "config/sugar_host_device.hpp"
#include "config/sugar_memory.hpp"
#include "config/sugar_net.hpp"
#include "config/sugar_secret.hpp"
#include "config/sugar_settings.hpp"
#include "config/sugar_share.hpp"
#include "config/sugar_throttle.hpp"
#include "config/sugar_tpm.hpp"

namespace qvm::config {
namespace {

/// `qvm console` talks to the chardev "console" if that is a socket that listens on a descriptor of ours.
std::string find_console(const Vm& vm) {
    const Resource* chardev = vm.find({Kind::Chardev, "console"});
    if (chardev == nullptr || chardev->driver() != "socket") return {};
    const Json properties = to_json(chardev->properties);
    const auto address = properties.value("/backend/data/addr/data/str"_json_pointer, Json());
    const auto server = properties.value("/backend/data/server"_json_pointer, Json(true));
    return address.is_string() && server == true ? "console" : "";
}

}  // namespace

Vm lower(const Document& document, Diagnostics& diagnostics) {
    Vm vm;
    Lowering lowering(document, vm, diagnostics);
    lower_settings(lowering, document);
    Buses buses(lowering);
    lower_iothreads(lowering);
    lower_throttles(lowering);
    lower_secrets(lowering);
    lower_disks(lowering, buses);
    lower_cdroms(lowering, buses);
    lower_cloud_init(lowering);
    lower_nets(lowering);
    lower_shares(lowering);
    lower_console(lowering);
    lower_rng(lowering);
    lower_devices(lowering);
    lower_host_devices(lowering);
    lower_audio(lowering);
    lower_hot_memory(lowering);
    lower_raw(lowering);
    lower_clocks(lowering);
    lower_tpm(lowering);
    lower_display(lowering);
    make_backing_explicit(vm);
    make_backing_read_only(vm);
    vm.console = find_console(vm);
    return vm;
}

}  // namespace qvm::config
