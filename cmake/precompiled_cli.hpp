// SPDX-License-Identifier: GPL-3.0-or-later
// What nearly every verb includes.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
