// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/pci_address.hpp"

#include <cstdio>

#include <fmt/format.h>

namespace qvm::config {

std::optional<std::string> full_pci_address(std::string_view text) {
    if (text.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) return std::nullopt;
    const std::string address(text);
    unsigned domain = 0, bus = 0, slot = 0, function = 0;
    int end = 0;
    const auto is_whole = [&] { return static_cast<std::size_t>(end) == address.size(); };
    if (std::sscanf(address.c_str(), "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &end) != 4 ||
        !is_whole()) {
        domain = 0;
        if (std::sscanf(address.c_str(), "%2x:%2x.%1x%n", &bus, &slot, &function, &end) != 3 || !is_whole())
            return std::nullopt;
    }
    constexpr unsigned slots = 32, functions = 8;
    if (slot >= slots || function >= functions) return std::nullopt;
    return fmt::format("{:04x}:{:02x}:{:02x}.{}", domain, bus, slot, function);
}

}  // namespace qvm::config
