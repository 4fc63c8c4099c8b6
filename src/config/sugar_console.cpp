// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_console.hpp"

namespace qvm::config {
namespace {

constexpr const char* console_id = "console";
constexpr const char* console_socket = "console-qemu.sock";
constexpr const char* rng_id = "rng0";

/// What stands for a table that nobody wrote.
Item implied(const Table& nothing, const char* name) {
    return {name, name, &nothing, {}};
}

void console_device(Lowering& lowering, const Item& console, const std::string& type) {
    Members device(console.origin);
    if (type == "virtio") {
        const std::string bus = std::string(console_id) + ".bus";
        Members controller(console.origin);
        controller.put("driver", lowering.virtio("serial"), console.origin_of("type"));
        lowering.add(Kind::Device, bus, std::move(controller), console);
        device.put("driver", std::string("virtconsole"), console.origin_of("type")).put("bus", bus + ".0");
    } else {
        device.put("driver", std::string("isa-serial"), console.origin_of("type"));
    }
    device.put("chardev", std::string(console_id));
    lowering.add(Kind::Device, console_id, std::move(device), console);
}

}  // namespace

void lower_console(Lowering& lowering) {
    const Table nothing;
    auto console = lowering.single(console_id);
    if (!console) {
        const bool raw =
            lowering.has_raw(Kind::Chardev, console_id) || lowering.has_raw(Kind::Device, console_id);
        if (lowering.says(console_id) || raw || !lowering.defaults()) return;
        console = implied(nothing, console_id);
    }
    const std::string type = console->text("type").value_or("serial");
    if (type == "none") {
        if (console->says("log"))
            lowering.report(DiagnosticKind::Conflict, console->origin_of("log"),
                            "console.log is of a console, and console.type is \"none\"",
                            {"leave one of them out"});
        return;
    }
    Members log(console->origin_of("log"));
    if (const Value* file = console->value("log"))
        log.put("logfile", lowering.absolute(*file).string()).put("logappend", true);
    lowering.add_listener(console_id, console_socket, *console, log.table());
    console_device(lowering, *console, type);
}

void lower_rng(Lowering& lowering) {
    const Table nothing;
    auto rng = lowering.single("rng");
    if (!rng) {
        const bool raw = lowering.has_raw(Kind::Object, rng_id) || lowering.has_raw(Kind::Device, rng_id);
        if (lowering.says("rng") || raw || !lowering.defaults()) return;
        rng = implied(nothing, "rng");
    }
    Members object(rng->origin);
    object.put("qom-type", std::string("rng-builtin"));
    lowering.add(Kind::Object, rng_id, std::move(object), *rng);
    Members device(rng->origin);
    device.put("driver", lowering.virtio("rng")).put("rng", std::string(rng_id));
    lowering.add(Kind::Device, rng_id, std::move(device), *rng);
}

void lower_iothreads(Lowering& lowering) {
    for (const auto& iothread : lowering.named("iothread")) {
        Members object(iothread.origin);
        object.put("qom-type", std::string("iothread"));
        merge(object.table(), *iothread.table);
        object.table().erase("enabled");
        lowering.add(Kind::Object, iothread.id, std::move(object), iothread);
    }
}

}  // namespace qvm::config
