// SPDX-License-Identifier: GPL-3.0-or-later
// The JSON type of the whole program, complete, for sources.
#pragma once
#include <nlohmann/json.hpp>

#include "base/json_fwd.hpp"
