// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/image_advice.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/shell_word.hpp"
#include "base/text.hpp"
#include "config/toml_text.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

/// In place of a format that nobody knows.
constexpr auto placeholder = "FORMAT";

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// The name of a format as QEMU has them; a header may hold any bytes.
bool is_format(const std::string& text) {
    return !text.empty() && text.size() <= 20 &&
           std::ranges::all_of(text, [](char c) { return is_plain(c) || c == '-' || c == '_'; });
}

/// { driver = "file", filename = ".." }
std::string file_node(const fs::path& path) {
    const bool is_device = path.native().starts_with("/dev/");
    return fmt::format("{{ driver = \"{}\", filename = {} }}", is_device ? "host_device" : "file",
                       config::toml_string(path.string()));
}

/// `add to [disk.root]: blockdev.backing = ..`; inside a table in braces, dotted keys cannot come from
/// outside.
std::string add_to(const NodePlace& place, const std::string& key, const std::string& value) {
    const bool sugar = !place.keys.empty() && place.keys.front() == "blockdev" && place.keys.size() == 1;
    std::string way;
    for (const auto& part : place.keys) way += (way.empty() ? "" : ".") + config::toml_key(part);
    if (place.keys.empty() || sugar)
        return fmt::format("add to [{}]: {}{}{} = {}", place.table, way, way.empty() ? "" : ".", key, value);
    return fmt::format("add to {} of [{}]: {} = {}", way, place.table, key, value);
}

/// What would reach the terminal changed could not be copied from it.
bool can_be_copied(const std::string& text) {
    return escape_controls(text) == text;
}

}  // namespace

NodePlace place_of(const config::Resource& blockdev) {
    const std::string raw = blockdev.id.to_string();
    if (blockdev.made_by == raw) return {"blockdev." + config::toml_key(blockdev.id.id), {}};
    return {blockdev.made_by, {"blockdev"}};
}

bool has_protocol(const std::string& backing) {
    const auto end = backing.find_first_of(":/");
    return end != std::string::npos && backing[end] == ':';
}

fs::path named_file(const fs::path& image, const std::string& name) {
    return (image.parent_path() / name).lexically_normal();
}

std::string rebase_advice(const fs::path& image, const fs::path& base, const std::string& format) {
    return fmt::format("qemu-img rebase -u -f qcow2 -F {} -b {} {}", format.empty() ? placeholder : format,
                       shell_word(base.string()), shell_word(image.string()));
}

std::vector<std::string> backing_advice(const fs::path& image, const ImageHeader& header,
                                        const NodePlace& place) {
    std::vector<std::string> notes{"a guest can write that into its image, so it is not followed unasked"};
    const bool said = is_format(header.backing_format);
    const auto snippet =
        add_to(place, "backing",
               fmt::format("{{ driver = \"{}\", file = {} }}", said ? header.backing_format : placeholder,
                           file_node(named_file(image, header.backing))));
    if (!has_protocol(header.backing) && can_be_copied(snippet)) {
        notes.push_back("if it is meant, " + snippet);
        if (!said)
            notes.emplace_back(
                "the header does not say the format of what it lies over: for FORMAT write the one it was "
                "made in, raw or qcow2 or ..");
    } else {
        notes.push_back(fmt::format("if it is meant, say in [{}] what it lies over: {} = {{ driver = .. }}",
                                    place.table, place.keys.empty() ? "backing" : "blockdev.backing"));
    }
    notes.push_back(fmt::format("if not: `qemu-img rebase -u -f qcow2 -b '' {}` makes it forget",
                                shell_word(image.string())));
    return notes;
}

std::vector<std::string> data_file_advice(const fs::path& image, const ImageHeader& header,
                                          const NodePlace& place) {
    const auto snippet = add_to(place, "data-file", file_node(named_file(image, header.data_file)));
    if (header.data_file.empty() || has_protocol(header.data_file) || !can_be_copied(snippet))
        return {fmt::format("if that is meant, say in [{}] where: {} = {{ driver = .. }}", place.table,
                            place.keys.empty() ? "data-file" : "blockdev.data-file")};
    return {"if that is meant, " + snippet};
}

}  // namespace qvm::launch
