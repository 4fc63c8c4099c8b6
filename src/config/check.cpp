// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/check.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/block_users.hpp"
#include "config/check_backends.hpp"
#include "config/check_commands.hpp"
#include "config/check_displays.hpp"
#include "config/check_duplicates.hpp"
#include "config/check_jail.hpp"
#include "config/check_properties.hpp"
#include "config/check_references.hpp"
#include "config/check_report.hpp"
#include "config/check_tpm.hpp"
#include "config/graph.hpp"
#include "config/rules_options.hpp"
#include "config/shared_memory.hpp"

namespace qvm::config {
namespace {

using qapi::Path;
using qapi::Problem;
using qapi::ProblemKind;

/// The QOM type of a machine: what its properties are asked by.
std::string machine_type(const Vm& vm, const qapi::Capabilities& qemu) {
    const qapi::Machine* machine = qemu.machine(vm.machine.type.value);
    return machine == nullptr ? std::string() : machine->name + "-machine";
}

std::string cpu_type(const Vm& vm, const qapi::Capabilities& qemu) {
    const qapi::CpuModel* model = qemu.cpu_model(vm.cpu.model.value);
    return model == nullptr ? std::string() : model->type;
}

template <class List>
std::vector<std::string> names_of(const List& list) {
    std::vector<std::string> names;
    for (const auto& item : list) names.push_back(item.name);
    return names;
}

class Checker {
  public:
    Checker(Vm& vm, const qapi::Capabilities& qemu, Diagnostics& diagnostics)
        : vm_(vm), qemu_(qemu), reporter_(qemu, diagnostics), references_(vm, reporter_) {}

    void run();

  private:
    void check_resource(Resource& resource);
    void check_qapi(Resource& resource, const char* command, const char* id_member);
    void check_object_type(const Resource& resource, const Subject& subject);
    void check_device(Resource& device);
    bool check_device_type(const Subject& subject);
    void check_machine();
    void check_accelerators(const Subject& machine);
    void check_cpu();
    void check_global(NamedTable& global);
    bool check_module(const Subject& option);
    void check_option(NamedTable& option);
    void check_links();
    /// The typed values of a table of properties; `known` null: nobody knows them, so they pass.
    Json check_table(const Subject& subject, const std::vector<qapi::Property>* known, Resource* from);
    const qapi::Property* find_or_report(const Subject& subject, const Entry& entry,
                                         const std::vector<qapi::Property>& known);
    /// False if some are in a circle.
    bool sort_resources();

    Vm& vm_;
    const qapi::Capabilities& qemu_;
    Reporter reporter_;
    References references_;
};

void Checker::run() {
    for (Resource& resource : vm_.resources) {
        resource.references.clear();
        check_resource(resource);
        references_.find_hosts(resource);
    }
    check_machine();
    check_cpu();
    for (NamedTable& global : vm_.globals) check_global(global);
    for (NamedTable& option : vm_.options) check_option(option);
    check_commands(vm_, reporter_);
    check_links();
    references_.report_unused();
    check_duplicates(vm_, reporter_.diagnostics());
    // In a circle everything has two users.
    if (sort_resources()) check_backends(vm_, reporter_.diagnostics());
}

void Checker::check_resource(Resource& resource) {
    if (!resource.properties.is_table()) return;
    switch (resource.id.kind) {
        case Kind::Object:
            check_qapi(resource, "object-add", "id");
            break;
        case Kind::Chardev:
            check_qapi(resource, "chardev-add", "id");
            break;
        case Kind::Blockdev:
            check_qapi(resource, "blockdev-add", "node-name");
            break;
        case Kind::Netdev:
            check_qapi(resource, "netdev_add", "id");
            break;
        case Kind::Audiodev:
            check_qapi(resource, "query-audiodevs", "id");
            break;
        case Kind::Device:
            check_device(resource);
            break;
        case Kind::Host:
            resource.arguments = to_json(resource.properties);
            break;
    }
}

/// QAPI wants an empty `data` even where nothing is in it; a file need not say so.
void complete_backend(Json& arguments) {
    const auto backend = arguments.find("backend");
    if (backend == arguments.end() || !backend->is_object() || !backend->contains("type")) return;
    if (!backend->contains("data")) (*backend)["data"] = Json::object();
}

/// What a date became in the reader, which has said so.
bool is_nothing(const Resource& resource, const Path& path) {
    std::vector<std::string> member;
    for (const auto& part : path)
        member.push_back(std::holds_alternative<std::string>(part)
                             ? std::get<std::string>(part)
                             : std::to_string(std::get<std::size_t>(part)));
    const Value* value = value_at(resource, member);
    return value != nullptr && std::holds_alternative<std::monostate>(value->data);
}

void Checker::check_qapi(Resource& resource, const char* command_name, const char* id_member) {
    const qapi::Type* type = qemu_.schema.described_by(command_name);
    Json given = to_json(resource.properties);
    if (type == nullptr) {  // a QEMU so old or so odd that only itself can tell
        resource.arguments = std::move(given);
        return;
    }
    if (resource.id.kind == Kind::Chardev) complete_backend(given);
    const bool says_id = given.contains(id_member);
    if (!says_id) given[id_member] = resource.id.id;

    std::vector<Problem> problems;
    resource.arguments = qapi::validate(*type, given, qapi::Leniency::FromFile, problems);
    resource.arguments.erase(id_member);

    const Subject subject = subject_of(resource);
    std::erase_if(problems, [&](const Problem& p) { return is_nothing(resource, p.path); });
    if (says_id) problems.push_back({ProblemKind::UnknownMember, Path{std::string(id_member)}, {}, {}, {}});
    reporter_.report(subject, problems);
    if (resource.id.kind == Kind::Object) check_object_type(resource, subject);
    references_.find_in_arguments(resource, subject);
}

/// The protocol knows types that this binary was built without.
void Checker::check_object_type(const Resource& resource, const Subject& subject) {
    const qapi::Type* type = qemu_.schema.command("object-add")->arguments;
    const auto& object = std::get<qapi::Object>(type->is);
    const qapi::Member* tag = object.member(object.tag);
    const auto* values = tag == nullptr ? nullptr : std::get_if<qapi::Enum>(&tag->type->is);
    if (values == nullptr || qemu_.object_types.empty()) return;
    const bool in_protocol =
        std::ranges::find(values->values, subject.name, &qapi::EnumValue::name) != values->values.end();
    if (!in_protocol || std::ranges::find(qemu_.object_types, subject.name) != qemu_.object_types.end())
        return;
    const Path path{object.tag};
    reporter_.report(DiagnosticKind::NotInThisQemu, subject, path, value_origin(subject, path),
                     fmt::format("this QEMU was built without object \"{}\"", resource.driver()));
}

bool Checker::check_device_type(const Subject& subject) {
    const Path path{std::string("driver")};
    const Origin origin = value_origin(subject, path);
    if (subject.name.empty()) {
        const Value* driver = subject.table->find("driver");
        const auto misspelt = driver == nullptr ? nearest("driver", subject.table->keys()) : std::nullopt;
        if (misspelt)  // without its type nothing is known of the others
            reporter_.report(subject, Problem{ProblemKind::UnknownMember, {*misspelt}, {}, "driver", {}});
        else if (driver == nullptr)
            reporter_.report(subject, Problem{ProblemKind::MissingMember, path, {}, {}, {}});
        else if (!std::holds_alternative<std::monostate>(driver->data))
            reporter_.report(subject, Problem{ProblemKind::WrongType,
                                              path,
                                              fmt::format("must be a string, not {}", driver->type_name()),
                                              {},
                                              {}});
        return false;
    }
    if (qemu_.has_device(subject.name)) return true;
    if (qemu_.parents.contains(subject.name)) {
        const bool is_device = qemu_.is_a(subject.name, "device");
        const bool is_object =
            std::ranges::find(qemu_.object_types, subject.name) != qemu_.object_types.end();
        reporter_.report(
            DiagnosticKind::BadEnum, subject, path, origin,
            fmt::format("\"{}\" is {}", subject.name,
                        is_device ? "only a base of devices, no device" : "no device"),
            is_object ? fmt::format("make it an [object.ID] with qom-type = \"{}\"", subject.name) : "");
        return false;
    }
    reporter_.report_no_such_type(subject, path, origin, "device", subject.name, qemu_.device_types);
    return false;
}

const qapi::Property* Checker::find_or_report(const Subject& subject, const Entry& entry,
                                              const std::vector<qapi::Property>& known) {
    if (const qapi::Property* property = find_property(known, entry.key)) return property;
    const auto near = nearest(entry.key, names_of(known));
    reporter_.report(subject,
                     Problem{ProblemKind::UnknownMember, Path{entry.key}, {}, near.value_or(""), {}});
    return nullptr;
}

Json Checker::check_table(const Subject& subject, const std::vector<qapi::Property>* known, Resource* from) {
    Json result = Json::object();
    std::vector<Problem> problems;
    for (const Entry& entry : subject.table->entries()) {
        Json value = to_json(entry.value);
        const bool is_own = from != nullptr && (entry.key == "driver" || entry.key == "bus");
        if (is_own || known == nullptr) {
            result[entry.key] = std::move(value);
            continue;
        }
        if (value.is_null()) continue;  // its mistake has been told where it was made
        if (const qapi::Property* property = find_or_report(subject, entry, *known)) {
            value = check_property(*property, value, Path{entry.key}, problems);
            references_.find_in_property(from, subject, *property, value);
        }
        result[entry.key] = std::move(value);
    }
    reporter_.report(subject, problems);
    return result;
}

void Checker::check_device(Resource& device) {
    const Subject subject = subject_of(device);
    if (!check_device_type(subject)) {
        device.arguments = to_json(device.properties);
        return;
    }
    if (const Value* bus = subject.table->find("bus");
        bus != nullptr && bus->string() == nullptr && !std::holds_alternative<std::monostate>(bus->data))
        reporter_.report(subject, Problem{ProblemKind::WrongType,
                                          Path{std::string("bus")},
                                          fmt::format("must be a string, not {}", bus->type_name()),
                                          {},
                                          {}});
    device.arguments = check_table(subject, qemu_.properties_of(subject.name), &device);
    references_.find_bus(device, subject);
}

void Checker::check_machine() {
    Machine& machine = vm_.machine;
    const Subject subject{Subject::Noun::Machine, machine.type.value, &machine.properties,
                          machine.type.origin, "machine"};
    machine.checked_properties = to_json(machine.properties);
    check_accelerators(subject);
    const qapi::Machine* known = qemu_.machine(machine.type.value);
    if (known == nullptr) {
        auto names = names_of(qemu_.machines);
        for (const auto& m : qemu_.machines)
            if (!m.alias.empty()) names.push_back(m.alias);
        reporter_.report_no_such_type(subject, {}, machine.type.origin, "machine", machine.type.value, names);
        return;
    }
    if (known->deprecated)
        reporter_.report(DiagnosticKind::Deprecated, subject, {}, machine.type.origin,
                         fmt::format("machine \"{}\" is deprecated", machine.type.value));
    if (known->cpu_max > 0 && vm_.smp.maxcpus > known->cpu_max)
        reporter_.report(DiagnosticKind::BadValue, subject, {}, vm_.smp.origin,
                         fmt::format("machine \"{}\" takes at most {} CPUs, not {}", machine.type.value,
                                     known->cpu_max, vm_.smp.maxcpus));
    const auto* listed = qemu_.properties_of(machine_type(vm_, qemu_));
    if (listed == nullptr) return;
    auto properties = *listed;
    for (const char* ours : {"type", "accel"}) properties.push_back({ours, "str", {}});
    Table own;
    for (const Entry& entry : machine.properties.entries()) {
        if (const auto owner = owner_of_machine_property(entry.key); !owner.empty()) {
            reporter_.report(DiagnosticKind::Conflict, subject, Path{entry.key}, entry.key_origin,
                             fmt::format("machine property '{}' is made by qvm", entry.key),
                             fmt::format("say it as '{}'", owner));
            continue;
        }
        if (const auto* legacy = legacy_machine_property(entry.key)) properties.push_back(*legacy);
        own.set(entry.key, entry.key_origin, entry.value);
    }
    Subject filtered = subject;
    filtered.table = &own;
    machine.checked_properties = check_table(filtered, &properties, nullptr);
}

/// An accelerator X is a QOM type "X-accel".
void Checker::check_accelerators(const Subject& machine) {
    constexpr std::string_view suffix = "-accel";
    std::vector<std::string> names;
    for (const auto& [type, parent] : qemu_.parents)
        if (parent == "accel" && type.ends_with(suffix))
            names.push_back(type.substr(0, type.size() - suffix.size()));
    if (names.empty()) return;
    const auto& accel = vm_.machine.accel;
    for (const auto& name : accel.value)
        if (accel.given() && std::ranges::find(names, name) == names.end())
            reporter_.report_no_such_type(machine, {}, accel.origin, "accelerator", name, names);
}

void Checker::check_cpu() {
    Cpu& cpu = vm_.cpu;
    const Subject subject{Subject::Noun::Cpu, cpu.model.value, &cpu.properties, cpu.model.origin, "cpu"};
    cpu.checked_properties = to_json(cpu.properties);
    const qapi::CpuModel* model = qemu_.cpu_model(cpu.model.value);
    if (model == nullptr) {
        reporter_.report_no_such_type(subject, {}, cpu.model.origin, "CPU model", cpu.model.value,
                                      names_of(qemu_.cpu_models));
        return;
    }
    if (model->deprecated)
        reporter_.report(DiagnosticKind::Deprecated, subject, {}, cpu.model.origin,
                         fmt::format("CPU model \"{}\" is deprecated", cpu.model.value));
    cpu.checked_properties = check_table(subject, qemu_.properties_of(cpu_type(vm_, qemu_)), nullptr);
}

void Checker::check_global(NamedTable& global) {
    const Subject subject{Subject::Noun::Device, global.name, &global.properties, global.origin,
                          fmt::format("global.\"{}\"", global.name)};
    global.arguments = to_json(global.properties);
    if (!qemu_.parents.contains(global.name)) {
        std::vector<std::string> types;
        for (const auto& [type, parent] : qemu_.parents) types.push_back(type);
        reporter_.report_no_such_type(subject, {}, global.origin, "type", global.name, types);
        return;
    }
    // A base of several types has no list of properties of its own: QEMU will say.
    global.arguments = check_table(subject, qemu_.properties_of(global.name), nullptr);
}

/// SPICE is in modules, and one that is there has types of its own.
bool Checker::check_module(const Subject& option) {
    if (option.name != "spice") return false;
    if (qemu_.schema.command("query-spice") == nullptr)
        reporter_.report(DiagnosticKind::NotInThisQemu, option, {}, option.origin,
                         "this QEMU was built without SPICE", {}, {"display = \"vnc\" needs nothing more"});
    else if (!qemu_.parents.contains("chardev-spicevmc"))
        reporter_.report(DiagnosticKind::NotInThisQemu, option, {}, option.origin,
                         "this QEMU's modules for SPICE are not installed", {},
                         {"distributions put them into a package of their own (Debian: "
                          "qemu-system-modules-spice)",
                          "display = \"vnc\" needs nothing more"});
    else
        return true;
    return false;
}

void Checker::check_option(NamedTable& option) {
    const Subject subject{Subject::Noun::Option, option.name, &option.properties, option.origin,
                          "option." + option.name};
    option.arguments = to_json(option.properties);
    if (const auto owner = owner_of_option(option.name); !owner.empty()) {
        reporter_.report(
            DiagnosticKind::Conflict, subject, {}, option.origin,
            fmt::format("option \"{}\" cannot be given here", option.name),
            owner == "qvm itself" ? "qvm itself gives it" : fmt::format("say it as '{}'", owner));
        return;
    }
    std::vector<std::string> names;
    const std::vector<qapi::OptionParameter>* parameters = nullptr;
    for (const auto& [group, list] : qemu_.options) {
        const std::string name = option_of_group(group);
        if (name == option.name) parameters = &list;
        if (owner_of_option(name).empty() && !name.empty()) names.push_back(name);
    }
    if (parameters == nullptr && check_module(subject)) parameters = option_of_module(option.name);
    if (parameters == nullptr && option_of_module(option.name) != nullptr) return;
    if (parameters == nullptr) {
        reporter_.report_no_such_type(subject, {}, option.origin, "option", option.name, names);
        return;
    }
    if (parameters->empty()) return;  // the group takes what QEMU's own code makes of it
    std::vector<qapi::Property> properties;
    for (const auto& parameter : *parameters) properties.push_back(property_of(parameter));
    option.arguments = check_table(subject, &properties, nullptr);
}

void Checker::check_links() {
    std::vector<std::string> devices;
    for (const Resource& resource : vm_.resources)
        if (resource.id.kind == Kind::Device) devices.push_back(resource.id.id);
    for (const auto& link : vm_.links_down)
        if (std::ranges::find(devices, link.value) == devices.end())
            reporter_.diagnostics().add({DiagnosticKind::BadRef,
                                         link.origin,
                                         fmt::format("link-down names no device: '{}'", link.value),
                                         did_you_mean(link.value, devices),
                                         {}});
}

bool Checker::sort_resources() {
    std::map<ResourceId, std::size_t> index;
    for (std::size_t i = 0; i < vm_.resources.size(); ++i) index.emplace(vm_.resources[i].id, i);
    std::vector<std::vector<std::size_t>> depends_on(vm_.resources.size());
    for (std::size_t i = 0; i < vm_.resources.size(); ++i)
        for (const Reference& reference : vm_.resources[i].references)
            if (const auto target = index.find(reference.target); target != index.end())
                depends_on[i].push_back(target->second);

    const Order order = order_of(depends_on);
    for (const auto& cycle : order.cycles) {
        std::string loop;
        std::vector<std::string> notes;
        for (std::size_t i = 0; i < cycle.size(); ++i) {
            const Resource& from = vm_.resources[cycle[i]];
            const Resource& to = vm_.resources[cycle[(i + 1) % cycle.size()]];
            loop += from.id.to_string() + " -> ";
            const auto reference = std::ranges::find(from.references, to.id, &Reference::target);
            if (reference != from.references.end() && reference->origin.known())
                notes.push_back(fmt::format("{} needs {}, at {}", from.id.to_string(), to.id.to_string(),
                                            reference->origin.to_string()));
        }
        if (cycle.size() == 1) notes.clear();
        const Resource& start = vm_.resources[cycle.front()];
        const ResourceId next = vm_.resources[cycle[1 % cycle.size()]].id;
        const auto reference = std::ranges::find(start.references, next, &Reference::target);
        reporter_.diagnostics().add(
            {DiagnosticKind::Cycle,
             reference->origin,
             cycle.size() == 1 ? start.id.to_string() + " needs itself"
                               : fmt::format("these need each other: {}{}", loop, start.id.to_string()),
             {},
             std::move(notes)});
    }
    std::vector<Resource> sorted;
    sorted.reserve(vm_.resources.size());
    for (const std::size_t i : order.order) sorted.push_back(std::move(vm_.resources[i]));
    vm_.resources = std::move(sorted);
    return order.cycles.empty();
}

}  // namespace

std::vector<std::string> types_needed(const Vm& vm, const qapi::Capabilities& qemu) {
    std::set<std::string> types;
    for (const Resource& resource : vm.resources)
        if (resource.id.kind == Kind::Device && qemu.has_device(resource.driver()))
            types.insert(resource.driver());
    for (const NamedTable& global : vm.globals)
        if (qemu.has_device(global.name)) types.insert(global.name);
    for (const std::string& type : {machine_type(vm, qemu), cpu_type(vm, qemu)})
        if (!type.empty()) types.insert(type);
    return {types.begin(), types.end()};
}

void check(Vm& vm, const qapi::Capabilities& qemu, Diagnostics& diagnostics) {
    Checker(vm, qemu, diagnostics).run();
    check_jail(vm, qemu, diagnostics);
    check_tpm(vm, diagnostics);
    check_displays(vm, diagnostics);
    check_vhost_user(vm, diagnostics);
}

}  // namespace qvm::config
