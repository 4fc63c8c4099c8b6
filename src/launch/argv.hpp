// SPDX-License-Identifier: GPL-3.0-or-later
// QEMU's "key=value,.." notation, for the options that have no JSON form on some version.
#pragma once
#include <string>
#include <string_view>

#include "base/json.hpp"

namespace qvm::launch {

/// Commas doubled, as the notation wants them in values.
std::string with_doubled_commas(std::string_view value);

/// ",key=value" for each member of an object: booleans as on/off, inner objects and arrays with dotted keys
/// ("a.b", "a.0").
std::string key_values(const Json& object);

/// The same for an option that says a list by the same key again and again: ",cpus=0-3,cpus=8".
std::string repeated_key_values(const Json& object);

/// The argument of -chardev for what chardev-add calls `backend` ({type, data}), named `id`. QEMU's option
/// has names of its own for some members, and knows no inner objects.
std::string chardev_argument(std::string_view id, const Json& backend);

}  // namespace qvm::launch
