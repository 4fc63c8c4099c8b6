// SPDX-License-Identifier: GPL-3.0-or-later
// applied.json.
#include "launch/state.hpp"

namespace qvm::launch {
namespace {

using std::chrono::milliseconds;

/// Raised whenever the saved form changes incompatibly.
constexpr int saved_form = 1;

std::string_view phase_name(Applied::Phase phase) {
    switch (phase) {
        case Applied::Phase::Starting:
            return "starting";
        case Applied::Phase::Running:
            return "running";
        case Applied::Phase::Ended:
            return "ended";
    }
    return "ended";
}

Applied::Phase phase_named(const std::string& name) {
    if (name == "starting") return Applied::Phase::Starting;
    return name == "running" ? Applied::Phase::Running : Applied::Phase::Ended;
}

Json save(const ProcessRecord& process) {
    Json json = Json::object();
    json["pid"] = process.pid;
    json["start-time"] = process.start_time;
    return json;
}

ProcessRecord load_process(const Json& json) {
    return {json.at("pid").get<pid_t>(), json.at("start-time").get<std::uint64_t>()};
}

Json save(const std::optional<jail::CgroupRecord>& cgroup) {
    if (!cgroup) return nullptr;
    Json json = Json::object();
    json["version"] = cgroup->version;
    Json& directories = json["directories"] = Json::array();
    for (const auto& directory : cgroup->directories) directories.push_back(directory.string());
    json["missing"] = cgroup->missing;
    return json;
}

std::optional<jail::CgroupRecord> load_cgroup(const Json& saved) {
    if (saved.is_null()) return std::nullopt;
    jail::CgroupRecord cgroup;
    cgroup.version = saved.at("version").get<int>();
    for (const auto& directory : saved.at("directories"))
        cgroup.directories.emplace_back(directory.get<std::string>());
    cgroup.missing = saved.at("missing").get<std::vector<std::string>>();
    return cgroup;
}

Json save(const std::vector<Operation>& operations) {
    Json list = Json::array();
    for (const auto& operation : operations) list.push_back(operation.to_json());
    return list;
}

std::vector<Operation> load_operations(const Json& saved) {
    std::vector<Operation> operations;
    for (const auto& operation : saved) operations.push_back(Operation::from_json(operation));
    return operations;
}

Applied load(const Json& saved) {
    Applied applied;
    if (saved.at("form").get<int>() != saved_form)
        throw Error(ExitCode::Usage, "it was written by another version of qvm");
    applied.phase = phase_named(saved.at("phase").get<std::string>());
    applied.origin = saved.at("origin").get<std::string>();
    for (const auto& file : saved.at("files")) applied.files.emplace_back(file.get<std::string>());
    applied.overrides = saved.at("set").get<std::vector<std::string>>();
    applied.generation = saved.at("generation").get<std::uint64_t>();
    applied.qemu = saved.at("qemu").get<std::string>();
    applied.accel = saved.at("accel").get<std::string>();
    applied.jail = saved.at("jail").get<std::string>();
    applied.landlock = saved.value("landlock", "auto");
    applied.on_violation = saved.value("on-violation", "errno");
    applied.net = saved.value("net", "none");
    if (saved.contains("uid"))
        applied.ids = {saved.at("uid").get<std::uint32_t>(), saved.at("gid").get<std::uint32_t>()};
    applied.attach = saved.value("attach", "operate");
    applied.supervisor = load_process(saved.at("supervisor"));
    if (const auto spawner = saved.value("spawner", Json()); !spawner.is_null())
        applied.spawner = load_process(spawner);
    const Json hooks = saved.value("hooks", Json::object());
    for (const auto& [event, argv] : hooks.items())
        if (const auto known = config::choice_named<config::HookEvent>(event))
            applied.hooks.push_back({*known, argv.get<std::vector<std::string>>()});
    applied.stub = load_process(saved.at("stub"));
    // Earlier versions did not write it.
    if (saved.contains("process")) applied.process = load_process(saved.at("process"));
    for (const auto& socket : saved.value("sockets", Json::array()))
        applied.sockets.emplace_back(socket.get<std::string>());
    for (const auto& [name, process] : saved.at("helpers").items())
        applied.helpers.emplace_back(name, load_process(process));
    // What was written before there were any has none.
    applied.cgroup = load_cgroup(saved.value("cgroup", Json()));
    applied.started =
        std::chrono::system_clock::time_point(milliseconds(saved.at("started-ms").get<std::int64_t>()));
    applied.stop_timeout = milliseconds(saved.at("stop-timeout-ms").get<std::int64_t>());
    applied.restart_on_reboot = saved.value("restart-on-reboot", false);
    applied.restarts = saved.value("restarts", 0U);
    applied.ends_with_supervisor = saved.value("ends-with-supervisor", false);
    const auto on_helper_death =
        config::choice_named<config::OnHelperDeath>(saved.value("on-helper-death", ""));
    // Earlier versions knew one way more than to report.
    const bool stops = saved.value("stop-on-helper-death", false);
    applied.on_helper_death =
        on_helper_death.value_or(stops ? config::OnHelperDeath::Stop : config::OnHelperDeath::Report);
    applied.restart_on_crash = saved.value("restart-on-crash", false);
    applied.console = saved.at("console").get<std::string>();
    applied.ended = saved.at("ended");
    // Earlier versions wrote it in one piece.
    if (saved.contains("compiled"))
        applied.compiled = Compiled::from_json(saved.at("compiled"));
    else
        applied.compiled.settings = saved.at("fingerprint").get<std::string>();
    applied.revision = saved.value("revision", std::uint64_t{0});
    // A supervisor of an earlier version does not count them.
    if (saved.contains("processors-added"))
        applied.processors_added = saved.at("processors-added").get<unsigned>();
    else
        applied.processors_added = std::nullopt;
    for (const auto& pending : saved.value("pending", Json::array()))
        applied.pending.push_back({pending.at("device").get<std::string>(),
                                   pending.at("resource").get<std::string>(),
                                   pending.at("asked").get<bool>()});
    applied.after_pending = load_operations(saved.value("after-pending", Json::array()));
    if (const auto flight = saved.value("in-flight", Json()); !flight.is_null())
        applied.in_flight = {load_operations(flight.at("undo")), load_operations(flight.at("todo")),
                             flight.at("removing").get<bool>(),
                             flight.at("lasting").get<std::vector<std::string>>()};
    return applied;
}

}  // namespace

bool Applied::starts_again() const {
    return restart_on_reboot || on_helper_death == config::OnHelperDeath::Restart;
}

Json Applied::to_json() const {
    Json json = Json::object();
    json["form"] = saved_form;
    json["phase"] = phase_name(phase);
    json["origin"] = origin.string();
    Json& paths = json["files"] = Json::array();
    for (const auto& file : files) paths.push_back(file.string());
    json["set"] = overrides;
    json["generation"] = generation;
    json["qemu"] = qemu;
    json["accel"] = accel;
    json["jail"] = jail;
    json["landlock"] = landlock;
    json["on-violation"] = on_violation;
    json["net"] = net;
    if (ids) {
        json["uid"] = ids->uid;
        json["gid"] = ids->gid;
    }
    json["attach"] = attach;
    json["supervisor"] = save(supervisor);
    json["spawner"] = spawner ? save(*spawner) : Json();
    Json& commands = json["hooks"] = Json::object();
    for (const auto& hook : hooks) commands[std::string(config::word_of(hook.event))] = hook.argv;
    json["stub"] = save(stub);
    json["process"] = save(process);
    Json& bound = json["sockets"] = Json::array();
    for (const auto& socket : sockets) bound.push_back(socket.string());
    Json& processes = json["helpers"] = Json::object();
    for (const auto& [name, record] : helpers) processes[name] = save(record);
    json["cgroup"] = save(cgroup);
    const auto since_epoch = std::chrono::duration_cast<milliseconds>(started.time_since_epoch());
    json["started-ms"] = since_epoch.count();
    json["stop-timeout-ms"] = stop_timeout.count();
    json["restart-on-reboot"] = restart_on_reboot;
    json["restarts"] = restarts;
    json["ends-with-supervisor"] = ends_with_supervisor;
    json["on-helper-death"] = config::word_of(on_helper_death);
    json["restart-on-crash"] = restart_on_crash;
    json["console"] = console;
    json["ended"] = ended;
    json["compiled"] = compiled.to_json();
    json["revision"] = revision;
    if (processors_added) json["processors-added"] = *processors_added;
    Json& waiting = json["pending"] = Json::array();
    for (const auto& unplug : pending)
        waiting.push_back(
            {{"device", unplug.device}, {"resource", unplug.resource}, {"asked", unplug.asked}});
    json["after-pending"] = save(after_pending);
    if (in_flight)
        json["in-flight"] = {{"undo", save(in_flight->undo)},
                             {"todo", save(in_flight->todo)},
                             {"removing", in_flight->removing},
                             {"lasting", in_flight->lasting}};
    return json;
}

Applied Applied::from_json(const Json& saved) {
    try {
        return load(saved);
    } catch (const Json::exception& error) {
        throw Error(ExitCode::Usage, std::string("it is damaged: ") + error.what());
    }
}

}  // namespace qvm::launch
