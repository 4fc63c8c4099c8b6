// SPDX-License-Identifier: GPL-3.0-or-later
// Machine properties and command-line options that introspection names wrongly, not at all, or that belong to
// another table of the language.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qapi/capabilities.hpp"

namespace qvm::config {

/// Keys of -machine that go to the accelerator; no list shows them.
std::span<const qapi::Property> legacy_machine_properties();
/// Null if `name` is none of these.
const qapi::Property* legacy_machine_property(std::string_view name);

/// Where in the language a machine property is said instead ("kernel.append"), or "".
std::string_view owner_of_machine_property(std::string_view name);

/// The option on the command line of a group that query-command-line-options reports: "boot" for "boot-opts".
std::string option_of_group(std::string_view group);

/// The parameters of an option whose group is in a module, so that QEMU lists it only once it is in use; null
/// for others.
const std::vector<qapi::OptionParameter>* option_of_module(std::string_view option);

/// A parameter of an option, as check_property() knows it.
qapi::Property property_of(const qapi::OptionParameter& parameter);

/// Where in the language an option is said instead, or "".
std::string_view owner_of_option(std::string_view option);

}  // namespace qvm::config
