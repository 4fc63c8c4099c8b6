// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/import.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "config/import_translator.hpp"
#include "config/shell_words.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

constexpr std::array machine_table{
    MachineDefaults{"q35", "sata", "e1000e", true},     MachineDefaults{"pc-q35", "sata", "e1000e", true},
    MachineDefaults{"pc", "sata", "e1000", true},       MachineDefaults{"pc-i440fx", "sata", "e1000", true},
    MachineDefaults{"virt", "virtio", "virtio", false}, MachineDefaults{"microvm", "virtio", "", false},
    MachineDefaults{"", "virtio", "", false},
};

/// Of what is shown of an option, in characters.
constexpr std::size_t longest_shown = 160;

void refuse_odd_words(const std::vector<std::string>& words) {
    for (const auto& word : words)
        if (word.find('\0') != std::string::npos || !is_utf8(word))
            throw Error(ExitCode::Invalid,
                        fmt::format("the word '{}' is no UTF-8 text, and no TOML file can hold it",
                                    escape_controls(word)));
}

OptionPairs pairs_of(const GivenOption& option) {
    return parse_pairs(option.argument, option.row->implied);
}

}  // namespace

std::string GivenOption::shown() const {
    if (name.empty()) return argument;
    const std::string text = '-' + name + (argument.empty() ? "" : ' ' + argument);
    return text.size() > longest_shown ? std::string(cut_to_width(text, longest_shown)) + ".." : text;
}

Import Translator::run(const std::vector<std::string>& words) {
    refuse_odd_words(words);
    std::size_t i = 0;
    if (!words.empty() && !words[0].starts_with('-')) {
        binary_ = words[i++];
        binary_given_ = !binary_.starts_with('$');
    }
    // "qemu-kvm" and "kvm" are QEMU with KVM on.
    if (const auto base = binary_.substr(binary_.rfind('/') + 1); base == "kvm" || base == "qemu-kvm")
        accels_ = {"kvm"};
    while (i < words.size()) {
        const std::string& word = words[i++];
        if (word.empty()) continue;
        if (!word.starts_with('-') || word == "-") {
            plain_disk({option_row(""), "", word});
            continue;
        }
        const std::string name = word.substr(word.starts_with("--") ? 2 : 1);
        const OptionRow* row = option_row(name);
        if (row == nullptr || name.empty()) {
            const bool more = i < words.size() && !words[i].starts_with('-');
            leave_out(more ? word + ' ' + words[i++] : word, "this option is not known to qvm");
            continue;
        }
        if (row->argument && i == words.size())
            throw Error(ExitCode::Invalid, fmt::format("the option '{}' lacks its argument", word));
        GivenOption option{row, name, row->argument ? words[i++] : std::string()};
        (this->*row->translate)(option);
    }
    finish();
    return {draft_.text("a command line of QEMU"), std::move(warnings_)};
}

void Translator::finish() {
    for (const auto& device : devices_) ids_.insert(device.id);
    for (const auto& object : objects_) ids_.insert(object.id);
    for (const auto& chardev : chardevs_) ids_.insert(chardev.id);
    if (machine_type_.empty()) machine_type_ = is_x86() ? "pc" : "none";
    normalize_drivers();
    write_flashes();
    write_settings();
    write_objects();
    write_disks();
    write_nets();
    write_vdagent();
    write_serials();
    write_chardevs();
    write_audio();
    write_devices();
    write_network_use();
}

/// Who listens or connects on the host's network can do it only where QEMU has that.
void Translator::write_network_use() {
    if (network_users_.empty()) return;
    const auto text = fmt::format("{}: QEMU has the host's network for this, and is contained the less",
                                  fmt::join(network_users_, "; "));
    jail_.set("net", {}, Value(std::string("host"), {}));
    draft_.set("jail", Value(jail_, {}), text);
    warnings_.push_back(text);
}

void Translator::leave_out(const std::string& shown, std::string_view reason) {
    const std::string text = fmt::format("{}: {}", shown, reason);
    draft_.remark(text);
    warnings_.push_back(text);
}

void Translator::leave_out(const GivenOption& option) {
    leave_out(option.shown(), option.row->detail);
}

void Translator::nothing(const GivenOption&) {}

void Translator::warn(Draft::Part& part, std::string text) {
    part.comments.push_back(text);
    warnings_.push_back(std::move(text));
}

void Translator::leave_out_rest(const std::string& option, const OptionPairs& pairs,
                                std::string_view reason) {
    for (const auto& [key, value] : pairs.rest())
        leave_out(fmt::format("{}: {}={}", option, key, value), reason);
}

void Translator::group(const GivenOption& option) {
    const std::vector<std::string> path{"option", std::string(option.row->detail)};
    Draft::Part& part =
        option.row->repeated ? draft_.add_repeated(path, option.shown()) : draft_.at(path, option.shown());
    merge(part.members, nested_table(pairs_of(option), ValueFor::Qapi));
}

void Translator::lost_backend(const GivenOption& option) {
    const OptionPairs pairs = pairs_of(option);
    if (const auto* id = pairs.find("id")) lost_.insert(*id);
    if (const auto* chardev = pairs.find("chardev")) idle_chardevs_.insert(*chardev);
    leave_out(option);
}

void Translator::uses_host_network(const std::string& shown) {
    network_users_.push_back(shown);
}

const MachineDefaults& Translator::machine_defaults() const {
    return *std::ranges::find_if(machine_table, [&](const MachineDefaults& row) {
        return machine_type_ == row.prefix || machine_type_.starts_with(std::string(row.prefix) + '-') ||
               row.prefix.empty();
    });
}

bool Translator::is_x86() const {
    return !binary_given_ || !is_qemu_name(binary_) || binary_.find("qemu-system-") == std::string::npos ||
           binary_.ends_with("x86_64") || binary_.ends_with("i386");
}

std::string Translator::sugar_id(std::string_view wanted) {
    std::string id;
    for (const char c : wanted) {
        const bool upper = c >= 'A' && c <= 'Z';
        const char lower = upper ? static_cast<char>(c - 'A' + 'a') : c;
        const bool fits = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') || lower == '-';
        id += fits ? lower : '-';
    }
    constexpr std::size_t longest = 17;  // leaves room for a number
    if (id.empty() || id[0] < 'a' || id[0] > 'z') id = "x" + id;
    if (!is_sugar_id(id)) id = id.substr(0, longest);
    return raw_id("", id);
}

std::string Translator::raw_id(const std::string& given, std::string_view base) {
    if (!given.empty()) return given;
    std::string id(base);
    for (int number = 1; !ids_.insert(id).second; ++number) id = fmt::format("{}{}", base, number);
    return id;
}

Import import_command(const std::vector<std::string>& words) {
    return Translator().run(words);
}

}  // namespace qvm::config
