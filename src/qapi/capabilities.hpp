// SPDX-License-Identifier: GPL-3.0-or-later
// Everything introspection tells about one QEMU binary, as data. launch::probe() fills it; it can be saved
// and read back, so a file can be checked without that QEMU.
#pragma once
#include <compare>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "qapi/schema.hpp"

namespace qvm::qapi {

struct Version {
    int major = 0, minor = 0, micro = 0;
    auto operator<=>(const Version&) const = default;
    std::string to_string() const;
};

/// One property of a device, machine or CPU type (device-list-properties, qom-list-properties). `type` is
/// QOM's word: bool, uint16, int32, size, str, OnOffAuto, link<iothread>, child<..>; an enum's values are
/// found in `description` only, as "on/off/auto".
struct Property {
    std::string name;
    std::string type;
    std::string description;
    std::string initial = {};  ///< the default, as JSON; empty where QEMU does not tell it
};

struct Machine {
    std::string name;
    std::string alias;  ///< "q35" for pc-q35-7.2, or empty
    unsigned cpu_max = 0;
    bool hotpluggable_cpus = false;
    bool deprecated = false;
    std::string default_ram_id;  ///< "pc.ram"
};

struct CpuModel {
    std::string name;  ///< "qemu64", "max", "host"
    std::string type;  ///< "qemu64-x86_64-cpu"
    bool deprecated = false;
};

/// A parameter of a command-line option group (query-command-line-options).
struct OptionParameter {
    std::string name;
    std::string type;  ///< string boolean number size
};

struct Capabilities {
    std::string binary;    ///< path of the QEMU it describes
    std::string saved_in;  ///< the file that it was read from, in place of asking that QEMU; else empty
    Version version;
    std::string package;  ///< "Debian 1:7.2+dfsg-7+deb12u18", or empty
    std::string arch;     ///< "x86_64" (query-target)
    Json introspection;   ///< the answer of query-qmp-schema, for to_json(); null where they were saved
                          ///< otherwise
    Schema schema;        ///< parsed from it
    /// QOM type -> parent type, of all types (qom-list-types abstract=true); "" for a root.
    std::map<std::string, std::string, std::less<>> parents;
    /// Types that can be made by device_add (qom-list-types implements=device abstract=false).
    std::vector<std::string> device_types;
    /// Types that can be made by object-add (qom-list-types implements=user-creatable abstract=false).
    std::vector<std::string> object_types;
    /// Only of the types somebody asked for: see launch::Probe. Devices and CPU types by their own name,
    /// machines as "pc-q35-7.2-machine". Without what cannot be set (child<..>, "type").
    std::map<std::string, std::vector<Property>, std::less<>> properties;
    std::vector<Machine> machines;
    std::vector<CpuModel> cpu_models;
    std::map<std::string, std::vector<OptionParameter>, std::less<>> options;

    /// True if `type` is `ancestor` or descends from it ("virtio-blk-pci" from "pci-device").
    bool is_a(std::string_view type, std::string_view ancestor) const;
    bool has_device(std::string_view type) const;
    /// Null if the properties of that type have not been asked for.
    const std::vector<Property>* properties_of(std::string_view type) const;
    /// By name or alias; null if there is none.
    const Machine* machine(std::string_view name_or_alias) const;
    const CpuModel* cpu_model(std::string_view name) const;
    /// "QEMU 7.2.22 (/usr/bin/qemu-system-x86_64)" or "QEMU 7.2.22 (saved in FILE)", for notes.
    std::string to_string() const;

    /// Raised whenever the saved form changes: an older file is then refused, and made again.
    static constexpr int saved_form = 1;
    Json to_json() const;
    /// Throws Error when `saved` was not made by to_json().
    static Capabilities from_json(const Json& saved);
};

}  // namespace qvm::qapi
