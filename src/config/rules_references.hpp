// SPDX-License-Identifier: GPL-3.0-or-later
// Members that name another resource although introspection says only "string": one row each.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "config/resource.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::config {

/// What a member refers to.
struct Target {
    Kind kind = Kind::Object;
    std::string ancestor;  ///< the QOM type that an object or device must descend from; empty: any
};

/// For a member `name`, anywhere inside a resource of kind `kind`.
std::optional<Target> target_of_member(Kind kind, std::string_view name);

/// For a property of a device or machine type: link<T>, or a description that says so.
std::optional<Target> target_of_property(const qapi::Property& property, const qapi::Capabilities& qemu);

}  // namespace qvm::config
