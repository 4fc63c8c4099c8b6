// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/firmware.hpp"

#include <algorithm>
#include <fnmatch.h>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/environment.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "config/backing.hpp"
#include "config/lowering.hpp"
#include "launch/find_program.hpp"
#include "launch/state.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;
using config::Kind;

struct Flash {
    std::string path, format;
};

/// What of a descriptor counts here.
struct Descriptor {
    Flash code;
    std::optional<Flash> variables;  ///< the template; none where the firmware keeps nothing
    std::vector<std::string> features;

    bool has(std::string_view feature) const { return std::ranges::count(features, feature) != 0; }
};

std::string text_at(const Json& json, const char* pointer) {
    const auto value = json.value(Json::json_pointer(pointer), Json());
    return value.is_string() ? value.get<std::string>() : std::string();
}

bool lists(const Json& json, const char* key, std::string_view word) {
    const auto list = json.value(key, Json());
    return list.is_array() && std::ranges::find(list, Json(word)) != list.end();
}

/// "q35" is QEMU's short name for the newest pc-q35-N.
std::string full_name(const std::string& machine) {
    if (machine == "q35") return "pc-q35-0";
    if (machine == "pc") return "pc-i440fx-0";
    return machine == "virt" ? "virt-0" : machine;
}

bool is_for(const Json& descriptor, const std::string& architecture, const std::string& machine) {
    const auto targets = descriptor.value("targets", Json());
    if (!lists(descriptor, "interface-types", "uefi") || !targets.is_array()) return false;
    return std::ranges::any_of(targets, [&](const Json& target) {
        if (!target.is_object() || text_at(target, "/architecture") != architecture) return false;
        const auto machines = target.value("machines", Json());
        return machines.is_array() && std::ranges::any_of(machines, [&](const Json& pattern) {
                   return pattern.is_string() && ::fnmatch(pattern.get_ref<const std::string&>().c_str(),
                                                           full_name(machine).c_str(), 0) == 0;
               });
    });
}

/// Nothing for a firmware that is no flash, or that is one file with its variables.
std::optional<Descriptor> read_descriptor(const Json& json) {
    if (text_at(json, "/mapping/device") != "flash") return std::nullopt;
    const auto mode = text_at(json, "/mapping/mode");
    const auto flash = [&](const std::string& which) {
        return Flash{text_at(json, ("/mapping/" + which + "/filename").c_str()),
                     text_at(json, ("/mapping/" + which + "/format").c_str())};
    };
    Descriptor descriptor{flash("executable"), std::nullopt, {}};
    if (mode.empty() || mode == "split") descriptor.variables = flash("nvram-template");
    const auto usable = [](const Flash& file) {
        return file.path.starts_with('/') && (file.format == "raw" || file.format == "qcow2");
    };
    if (mode == "combined" || !usable(descriptor.code) ||
        (descriptor.variables && !usable(*descriptor.variables)))
        return std::nullopt;
    if (const auto features = json.value("features", Json()); features.is_array())
        for (const auto& feature : features)
            if (feature.is_string()) descriptor.features.push_back(feature.get<std::string>());
    return descriptor;
}

/// In the order of their names, in which the distribution and the administrator rank them.
std::vector<Descriptor> descriptors_for(const FirmwarePlaces& places, const std::string& architecture,
                                        const std::string& machine) {
    std::map<std::string, fs::path> files;
    for (const auto& directory : places.descriptors) {
        std::error_code error;
        for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
             entry.increment(error))
            if (entry->path().extension() == ".json") files[entry->path().filename()] = entry->path();
    }
    std::vector<Descriptor> found;
    for (const auto& [name, path] : files) {
        const auto json = Json::parse(read_file(path).bytes, nullptr, false);
        if (!json.is_object() || !is_for(json, architecture, machine)) continue;
        if (auto descriptor = read_descriptor(json)) found.push_back(std::move(*descriptor));
    }
    return found;
}

/// Without Secure Boot one that has none is the best, and one that boots only what is signed does not fit.
const Descriptor* choose(const std::vector<Descriptor>& descriptors, bool secure_boot) {
    const Descriptor* second = nullptr;
    for (const auto& descriptor : descriptors) {
        const bool enrolled = descriptor.has("enrolled-keys");
        if (secure_boot && enrolled && descriptor.has("secure-boot")) return &descriptor;
        if (secure_boot || enrolled) continue;
        if (!descriptor.has("secure-boot")) return &descriptor;
        if (second == nullptr) second = &descriptor;
    }
    return second;
}

/// "x86_64" of qemu-system-x86_64; a program of another name is taken for the usual one.
std::string architecture_of(const config::Vm& vm) {
    constexpr std::string_view prefix = "qemu-system-";
    const auto name = fs::path(vm.qemu.binary.value).filename().string();
    return (name.starts_with(prefix) ? name : usual_qemu()).substr(prefix.size());
}

void tell_missing(config::Firmware& firmware, const std::string& architecture, const std::string& machine,
                  const FirmwarePlaces& places, bool others) {
    firmware.missing = fmt::format("no UEFI firmware {}is installed for machine '{}' of {}",
                                   firmware.secure_boot.value ? "with Secure Boot and enrolled keys " : "",
                                   machine, architecture);
    if (machine == "microvm")
        firmware.advice = {"leave firmware out: a microvm boots its kernel by itself"};
    else if (others && firmware.secure_boot.value)
        firmware.advice = {
            "there is one without: leave secure-boot out; or use machine = \"q35\", for which "
            "most distributions have both"};
    else
        firmware.advice = {architecture == "aarch64"
                               ? "Debian and Ubuntu have it in the package qemu-efi-aarch64, "
                                 "Fedora in edk2-aarch64"
                               : "Debian and Ubuntu have it in the package ovmf, Fedora in "
                                 "edk2-ovmf, Arch in edk2-ovmf"};
    std::vector<std::string> directories;
    for (const auto& directory : places.descriptors) directories.push_back(directory.string());
    firmware.advice.push_back(
        fmt::format("the firmware descriptors in {} were looked at", fmt::join(directories, ", ")));
}

/// The resources that place_firmware() makes.
class Maker {
  public:
    Maker(config::Vm& vm, Diagnostics& diagnostics)
        : vm_(vm), firmware_(*vm.firmware), diagnostics_(diagnostics) {}

    void make(const Descriptor& descriptor, const fs::path& variables) {
        add("firmware-code", descriptor.code.path, descriptor.code.format, true);
        property("pflash0", std::string("firmware-code"));
        if (descriptor.variables) {
            const auto path = firmware_.vars ? firmware_.vars->value : variables;
            if (auto* node = add("firmware-vars", path.string(), descriptor.variables->format, false))
                node->copy_of = {descriptor.variables->path, firmware_.origin};
            property("pflash1", std::string("firmware-vars"));
        }
        if (descriptor.has("requires-smm")) {
            property("smm", std::string("on"));
            // Only the firmware itself, in system management mode, may write to the flash then.
            config::Members secure(firmware_.origin);
            secure.put("secure", true);
            vm_.globals.push_back({"cfi.pflash01", std::move(secure.table()), {}, firmware_.origin, {}});
        }
        config::make_backing_explicit(vm_);
    }

  private:
    config::Resource* add(const std::string& id, const std::string& path, const std::string& format,
                          bool read_only) {
        if (vm_.find({Kind::Blockdev, id}) != nullptr) {
            diagnostics_.add({DiagnosticKind::DuplicateId,
                              vm_.find({Kind::Blockdev, id})->origin,
                              fmt::format("the blockdev id '{}' is that of what firmware makes", id),
                              {},
                              {"give yours another id"}});
            return nullptr;
        }
        const auto origin = firmware_.vars && !read_only ? firmware_.vars->origin : firmware_.origin;
        config::Members file(origin);
        file.put("driver", std::string("file")).put("filename", path);
        config::Members node(firmware_.origin);
        node.put("driver", format);
        if (read_only) node.put("read-only", true);
        node.put("file", std::move(file.table()));
        config::Resource resource;
        resource.id = {Kind::Blockdev, id};
        resource.properties = config::Value(std::move(node.table()), firmware_.origin);
        resource.made_by = "firmware";
        resource.origin = firmware_.origin;
        vm_.resources.push_back(std::move(resource));
        return &vm_.resources.back();
    }

    void property(const std::string& name, const std::string& value) {
        if (vm_.machine.properties.find(name) != nullptr) return;  // the user's own, or reported
        vm_.machine.properties.set(name, firmware_.origin, config::Value(value, firmware_.origin));
    }

    config::Vm& vm_;
    config::Firmware& firmware_;
    Diagnostics& diagnostics_;
};

}  // namespace

FirmwarePlaces FirmwarePlaces::of(const config::Vm& vm) {
    FirmwarePlaces places;
    for (const auto& data : vm.qemu.data) places.descriptors.push_back(data / "firmware");
    places.descriptors.insert(places.descriptors.end(), {"/usr/share/qemu/firmware", "/etc/qemu/firmware"});
    if (const auto own = user_directory("XDG_CONFIG_HOME", ".config"); !own.empty())
        places.descriptors.push_back(own / "qemu/firmware");
    // The keys are among the variables: those of a start without them know none.
    const bool secure = vm.firmware && vm.firmware->secure_boot.value;
    places.variables = VmState(Directories::from_environment(), vm.name.value).directory() /
                       (secure ? "efivars-secure-boot.fd" : "efivars.fd");
    return places;
}

void place_firmware(config::Vm& vm, const FirmwarePlaces& places, Diagnostics& diagnostics) {
    if (!vm.firmware || vm.firmware->type.value != config::FirmwareType::Uefi) return;
    const auto architecture = architecture_of(vm);
    const auto descriptors = descriptors_for(places, architecture, vm.machine.type.value);
    const auto* chosen = choose(descriptors, vm.firmware->secure_boot.value);
    if (chosen == nullptr)
        tell_missing(*vm.firmware, architecture, vm.machine.type.value, places, !descriptors.empty());
    else
        Maker(vm, diagnostics).make(*chosen, places.variables);
}

}  // namespace qvm::launch
