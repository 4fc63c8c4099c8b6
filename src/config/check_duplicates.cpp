// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/check_duplicates.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "config/block_users.hpp"
#include "config/check_report.hpp"
#include "config/rules_buses.hpp"

namespace qvm::config {
namespace {

namespace fs = std::filesystem;

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

struct ImageUse {
    const Resource* resource;
    const HostUse* use;
    fs::path path;  ///< as written
};

/// The file of a use, by its own path or by that of the [host.X] it names; empty if it is none.
fs::path image_path(const Vm& vm, const HostUse& use) {
    if (use.entrance != Entrance::Fdset) return {};
    if (use.host.empty()) return use.path.lexically_normal();
    const Resource* host = vm.find({Kind::Host, use.host});
    const std::string* path = host == nullptr ? nullptr : text_at(*host, "path");
    return path == nullptr ? fs::path() : fs::path(*path).lexically_normal();
}

using Images = std::map<fs::path, std::vector<ImageUse>>;

Images images_of(const Vm& vm, const RealPath& real_path) {
    Images images;
    for (const Resource& resource : vm.resources) {
        if (resource.id.kind != Kind::Blockdev) continue;
        for (const HostUse& use : resource.host_uses)
            if (const auto path = image_path(vm, use); !path.empty())
                images[real_path(path)].push_back({&resource, &use, path});
    }
    for (auto& [path, uses] : images)
        std::ranges::stable_sort(
            uses, [](const ImageUse& a, const ImageUse& b) { return a.use->origin < b.use->origin; });
    return images;
}

void report_twice(const ImageUse& early, const ImageUse& late, Diagnostics& diagnostics) {
    const bool same_name = early.path == late.path;
    diagnostics.add(
        {DiagnosticKind::Conflict,
         late.use->origin,
         same_name ? fmt::format("image '{}' is opened twice, and written", late.path.string())
                   : fmt::format("image '{}' is the same file as '{}', and written", late.path.string(),
                                 early.path.string()),
         {},
         {fmt::format("blockdev '{}' opens it too{}", early.resource->id.id, at(early.use->origin)),
          "give each disk its own image, or, for a guest that is made for that, share-rw = true to both "
          "devices"}});
}

/// Calls `report(early, late)` for each use that goes with no writer, and for the writer before it.
template <class Report>
void for_each_pair(const Vm& vm, const Images& images, Report report) {
    const BlockUsers users(vm);
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
            if (all_share(users.devices_on(late.resource->id.id)) &&
                all_share(users.devices_on(early.resource->id.id)))
                continue;
            report(early, late);
        }
    }
}

/// QEMU's image locks refuse a second opener of an image that somebody writes; that would be at start only.
void check_images(const Vm& vm, Diagnostics& diagnostics) {
    const auto as_written = [](const fs::path& path) { return path; };
    for_each_pair(vm, images_of(vm, as_written), [&](const ImageUse& early, const ImageUse& late) {
        report_twice(early, late, diagnostics);
    });
}

/// A tap is opened by one netdev.
void check_taps(const Vm& vm, Diagnostics& diagnostics) {
    std::map<std::string, const Resource*> first;
    for (const Resource& host : vm.resources) {
        const std::string* name =
            host.id.kind == Kind::Host && host.driver() == "tap" ? text_at(host, "ifname") : nullptr;
        if (name == nullptr) continue;
        const auto [holder, fresh] = first.emplace(*name, &host);
        if (fresh) continue;
        diagnostics.add({DiagnosticKind::Conflict,
                         host.properties.table()->find("ifname")->origin,
                         fmt::format("{} and {} have the same interface '{}'", holder->second->made_by,
                                     host.made_by, *name),
                         {},
                         {"a tap interface is one nic's: give each its own"}});
    }
}

}  // namespace

void check_duplicates(const Vm& vm, Diagnostics& diagnostics) {
    check_taps(vm, diagnostics);
    for (const Unique& unique : unique_properties) check_unique(vm, unique, diagnostics);
    check_images(vm, diagnostics);
}

void check_linked_images(const Vm& vm, const RealPath& real_path, Diagnostics& diagnostics) {
    for_each_pair(vm, images_of(vm, real_path), [&](const ImageUse& early, const ImageUse& late) {
        if (early.path != late.path) report_twice(early, late, diagnostics);
    });
}

}  // namespace qvm::config
