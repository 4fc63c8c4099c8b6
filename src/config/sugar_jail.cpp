// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_jail.hpp"

#include <charconv>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace qvm::config {
namespace {

/// Below are root and the system's own users.
constexpr std::uint32_t least_uid = 1000;
/// The two above mean "none" to the kernel.
constexpr std::uint32_t most_uid = 4294967293;

std::optional<std::uint32_t> uid_in(std::string_view text) {
    std::uint32_t number = 0;
    const auto* end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    return error == std::errc() && rest == end && !text.empty() ? std::optional(number) : std::nullopt;
}

/// Why it is none; empty: `range` is it.
std::string parse_range(std::string_view text, UidRange& range) {
    const auto dash = text.find('-');
    const auto first = uid_in(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? std::nullopt : uid_in(text.substr(dash + 1));
    if (!first || !last) return fmt::format("jail.uid-range cannot be '{}'", text);
    range = {*first, *last};
    if (*first > *last)
        return fmt::format("jail.uid-range ends before it begins: {} is above {}", *first, *last);
    if (*first == 0) return "jail.uid-range cannot hold 0: root is never the user of a jail";
    if (*first < least_uid)
        return fmt::format("jail.uid-range cannot begin at {}: uids below {} are the system's own", *first,
                           least_uid);
    if (*last > most_uid)
        return fmt::format("jail.uid-range cannot end at {}: the last uid is {}", *last, most_uid);
    return {};
}

void lower_uid_range(Lowering& lowering, const Item& jail) {
    const auto text = jail.text("uid-range");
    if (!text) return;
    UidRange range;
    const auto origin = jail.origin_of("uid-range");
    const auto why = parse_range(*text, range);
    if (!why.empty())
        return lowering.report(DiagnosticKind::BadValue, origin, why,
                               {"it takes the first and the last uid, as in \"70000-79999\""});
    lowering.vm().jail.uid_range = {range, origin};
    if (jail.says("user"))
        lowering.report(DiagnosticKind::Conflict, origin,
                        "jail.uid-range is for VMs with a uid of their own, but jail.user names one",
                        {fmt::format("said at {}", jail.origin_of("user").to_string())});
}

/// Who trusts in another user must not get QEMU with all rights of his own.
void expect_jail(Lowering& lowering, const Item& jail) {
    if (lowering.vm().jail_mode.value != JailMode::Off) return;
    for (const char* key : {"user", "uid-range"})
        if (jail.says(key))
            lowering.report(
                DiagnosticKind::Conflict, jail.origin_of(key),
                fmt::format("jail.{} needs a jail, but jail.mode is \"off\": QEMU would run as you", key),
                {fmt::format("said at {}", lowering.vm().jail_mode.origin.to_string())});
}

/// What a jail without a root of its own cannot be made of.
void expect_root(Lowering& lowering, const Item& jail) {
    const auto& vm = lowering.vm();
    if (vm.jail_mode.value != JailMode::Reduced || vm.jail.root.value != JailRoot::Files) return;
    lowering.report(DiagnosticKind::Conflict, jail.origin_of("root"),
                    "jail.root = \"files\" says what the jail's root is made of, but a jail with jail.mode = "
                    "\"reduced\" has none: QEMU is in the host's",
                    {fmt::format("said at {}", vm.jail_mode.origin.to_string()),
                     "leave it out: Landlock names what QEMU may open there"});
}

}  // namespace

void lower_jail_more(Lowering& lowering, const Item& jail) {
    JailOptions& options = lowering.vm().jail;
    jail.choose("root", options.root);
    expect_root(lowering, jail);
    jail.choose("net", options.net);
    if (const auto name = jail.text("user")) options.user = {*name, jail.origin_of("user")};
    lower_uid_range(lowering, jail);
    expect_jail(lowering, jail);
    if (const auto flag = jail.flag("io-uring")) options.io_uring = {*flag, jail.origin_of("io-uring")};
    if (const auto flag = jail.flag("qemu-sandbox"))
        options.qemu_sandbox = {*flag, jail.origin_of("qemu-sandbox")};
}

}  // namespace qvm::config
