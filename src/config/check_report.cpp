// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/check_report.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::config {
namespace {

using qapi::Path;
using qapi::Problem;
using qapi::ProblemKind;

/// Device types that distributions put into packages of their own: without the package they look like typos.
constexpr std::array in_modules{"qxl",
                                "qxl-vga",
                                "virtio-gpu-gl-pci",
                                "virtio-vga-gl",
                                "usb-redir",
                                "ccid-card-emulated",
                                "ccid-card-passthru",
                                "virtio-gpu-pci",
                                "virtio-gpu-device",
                                "virtio-gpu-gl-device",
                                "virtio-vga",
                                "usb-host"};

/// What QEMU's command line calls a device that has another name as a type (system/qdev-monitor.c:
/// qdev_alias_table). Its own help shows them nowhere, so the type's name is asked for.
std::string real_name(std::string_view alias) {
    if (alias == "ahci") return "ich9-ahci";
    if (alias == "lsi") return "lsi53c895a";
    if (alias == "ac97") return "AC97";
    if (alias == "es1370") return "ES1370";
    return std::string(alias) + "-pci";  // virtio-blk, ...
}

const Value* step(const Value& value, const std::variant<std::string, std::size_t>& part) {
    if (const auto* name = std::get_if<std::string>(&part)) {
        const Table* table = value.table();
        return table == nullptr ? nullptr : table->find(*name);
    }
    const Array* array = value.array();
    const std::size_t index = std::get<std::size_t>(part);
    return array == nullptr || index >= array->size() ? nullptr : &(*array)[index];
}

/// Calls `visit(value, depth)` for each value on the way that exists, the table itself left out.
template <class Visit>
void walk(const Subject& subject, const Path& path, Visit visit) {
    if (subject.table == nullptr || path.empty()) return;
    const auto* first = std::get_if<std::string>(&path.front());
    const Value* value = first == nullptr ? nullptr : subject.table->find(*first);
    for (std::size_t depth = 1; value != nullptr; ++depth) {
        visit(*value, depth);
        if (depth == path.size()) break;
        value = step(*value, path[depth]);
    }
}

const std::string* text_in(const Table* table, std::string_view key) {
    const Value* value = table == nullptr ? nullptr : table->find(key);
    return value == nullptr ? nullptr : value->string();
}

/// Where the last name of a path stands: what follows it are indexes.
std::size_t last_name(const Path& path) {
    std::size_t at = path.size();
    while (at > 0 && std::holds_alternative<std::size_t>(path[at - 1])) --at;
    return at == 0 ? 0 : at - 1;
}

/// The table that the member at `path` is in.
Path owner_of(const Path& path) {
    return Path(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(last_name(path)));
}

/// The member whose value says what kind of thing this is.
bool is_type_member(const Subject& subject, const Path& path) {
    const auto* name = path.empty() ? nullptr : std::get_if<std::string>(&path.back());
    if (name == nullptr) return false;
    switch (subject.noun) {
        case Subject::Noun::Object:
            return path.size() == 1 && *name == "qom-type";
        case Subject::Noun::Chardev:
            return path.size() == 2 && *name == "type";
        case Subject::Noun::Blockdev:
            return *name == "driver";
        case Subject::Noun::Netdev:
            return path.size() == 1 && *name == "type";
        case Subject::Noun::Audiodev:
            return path.size() == 1 && *name == "driver";
        case Subject::Noun::Device:
        case Subject::Noun::Machine:
        case Subject::Noun::Cpu:
        case Subject::Noun::Option:
        case Subject::Noun::Command:
            return false;
    }
    return false;
}

std::string_view member_word(Subject::Noun noun) {
    switch (noun) {
        case Subject::Noun::Device:
        case Subject::Noun::Machine:
        case Subject::Noun::Cpu:
            return "property";
        case Subject::Noun::Option:
            return "parameter";
        case Subject::Noun::Object:
        case Subject::Noun::Chardev:
        case Subject::Noun::Blockdev:
        case Subject::Noun::Netdev:
        case Subject::Noun::Audiodev:
            return "member";
        case Subject::Noun::Command:
            return "argument";
    }
    return "member";
}

std::string_view noun_word(Subject::Noun noun) {
    switch (noun) {
        case Subject::Noun::Object:
            return "object";
        case Subject::Noun::Chardev:
            return "chardev";
        case Subject::Noun::Blockdev:
            return "blockdev";
        case Subject::Noun::Netdev:
            return "netdev";
        case Subject::Noun::Audiodev:
            return "audiodev";
        case Subject::Noun::Device:
            return "device";
        case Subject::Noun::Machine:
            return "machine";
        case Subject::Noun::Cpu:
            return "CPU";
        case Subject::Noun::Option:
            return "option";
        case Subject::Noun::Command:
            return "command";
    }
    return "";
}

/// `blockdev driver`, `netdev type`, `object`.
std::string type_words(Subject::Noun noun) {
    const std::string word(noun_word(noun));
    switch (noun) {
        case Subject::Noun::Blockdev:
        case Subject::Noun::Audiodev:
            return word + " driver";
        case Subject::Noun::Netdev:
        case Subject::Noun::Chardev:
            return word + " type";
        case Subject::Noun::Cpu:
            return word + " model";
        case Subject::Noun::Object:
        case Subject::Noun::Device:
        case Subject::Noun::Machine:
        case Subject::Noun::Option:
        case Subject::Noun::Command:
            return word;
    }
    return word;
}

DiagnosticKind kind_of(ProblemKind kind) {
    switch (kind) {
        case ProblemKind::UnknownMember:
            return DiagnosticKind::UnknownKey;
        case ProblemKind::MissingMember:
            return DiagnosticKind::Missing;
        case ProblemKind::WrongType:
            return DiagnosticKind::BadType;
        case ProblemKind::NotInEnum:
            return DiagnosticKind::BadEnum;
        case ProblemKind::BadSize:
            return DiagnosticKind::BadSize;
        case ProblemKind::OutOfRange:
            return DiagnosticKind::BadValue;
        case ProblemKind::Deprecated:
        case ProblemKind::Unstable:
            return DiagnosticKind::Deprecated;
    }
    return DiagnosticKind::BadValue;
}

/// Of all sugar, only disks and nics have tables inside for what they are made of.
bool has_override(std::string_view made_by) {
    return made_by.starts_with("disk.") || made_by.starts_with("net.");
}

}  // namespace

std::string meant(std::string_view name) {
    return name.empty() ? "" : fmt::format("did you mean '{}'?", name);
}

Subject subject_of(const Resource& resource) {
    Subject subject;
    switch (resource.id.kind) {
        case Kind::Object:
            subject.noun = Subject::Noun::Object;
            break;
        case Kind::Chardev:
            subject.noun = Subject::Noun::Chardev;
            break;
        case Kind::Blockdev:
            subject.noun = Subject::Noun::Blockdev;
            break;
        case Kind::Netdev:
            subject.noun = Subject::Noun::Netdev;
            break;
        case Kind::Audiodev:
            subject.noun = Subject::Noun::Audiodev;
            break;
        case Kind::Device:
        case Kind::Host:
            subject.noun = Subject::Noun::Device;
            break;
    }
    subject.name = resource.driver();
    subject.table = resource.properties.table();
    subject.origin = resource.origin;
    const std::string table = std::string(table_name(resource.id.kind));
    const std::string& by = resource.made_by;
    if (by.starts_with(table + '.'))
        subject.path = by;
    else if (by.empty() || by == "qvm" || by == "hotplug")
        subject.path = resource.id.to_string();
    else if (has_override(by))
        subject.path = by + '.' + table;
    else
        subject.path = by;
    return subject;
}

std::string member_name(const Path& path) {
    return qapi::to_string(Path(path.begin() + static_cast<std::ptrdiff_t>(last_name(path)), path.end()));
}

std::string describe(Subject::Noun noun, std::string_view name) {
    return name.empty() ? fmt::format("this {}", noun_word(noun))
                        : fmt::format("{} \"{}\"", type_words(noun), name);
}

std::string describe_owner(const Subject& subject, const Path& path) {
    std::string name = subject.name;
    std::size_t start = 0;
    const Path owner = owner_of(path);
    if (subject.noun == Subject::Noun::Blockdev) {
        walk(subject, owner, [&](const Value& value, std::size_t depth) {
            if (const std::string* driver = text_in(value.table(), "driver")) {
                name = *driver;
                start = depth;
            }
        });
    } else if (subject.noun == Subject::Noun::Chardev) {
        start = std::min<std::size_t>(owner.size(), 2);  // backend.data is the chardev itself
    }
    std::string text = describe(subject.noun, name);
    if (start < owner.size())
        text = fmt::format(
            "'{}' of {}",
            qapi::to_string(Path(owner.begin() + static_cast<std::ptrdiff_t>(start), owner.end())), text);
    return text;
}

Origin value_origin(const Subject& subject, const Path& path) {
    Origin origin = subject.origin;
    walk(subject, path, [&](const Value& value, std::size_t) {
        if (value.origin.known()) origin = value.origin;
    });
    return origin;
}

Origin key_origin(const Subject& subject, const Path& path) {
    Origin origin = value_origin(subject, path);
    const auto* name = path.empty() ? nullptr : std::get_if<std::string>(&path.back());
    if (name == nullptr || subject.table == nullptr) return origin;
    const Table* table = subject.table;
    if (path.size() > 1) {
        table = nullptr;
        walk(subject, owner_of(path), [&](const Value& value, std::size_t depth) {
            if (depth == path.size() - 1) table = value.table();
        });
    }
    const Entry* entry = table == nullptr ? nullptr : table->entry(*name);
    return entry != nullptr && entry->key_origin.known() ? entry->key_origin : origin;
}

void Reporter::report(DiagnosticKind kind, const Subject& subject, const Path& path, Origin origin,
                      std::string message, std::string label, std::vector<std::string> notes) {
    std::string where = subject.path;
    const std::string inside = qapi::to_string(owner_of(path));
    if (!inside.empty()) where += '.' + inside;
    notes.insert(notes.begin(), fmt::format("in {}, {}", where, qemu_.to_string()));
    diagnostics_.add({kind, std::move(origin), std::move(message), std::move(label), std::move(notes)});
}

void Reporter::report_no_such_type(const Subject& subject, const Path& path, const Origin& origin,
                                   const std::string& what, std::string_view name,
                                   const std::vector<std::string>& known) {
    auto near = nearest(name, known);
    if (const auto real = real_name(name); std::ranges::find(known, real) != known.end()) near = real;
    std::vector<std::string> notes;
    if (std::ranges::find(in_modules, name) != in_modules.end())
        notes.emplace_back("distributions put it into a package of its own (Debian: qemu-system-modules-*)");
    const bool in_module = !notes.empty();
    report(near && !in_module ? DiagnosticKind::BadEnum : DiagnosticKind::NotInThisQemu, subject, path,
           origin, fmt::format("there is no {} \"{}\"", what, name), near && !in_module ? meant(*near) : "",
           std::move(notes));
}

void Reporter::report_unknown(const Subject& subject, const Problem& problem) {
    const std::string name = member_name(problem.path);
    std::string label = meant(problem.nearest);
    if (subject.noun != Subject::Noun::Command && problem.path.size() == 1 &&
        (name == "id" || name == "node-name"))
        label = "the table's name is the id";
    report(DiagnosticKind::UnknownKey, subject, problem.path, key_origin(subject, problem.path),
           fmt::format("{} has no {} '{}'", describe_owner(subject, problem.path), member_word(subject.noun),
                       name),
           std::move(label));
}

void Reporter::report_not_in_enum(const Subject& subject, const Problem& problem) {
    const Origin origin = value_origin(subject, problem.path);
    if (is_type_member(subject, problem.path)) {
        std::string name;
        walk(subject, problem.path, [&](const Value& value, std::size_t depth) {
            if (depth == problem.path.size() && value.string() != nullptr) name = *value.string();
        });
        report_no_such_type(subject, problem.path, origin, type_words(subject.noun), name, problem.allowed);
        return;
    }
    std::string label = meant(problem.nearest);
    constexpr std::size_t readable = 12;
    if (label.empty() && problem.allowed.size() <= readable) label = "must be " + join_or(problem.allowed);
    report(DiagnosticKind::BadEnum, subject, problem.path, origin,
           fmt::format("'{}' of {} {}", member_name(problem.path), describe_owner(subject, problem.path),
                       problem.message),
           std::move(label));
}

void Reporter::report(const Subject& subject, const Problem& problem) {
    const auto& path = problem.path;
    switch (problem.kind) {
        case ProblemKind::UnknownMember:
            report_unknown(subject, problem);
            return;
        case ProblemKind::NotInEnum:
            report_not_in_enum(subject, problem);
            return;
        case ProblemKind::MissingMember: {
            const Path owner = owner_of(path);
            const auto name = member_name(path);
            // Elsewhere QEMU takes a chardev without the wrapping.
            const bool unwrapped =
                subject.noun == Subject::Noun::Chardev && path.size() == 1 && name == "backend";
            report(DiagnosticKind::Missing, subject, path, value_origin(subject, owner),
                   fmt::format("{} needs {} '{}'", describe_owner(subject, path), member_word(subject.noun),
                               name),
                   unwrapped ? "as in chardev-add: backend = { type = \"..\", data = { .. } }" : "");
            return;
        }
        case ProblemKind::Deprecated:
            report(DiagnosticKind::Deprecated, subject, path, key_origin(subject, path),
                   fmt::format("'{}' of {} {}", member_name(path), describe_owner(subject, path),
                               problem.message));
            return;
        case ProblemKind::Unstable:
            return;  // who writes x-... knows
        case ProblemKind::WrongType:
        case ProblemKind::OutOfRange:
            report(kind_of(problem.kind), subject, path, value_origin(subject, path),
                   path.empty() ? fmt::format("{} {}", describe(subject.noun, subject.name), problem.message)
                                : fmt::format("'{}' of {} {}", member_name(path),
                                              describe_owner(subject, path), problem.message),
                   problem.nearest.empty() ? "" : "write " + problem.nearest);
            return;
        case ProblemKind::BadSize:
            report(DiagnosticKind::BadSize, subject, path, value_origin(subject, path),
                   fmt::format("'{}' of {}: {}", member_name(path), describe_owner(subject, path),
                               problem.message));
            return;
    }
}

}  // namespace qvm::config
