// SPDX-License-Identifier: GPL-3.0-or-later
// What is known of a real QEMU without one: its saved schema, and a few names.
#pragma once
#include <map>

#include "shell/vocabulary.hpp"
#include "support/saved_qemu.hpp"

namespace qvm::test {

class SavedVocabulary : public shell::Vocabulary {
  public:
    using Names = std::vector<std::string>;

    const qapi::Schema* schema() const override { return &saved_qemu().schema; }
    Names command_names() const override { return schema()->command_names(); }
    std::optional<Names> names(shell::NameKind kind, std::string_view context) override {
        if (kind == shell::NameKind::DeviceType) return saved_qemu().device_types;
        if (kind == shell::NameKind::ObjectType) return saved_qemu().object_types;
        if (kind == shell::NameKind::DeviceProperty) {
            const auto* properties = saved_qemu().properties_of(context);
            if (properties == nullptr) return Names{};
            Names all;
            for (const auto& property : *properties) all.push_back(property.name);
            return all;
        }
        const auto found = known.find({kind, std::string(context)});
        if (found != known.end()) return found->second;
        asked.emplace_back(kind, context);
        return std::nullopt;
    }
    std::string property_type(std::string_view type, std::string_view property) override {
        if (type == "/machine" && property == "type") return "string";
        const auto* properties = saved_qemu().properties_of(type);
        if (properties == nullptr) return {};
        for (const auto& known_property : *properties)
            if (known_property.name == property) return known_property.type;
        return {};
    }
    std::string summary(std::string_view command) override {
        return command == "query-status" ? "Query the run status of the VM." : "";
    }
    std::vector<Builtin> builtins() const override {
        return {{"help", "[COMMAND]", "Shows help"},
                {"search", "TEXT", "Searches the log"},
                {"save", "FILE", "Writes the log"}};
    }

    std::map<std::pair<shell::NameKind, std::string>, Names> known;
    std::vector<std::pair<shell::NameKind, std::string>> asked;
};

}  // namespace qvm::test
