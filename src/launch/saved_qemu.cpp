// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/saved_qemu.hpp"

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "base/version.hpp"

namespace qvm::launch {
namespace {

/// The first key, so that a file cut short is still known for what it was.
constexpr const char* mark = "qvm-saved-qemu";

[[noreturn]] void refuse(const std::string& path, const std::string& why, const std::string& advice) {
    throw Error(ExitCode::Invalid, fmt::format("'{}' {}", path, why), advice);
}

std::string save_again(const std::string& path) {
    return fmt::format("where that QEMU is, `qvm schema --save {}` writes it anew", path);
}

}  // namespace

std::string saved_qemu_text(const qapi::Capabilities& qemu) {
    // Its parts are a line each, so that two files can be compared.
    std::string text = fmt::format("{{\"{}\": {}", mark, Json(version).dump());
    const Json parts = qemu.to_json();
    for (const auto& [part, content] : parts.items())
        text += fmt::format(",\n{}: {}", Json(part).dump(),
                            content.dump(-1, ' ', false, Json::error_handler_t::replace));
    return text + "}\n";
}

qapi::Capabilities read_saved_qemu(const std::string& path) {
    const auto content = read_file(path);
    if (!content)
        refuse(path, fmt::format("cannot be read: {}", errno_text(content.error)),
               "--schema takes a file that `qvm schema --save FILE` has written");
    const bool is_one = content.bytes.starts_with(fmt::format("{{\"{}\"", mark));
    const Json saved = Json::parse(content.bytes, nullptr, false);
    if (saved.is_discarded() && is_one)
        refuse(path, "is damaged: what is in it is no JSON, as if it had been cut short", save_again(path));
    if (!is_one || !saved.is_object())
        refuse(path,
               saved.is_object() && saved.contains("$schema")
                   ? "is a JSON Schema, for editors, and not a saved QEMU"
                   : "is not a saved QEMU",
               "--schema takes a file that `qvm schema --save FILE` has written");
    const Json by = saved.value(mark, Json());
    const Json form = saved.value("form", Json());
    if (form != qapi::Capabilities::saved_form)
        refuse(path,
               fmt::format("was saved by qvm {} in a form that this one, {}, does not read",
                           by.is_string() ? escape_controls(by.get<std::string>()) : "?", version),
               save_again(path));
    try {
        auto qemu = qapi::Capabilities::from_json(saved);
        qemu.saved_in = path;
        return qemu;
    } catch (const Error& error) {
        refuse(path, fmt::format("is damaged: {}", error.what()), save_again(path));
    } catch (const Json::exception& error) {
        refuse(path, fmt::format("is damaged: {}", error.what()), save_again(path));
    }
}

}  // namespace qvm::launch
