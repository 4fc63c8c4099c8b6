// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/usb_name.hpp"

#include <algorithm>

namespace qvm::config {
namespace {

constexpr std::string_view digits = "0123456789";

bool is_id(std::string_view text) {
    constexpr std::size_t length = 4;
    return text.size() == length &&
           text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

/// Without zeros in front, which the kernel does not write: such a name would never be found.
bool is_number(std::string_view text) {
    constexpr std::size_t longest = 3;
    return !text.empty() && text.size() <= longest && text.front() != '0' &&
           text.find_first_not_of(digits) == std::string_view::npos;
}

bool is_port(std::string_view text) {
    const auto dash = text.find('-');
    if (dash == std::string_view::npos || !is_number(text.substr(0, dash))) return false;
    for (auto ports = text.substr(dash + 1);;) {
        const auto dot = ports.find('.');
        if (!is_number(ports.substr(0, dot))) return false;
        if (dot == std::string_view::npos) return true;
        ports.remove_prefix(dot + 1);
    }
}

std::string lower_case(std::string_view text) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(), [](char c) {
        return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return lower;
}

}  // namespace

std::optional<UsbName> usb_name(std::string_view text) {
    if (is_port(text)) return UsbName{{}, {}, std::string(text)};
    const auto colon = text.find(':');
    if (colon == std::string_view::npos || !is_id(text.substr(0, colon)) || !is_id(text.substr(colon + 1)))
        return std::nullopt;
    return UsbName{lower_case(text.substr(0, colon)), lower_case(text.substr(colon + 1)), {}};
}

std::string to_string(const UsbName& name) {
    return name.by_port() ? name.port : name.vendor + ':' + name.product;
}

}  // namespace qvm::config
