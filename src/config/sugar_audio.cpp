// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_audio.hpp"

#include <fmt/format.h>

#include "config/sugar_display.hpp"

namespace qvm::config {
namespace {

constexpr const char* card_id = "audio0";

void add_device(Lowering& lowering, const Item& audio, std::string id, std::string driver,
                const std::string& bus, bool plays) {
    Members device(audio.origin);
    device.put("driver", std::move(driver), audio.origin_of("model"));
    if (!bus.empty()) device.put("bus", bus);
    if (plays) device.put("audiodev", std::string(audio_id));
    lowering.add(Kind::Device, std::move(id), std::move(device), audio);
}

/// The controller and the codec on it, which can record, too.
void add_hda(Lowering& lowering, const Item& audio) {
    const auto* controller = lowering.is_i440fx() ? "intel-hda" : "ich9-intel-hda";
    add_device(lowering, audio, card_id, controller, {}, false);
    add_device(lowering, audio, fmt::format("{}.codec", card_id), "hda-duplex", fmt::format("{}.0", card_id),
               true);
}

}  // namespace

void lower_audio(Lowering& lowering) {
    const auto audio = lowering.single("audio");
    if (!audio) return;
    const auto model = audio->text("model").value_or(lowering.is_microvm() ? "virtio" : "hda");
    if (lowering.is_microvm() && model != "virtio")
        lowering.report(DiagnosticKind::Conflict, audio->origin_of("model"),
                        fmt::format("a microvm has no bus for a sound card \"{}\"", model),
                        {"model = \"virtio\" fits; machine = \"q35\" takes all of them"});
    Members backend(audio->origin);
    backend.put("driver", audio->text("backend").value_or(is_spice(lowering) ? "spice" : "none"),
                audio->origin_of("backend"));
    lowering.add(Kind::Audiodev, audio_id, std::move(backend), *audio);
    if (model == "hda") add_hda(lowering, *audio);
    if (model == "virtio") add_device(lowering, *audio, card_id, lowering.virtio("sound"), {}, true);
    if (model == "usb") add_device(lowering, *audio, card_id, "usb-audio", {}, true);
    if (model == "ac97") add_device(lowering, *audio, card_id, "AC97", {}, true);
}

}  // namespace qvm::config
