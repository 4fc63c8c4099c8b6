// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/check_duplicates.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "config/check_report.hpp"

namespace qvm::config {
namespace {

struct Unique {
    const char* property;
    const char* why;
    bool shareable;  ///< two paths to one disk (share-rw) rightly have the same
};

constexpr std::array unique_properties{
    Unique{"bootindex", "QEMU cannot tell which is to boot first", false},
    Unique{"serial", "the guest takes them for one disk", true},
    Unique{"mac", "their network cannot tell them apart", false},
};

bool shares(const Resource& device) {
    return device.arguments.is_object() && device.arguments.value("share-rw", Json(false)) == true;
}

std::optional<std::string> unique_text(const Resource& device, const char* property) {
    if (device.id.kind != Kind::Device || !device.arguments.is_object()) return std::nullopt;
    const auto value = device.arguments.find(property);
    if (value == device.arguments.end()) return std::nullopt;
    if (value->is_number_integer()) return *value < 0 ? std::nullopt : std::optional(value->dump());
    if (!value->is_string() || value->get_ref<const std::string&>().empty()) return std::nullopt;
    std::string text = value->get<std::string>();
    if (std::string_view(property) == "mac")
        std::ranges::transform(text, text.begin(), [](unsigned char c) {
            return c == '-' ? ':' : static_cast<char>(std::tolower(c));
        });
    return text;
}

std::string at(const Origin& origin) {
    return origin.known() ? ", at " + origin.to_string() : "";
}

void check_unique(const Vm& vm, const Unique& unique, Diagnostics& diagnostics) {
    std::map<std::string, const Resource*> first;
    for (const Resource& device : vm.resources) {
        const auto text = unique_text(device, unique.property);
        if (!text) continue;
        const auto [holder, fresh] = first.emplace(*text, &device);
        if (fresh || (unique.shareable && shares(device) && shares(*holder->second))) continue;
        const qapi::Path path{std::string(unique.property)};
        const Origin other = value_origin(subject_of(*holder->second), path);
        diagnostics.add({DiagnosticKind::Conflict,
                         value_origin(subject_of(device), path),
                         fmt::format("devices '{}' and '{}' have the same {} '{}'", holder->second->id.id,
                                     device.id.id, unique.property, *text),
                         {},
                         {fmt::format("{}; the other is{}", unique.why,
                                      other.known() ? " at " + other.to_string() : " not in a file")}});
    }
}

/// The devices that are made of a blockdev, directly or through other nodes, each resource by its index.
class Users {
  public:
    explicit Users(const Vm& vm) {
        for (const Resource& resource : vm.resources)
            for (const Reference& reference : resource.references)
                users_.emplace(reference.target, &resource);
    }

    std::set<const Resource*> devices_on(const ResourceId& blockdev) const {
        std::set<const Resource*> devices, seen;
        std::vector<ResourceId> open{blockdev};
        while (!open.empty()) {
            const ResourceId id = open.back();
            open.pop_back();
            const auto [first, last] = users_.equal_range(id);
            for (auto it = first; it != last; ++it) {
                if (!seen.insert(it->second).second) continue;
                if (it->second->id.kind == Kind::Device)
                    devices.insert(it->second);
                else
                    open.push_back(it->second->id);
            }
        }
        return devices;
    }

  private:
    std::multimap<ResourceId, const Resource*> users_;
};

struct ImageUse {
    const Resource* resource;
    const HostUse* use;
};

bool all_share(const std::set<const Resource*>& devices) {
    return !devices.empty() && std::ranges::all_of(devices, [](const Resource* d) { return shares(*d); });
}

/// QEMU's image locks refuse a second opener of an image that somebody writes; that would be at start only.
void check_images(const Vm& vm, Diagnostics& diagnostics) {
    std::map<std::filesystem::path, std::vector<ImageUse>> images;
    for (const Resource& resource : vm.resources) {
        if (resource.id.kind != Kind::Blockdev) continue;
        for (const HostUse& use : resource.host_uses)
            if (!use.path.empty() && use.entrance == Entrance::Fdset)
                images[use.path.lexically_normal()].push_back({&resource, &use});
    }
    const Users users(vm);
    for (const auto& [path, uses] : images) {
        if (uses.size() < 2) continue;
        const auto writer =
            std::ranges::find_if(uses, [](const ImageUse& u) { return u.use->access != Access::ReadOnly; });
        if (writer == uses.end()) continue;
        for (auto it = uses.begin(); it != uses.end(); ++it) {
            // The writer itself, or, when it is the first, each further use is the one at fault.
            if (it == writer) continue;
            const ImageUse& late = it > writer ? *it : *writer;
            const ImageUse& early = it > writer ? *writer : *it;
            if (all_share(users.devices_on(late.resource->id)) &&
                all_share(users.devices_on(early.resource->id)))
                continue;
            diagnostics.add(
                {DiagnosticKind::Conflict,
                 late.use->origin,
                 fmt::format("image '{}' is opened twice, and written", path.string()),
                 {},
                 {fmt::format("blockdev '{}' opens it too{}", early.resource->id.id, at(early.use->origin)),
                  "give each disk its own image, or, for a guest that is made for that, share-rw = true to "
                  "both "
                  "devices"}});
        }
    }
}

}  // namespace

void check_duplicates(const Vm& vm, Diagnostics& diagnostics) {
    for (const Unique& unique : unique_properties) check_unique(vm, unique, diagnostics);
    check_images(vm, diagnostics);
}

}  // namespace qvm::config
