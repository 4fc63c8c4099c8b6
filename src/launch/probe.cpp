// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/probe.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "config/json_schema.hpp"
#include "launch/find_program.hpp"
#include "launch/interview.hpp"
#include "launch/probe_cache.hpp"
#include "launch/state.hpp"

namespace qvm::launch {
namespace {

using Stage = Interview::Stage;

/// Debian's packages.
std::string package_of(std::string_view binary) {
    if (binary.ends_with("x86_64") || binary.ends_with("i386")) return "qemu-system-x86";
    if (binary.ends_with("aarch64") || binary.ends_with("arm")) return "qemu-system-arm";
    return "qemu-system-misc";
}

std::filesystem::path find_qemu(const config::QemuBinary& qemu) {
    const auto name = qemu.binary.value.empty() ? usual_qemu() : qemu.binary.value;
    return find_program(name, package_of(name));
}

std::vector<std::string> names_in(const Json& types) {
    std::vector<std::string> names;
    for (const auto& type : types) names.push_back(type.at("name").get<std::string>());
    std::ranges::sort(names);
    return names;
}

std::vector<std::string> concrete_types(Interview& qemu, const char* ancestor) {
    return names_in(
        qemu.ask("qom-list-types", Json::object({{"implements", ancestor}, {"abstract", false}})));
}

void ask_types(Interview& qemu, qapi::Capabilities& c) {
    for (const auto& type : qemu.ask("qom-list-types", Json::object({{"abstract", true}})))
        c.parents.emplace(type.at("name").get<std::string>(), type.value("parent", ""));
    c.device_types = concrete_types(qemu, "device");
    c.object_types = concrete_types(qemu, "user-creatable");
}

void ask_machines(Interview& qemu, qapi::Capabilities& c) {
    for (const auto& m : qemu.ask("query-machines"))
        c.machines.push_back({m.at("name").get<std::string>(), m.value("alias", ""),
                              m.at("cpu-max").get<unsigned>(), m.at("hotpluggable-cpus").get<bool>(),
                              m.value("deprecated", false), m.value("default-ram-id", "")});
    std::ranges::sort(c.machines, {}, &qapi::Machine::name);
    for (const auto& m : qemu.ask("query-cpu-definitions"))
        c.cpu_models.push_back({m.at("name").get<std::string>(), m.at("typename").get<std::string>(),
                                m.value("deprecated", false)});
}

void ask_options(Interview& qemu, qapi::Capabilities& c) {
    for (const auto& option : qemu.ask("query-command-line-options")) {
        auto& parameters = c.options[option.at("option").get<std::string>()];
        for (const auto& p : option.at("parameters"))
            parameters.push_back({p.at("name").get<std::string>(), p.at("type").get<std::string>()});
    }
}

/// Without what cannot be set.
std::vector<qapi::Property> settable(const Json& answer) {
    std::vector<qapi::Property> list;
    for (const auto& p : answer) {
        const auto name = p.at("name").get<std::string>();
        const auto type = p.at("type").get<std::string>();
        if (name != "type" && !type.starts_with("child<"))
            list.push_back({name, type, p.value("description", ""),
                            p.contains("default-value") ? p.at("default-value").dump() : std::string()});
    }
    std::ranges::sort(list, {}, &qapi::Property::name);
    return list;
}

/// Its reply alone tells what an audiodev is made of.
bool keeps_reply(const Json& command) {
    return command.value("name", "") == "query-audiodevs";
}

/// Of an introspection, the commands and all that their arguments are made of: what a file can be checked by.
Json without_replies(const Json& introspection) {
    std::map<std::string_view, const Json*> by_name;
    for (const auto& entity : introspection)
        by_name[entity.at("name").get_ref<const std::string&>()] = &entity;
    std::set<std::string_view> wanted;
    std::vector<std::string_view> next;
    for (const auto& entity : introspection)
        if (entity.value("meta-type", "") == "command")
            next.emplace_back(entity.at("name").get_ref<const std::string&>());
    while (!next.empty()) {
        const auto name = next.back();
        next.pop_back();
        const auto found = by_name.find(name);
        if (found == by_name.end() || !wanted.insert(name).second) continue;
        const Json& entity = *found->second;
        for (const char* link : {"arg-type", "element-type", "ret-type"})
            if (entity.contains(link) && (link != std::string_view("ret-type") || keeps_reply(entity)))
                next.emplace_back(entity[link].get_ref<const std::string&>());
        for (const char* list : {"members", "variants"}) {
            if (!entity.contains(list)) continue;
            for (const auto& member : entity[list])
                if (member.contains("type"))  // an enum's have none
                    next.emplace_back(member["type"].get_ref<const std::string&>());
        }
    }
    Json kept = Json::array();
    for (const auto& entity : introspection)
        if (wanted.contains(entity.at("name").get_ref<const std::string&>())) {
            kept.push_back(entity);
            // A type that is there, in place of one that is not.
            if (entity.contains("ret-type") && !keeps_reply(entity))
                kept.back()["ret-type"] = entity.at("arg-type");
        }
    return kept;
}

bool is_machine(const std::string& type) {
    return type.ends_with("-machine");
}

}  // namespace

struct Probe::Impl {
    Impl(const config::QemuBinary& which, config::JailMode jail_mode,
         const std::filesystem::path& cache_directory)
        : qemu(which),
          mode(jail_mode),
          binary(find_qemu(which)),
          cache(ProbeCache(cache_directory / "probe", which, binary)) {}

    explicit Impl(qapi::Capabilities saved)
        : binary(saved.binary), capabilities(std::move(saved)), known(true) {}

    /// Everything but properties.
    qapi::Capabilities ask_all() {
        Interview interview(qemu, binary, mode, Stage::Ready);
        qapi::Capabilities c;
        c.binary = binary.string();
        const auto& greeting = interview.greeting();
        c.version = {greeting.major, greeting.minor, greeting.micro};
        c.package = greeting.package;
        try {
            c.arch = interview.ask("query-target").at("arch").get<std::string>();
            const Json introspection = interview.ask("query-qmp-schema");
            cache->store_introspection(introspection);
            c.schema = qapi::Schema::parse(without_replies(introspection));
            ask_types(interview, c);
            ask_machines(interview, c);
            ask_options(interview, c);
        } catch (const qmp::ExecuteError& error) {
            throw Error(
                ExitCode::HostCannot,
                fmt::format("'{}' refused {}: {}", binary.string(), error.command(), error.description()),
                "QEMU 7.2 and later are supported");
        } catch (const Json::exception& error) {
            throw Error(ExitCode::HostCannot,
                        fmt::format("'{}' answered in an unknown form: {}", binary.string(), error.what()));
        }
        return c;
    }

    std::vector<qapi::Property> properties_of(Interview& interview, const std::string& type) {
        const char* command = is_machine(type) ? "qom-list-properties" : "device-list-properties";
        try {
            return settable(interview.ask(command, Json::object({{"typename", type}})));
        } catch (const qmp::ExecuteError&) {
            return {};  // no type of this QEMU, or none that has any
        } catch (const Json::exception&) {
            return {};
        }
    }

    /// A type that QEMU dies of is done with too; the rest is asked of another process.
    void ask_properties(const std::vector<std::string>& types, Stage stage) {
        std::size_t done = 0;
        while (done < types.size()) {
            Interview interview(qemu, binary, mode, stage);
            try {
                for (; done < types.size(); ++done)
                    capabilities.properties[types[done]] = properties_of(interview, types[done]);
            } catch (const InterviewOver&) {
                capabilities.properties[types[done++]] = {};
            }
        }
    }

    /// The answer of query-qmp-schema.
    Json introspection() {
        if (!cache) return capabilities.introspection;
        if (auto stored = cache->load_introspection()) return std::move(*stored);
        Interview interview(qemu, binary, mode, Stage::Ready);
        Json asked = interview.ask("query-qmp-schema");
        cache->store_introspection(asked);
        return asked;
    }

    void ask_properties(const std::vector<std::string>& types) {
        std::vector<std::string> machines, others;
        std::ranges::partition_copy(types, std::back_inserter(machines), std::back_inserter(others),
                                    is_machine);
        ask_properties(machines, Stage::Preconfig);
        ask_properties(others, Stage::Ready);
    }

    config::QemuBinary qemu;
    config::JailMode mode = config::JailMode::Strict;
    std::filesystem::path binary;
    std::optional<ProbeCache> cache;  ///< none where there is no QEMU to ask, either
    qapi::Capabilities capabilities;
    bool known = false;
    std::optional<qapi::Schema> whole_schema;
};

Probe::Probe(const config::QemuBinary& qemu, config::JailMode mode)
    : Probe(qemu, mode, Directories::from_environment().cache) {}

Probe::Probe(const config::QemuBinary& qemu, config::JailMode mode, const std::filesystem::path& cache)
    : impl_(std::make_unique<Impl>(qemu, mode, cache)) {}

Probe::Probe(qapi::Capabilities saved) : impl_(std::make_unique<Impl>(std::move(saved))) {}

Probe::Probe(Probe&&) noexcept = default;
Probe& Probe::operator=(Probe&&) noexcept = default;
Probe::~Probe() = default;

const std::filesystem::path& Probe::binary() const {
    return impl_->binary;
}

const qapi::Capabilities& Probe::capabilities() {
    if (impl_->known) return impl_->capabilities;
    if (auto cached = impl_->cache->load()) {
        impl_->capabilities = std::move(*cached);
    } else {
        impl_->capabilities = impl_->ask_all();
        impl_->cache->store(impl_->capabilities);
    }
    impl_->known = true;
    return impl_->capabilities;
}

const qapi::Capabilities& Probe::with_properties(const std::vector<std::string>& types) {
    capabilities();
    if (!impl_->cache) return impl_->capabilities;
    const auto unknown = [this](const std::string& type) {
        return !impl_->capabilities.properties.contains(type);
    };
    std::vector<std::string> missing;
    std::ranges::copy_if(types, std::back_inserter(missing), unknown);
    if (missing.empty()) return impl_->capabilities;
    impl_->cache->load_properties(impl_->capabilities, missing);
    std::erase_if(missing, std::not_fn(unknown));
    if (missing.empty()) return impl_->capabilities;
    impl_->ask_properties(missing);
    impl_->cache->store_properties(impl_->capabilities, missing);
    return impl_->capabilities;
}

const qapi::Capabilities& Probe::everything() {
    capabilities();
    if (!impl_->cache) return impl_->capabilities;
    auto types = config::types_of_json_schema(impl_->capabilities);
    std::erase_if(types, [this](const auto& type) { return impl_->capabilities.properties.contains(type); });
    impl_->ask_properties(types);
    impl_->capabilities.introspection = impl_->introspection();
    return impl_->capabilities;
}

const qapi::Schema& Probe::whole_schema() {
    if (!impl_->whole_schema) impl_->whole_schema = qapi::Schema::parse(impl_->introspection());
    return *impl_->whole_schema;
}

}  // namespace qvm::launch
