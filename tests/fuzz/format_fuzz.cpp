// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a file holds: formatting it ends, keeps what it means (format_toml throws otherwise), and
// formatting it again changes nothing.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/format.hpp"

using namespace qvm;
using namespace qvm::config;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Diagnostics diagnostics;
    const auto once = format_toml("a.toml", std::string(data, data + size), diagnostics);
    if (once && format_toml("a.toml", *once, diagnostics) != once) std::abort();
    return 0;
}
