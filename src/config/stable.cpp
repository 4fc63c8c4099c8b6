// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/stable.hpp"

#include <fmt/format.h>

#include "base/hash.hpp"

namespace qvm::config {
namespace {

std::uint64_t hash_of(std::string_view one, std::string_view other) {
    // The blank keeps ("a", "bc") and ("ab", "c") apart.
    const auto hash = stable_hash(fmt::format("{} {}", one, other));
    return hash ^ hash >> 32U;
}

}  // namespace

std::string stable_mac(std::string_view vm, std::string_view nic) {
    const auto hash = hash_of(vm, nic);
    return fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", hash >> 16U & 0xFFU, hash >> 8U & 0xFFU,
                       hash & 0xFFU);
}

std::string stable_uuid(std::string_view vm) {
    const auto high = hash_of("uuid high", vm), low = hash_of("uuid low", vm);
    return fmt::format("{:08x}-{:04x}-8{:03x}-{:04x}-{:012x}", high >> 32U, high >> 16U & 0xFFFFU,
                       high & 0xFFFU, 0x8000U | (low >> 48U & 0x3FFFU), low & 0xFFFFFFFFFFFFU);
}

std::uint32_t stable_cid(std::string_view vm) {
    constexpr std::uint32_t first = 0x10000;
    return first + static_cast<std::uint32_t>(hash_of("cid", vm) & 0x3FFFFFFFU);
}

}  // namespace qvm::config
