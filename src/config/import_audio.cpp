// SPDX-License-Identifier: GPL-3.0-or-later
// Sound cards, and what plays for them.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "config/import_translator.hpp"

namespace qvm::config {
namespace {

struct Card {
    std::string_view driver, model;
};
/// What plays: a card by itself, or a codec on a controller.
constexpr std::array cards{Card{"hda-duplex", "hda"}, Card{"virtio-sound-pci", "virtio"},
                           Card{"AC97", "ac97"}, Card{"usb-audio", "usb"},
                           Card{"virtio-sound-device", "virtio"}};
bool has_only(const Table& properties, std::initializer_list<std::string_view> usual) {
    return std::ranges::all_of(properties.entries(), [&](const auto& entry) {
        return std::ranges::find(usual, entry.key) != usual.end();
    });
}

std::string_view model_of(std::string_view driver) {
    const auto card = std::ranges::find(cards, driver, &Card::driver);
    return card == cards.end() ? std::string_view() : card->model;
}

}  // namespace

void Translator::audiodev(const GivenOption& option) {
    auto members = json_table(option.argument);
    if (!members) members = nested_table(parse_pairs(option.argument, "driver"), ValueFor::Qapi);
    const auto text = [&](const char* key) {
        const Value* value = members->find(key);
        return value == nullptr || value->string() == nullptr ? std::string() : *value->string();
    };
    const bool plain = has_only(*members, {"driver", "id", "server"});
    audiodevs_.push_back({text("driver"), text("id"), option.shown(), plain});
}

/// -audio DRIVER,model=MODEL; -soundhw MODEL
void Translator::sound_card(const GivenOption& option) {
    const bool old = option.name == "soundhw";
    const OptionPairs pairs = parse_pairs(option.argument, old ? "model" : "driver");
    const auto* model = pairs.find("model");
    constexpr std::array<std::string_view, 3> known{"hda", "ac97", "virtio"};
    if (model == nullptr || std::ranges::find(known, *model) == known.end()) {
        leave_out(option.shown(), "an [audiodev.X] and a [device.X] can say it");
        return;
    }
    const auto* driver = pairs.find("driver");
    set_audio(*model, option.shown(), driver == nullptr ? "" : *driver);
}

void Translator::set_audio(std::string_view model, const std::string& shown, std::string_view driver) {
    std::string text = shown;
    if (!driver.empty() && driver != "none" && driver != "spice") {
        text = fmt::format("{}: the host's sound does not get into the jail; a display carries it", shown);
        warnings_.push_back(text);
    }
    const bool usual = model == (machine_type_ == "microvm" ? "virtio" : "hda");
    draft_.set("audio", usual ? Value(true, {}) : Value(std::string(model), {}), std::move(text));
}

/// What the audio table would make: the card, and for hda its controller, which is found in `controller`.
bool Translator::is_usual_card(const Device& card, Device*& controller) {
    const bool hda = card.driver == "hda-duplex";
    if (hda ? !has_only(card.properties, {"audiodev", "bus", "cad"})
            : !has_only(card.properties, {"audiodev", "bus"}))
        return false;
    unsigned controllers = 0;
    for (auto& device : devices_) {
        if (device.driver != "ich9-intel-hda" && device.driver != "intel-hda") continue;
        ++controllers;
        controller = &device;
    }
    if (!hda) return controllers == 0;
    const bool q35 = machine_type_.find("q35") != std::string::npos;
    return controllers == 1 && controller->driver == (q35 ? "ich9-intel-hda" : "intel-hda") &&
           has_only(controller->properties, {});
}

/// Beside its card.
bool Translator::is_named(const Audiodev& audiodev) const {
    return vnc_audiodev_ == audiodev.id ||
           std::ranges::any_of(machine_properties_.entries(), [&](const auto& entry) {
               return entry.key.ends_with("audiodev") && entry.value.string() != nullptr &&
                      *entry.value.string() == audiodev.id;
           });
}

/// One usual card is the table's; what is more than that stays as it was, and plays to nobody.
void Translator::write_audio() {
    const auto plays = [](const Device& device) {
        return !model_of(device.driver).empty() || device.driver.starts_with("hda-");
    };
    const auto card = std::ranges::find_if(devices_, plays);
    const bool alone = card != devices_.end() && std::ranges::count_if(devices_, plays) == 1;
    Device* controller = nullptr;
    const bool one = audiodevs_.empty() ||
                     (audiodevs_.size() == 1 && audiodevs_.front().plain && !is_named(audiodevs_.front()));
    if (alone && one && is_usual_card(*card, controller)) {
        set_audio(model_of(card->driver), card->shown, audiodevs_.empty() ? "" : audiodevs_.front().type);
        card->driver.clear();
        if (controller != nullptr) controller->driver.clear();
        return;
    }
    for (const auto& given : audiodevs_) {
        Draft::Part& part = draft_.add({"audiodev", raw_id(given.id, "audio")}, given.shown);
        const bool kept = given.type == "none" || (given.type == "spice" && spice_);
        part.put("driver", Value::Data(kept ? given.type : std::string("none")));
        if (!kept) warn(part, fmt::format("{}: the host's sound does not get into the jail", given.id));
        if (!given.plain) warn(part, fmt::format("{}: how it plays is left out", given.id));
    }
}

}  // namespace qvm::config
