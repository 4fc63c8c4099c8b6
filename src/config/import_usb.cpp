// SPDX-License-Identifier: GPL-3.0-or-later
// -device usb-host: USB devices of the host.
#include <cstdlib>

#include <fmt/format.h>

#include "config/import_translator.hpp"
#include "config/usb_name.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

constexpr std::string_view usb_word = "usb";

/// What was said, as text; "" if it was not.
std::string said(const Table& table, std::string_view key) {
    const Value* value = table.find(key);
    if (value == nullptr) return {};
    if (const auto* number = value->integer()) return std::to_string(*number);
    return value->string() == nullptr ? std::string() : *value->string();
}

/// As QEMU reads a number: hexadecimal with 0x before it, octal with 0.
std::string id_of(const Table& table, std::string_view key) {
    const auto text = said(table, key);
    const auto* number = table.find(key) == nullptr ? nullptr : table.find(key)->integer();
    char* end = nullptr;
    const auto id =
        number != nullptr ? static_cast<unsigned long>(*number) : std::strtoul(text.c_str(), &end, 0);
    const bool whole = number != nullptr || (end != nullptr && *end == '\0');
    return text.empty() || !whole || id > 0xffff ? std::string() : fmt::format("{:04x}", id);
}

}  // namespace

/// False for one that is left as it is: its file was found by who wrote the command line.
bool Translator::write_usb_host(Device& device) {
    auto& given = device.properties;
    if (given.find("hostdevice") != nullptr) return false;
    const auto by_port = fmt::format("{}-{}", said(given, "hostbus"), said(given, "hostport"));
    const auto by_id = id_of(given, "vendorid") + ':' + id_of(given, "productid");
    const auto name = usb_name(by_port) ? by_port : by_id;
    if (!usb_name(name)) {
        leave_out(
            device.shown,
            "[host-device.X] with usb says it: by vendor and product, or by where it is plugged in; its "
            "number on the bus changes with each plugging");
        return true;
    }
    for (const char* key : {"hostbus", "hostport", "hostaddr", "vendorid", "productid"}) given.erase(key);
    const auto id = is_sugar_id(device.id) ? device.id : sugar_id(usb_word);
    Draft::Part& part = draft_.add({"host-device", id}, device.shown);
    part.put("usb", name);
    if (!given.empty()) part.merge_into("device", given);
    return true;
}

}  // namespace qvm::config
