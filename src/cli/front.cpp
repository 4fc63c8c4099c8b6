// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/front.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/reference.hpp"
#include "cli/terminal.hpp"
#include "config/check.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"
#include "launch/compile.hpp"
#include "launch/firmware.hpp"
#include "launch/hardware.hpp"
#include "launch/host.hpp"
#include "launch/own_window.hpp"
#include "launch/placement.hpp"
#include "launch/saved_plan.hpp"
#include "launch/saved_qemu.hpp"
#include "launch/state.hpp"
#include "launch/tap.hpp"

namespace qvm::cli {

void FileArguments::add_to(CLI::App& verb) {
    verb.add_option("target", target, "the VM's file, or its name; default ./vm.toml")
        ->type_name("FILE|NAME");
    verb.add_option("-f,--file", files, "a further file, merged over what comes before it")
        ->type_name("FILE");
    // Both into one list, since the later wins.
    const auto add = [this, &verb](const char* option, const char* takes, bool unsets, const char* help) {
        verb.add_option_function<std::string>(
                option,
                [this, option, takes, unsets](const std::string& text) {
                    if (config::Override{text}.unsets() != unsets)
                        throw Error(ExitCode::Usage, fmt::format("{} takes {}, not '{}'", option, takes,
                                                                 escape_controls(text)));
                    sets.push_back(text);
                },
                help)
            ->type_name(takes)
            ->allow_extra_args(false)
            ->trigger_on_parse();
    };
    add("--set", "KEY=VALUE", false, "a value of the file, overridden: --set memory=4G");
    add("--unset", "KEY", true, "a key or table of the file, taken out: --unset disk.data");
}

void LookArguments::add_to(CLI::App& verb, const std::string& json_help) {
    vm.add_to(verb);
    verb.add_flag("--json", json, json_help);
    verb.add_flag("--no-host", no_host, "leave out what only this host can tell (files, accelerators)");
}

void LookArguments::add_schema_to(CLI::App& verb) {
    verb.add_option("--schema", schema, std::string(schema_help) + "; implies --no-host")
        ->type_name("FILE")
        ->each([this](const std::string&) { no_host = true; });
}

Front Front::load(const FileArguments& arguments) {
    Front front;
    front.sets = arguments.sets;
    if (is_file_reference(arguments.target)) {
        front.paths.push_back(arguments.target);
    } else if (!arguments.target.empty()) {
        const auto known = files_of_name(arguments.target);
        front.paths = known.files;
        front.sets.insert(front.sets.begin(), known.overrides.begin(), known.overrides.end());
    } else if (arguments.files.empty()) {
        front.paths.emplace_back("vm.toml");
    }
    front.paths.insert(front.paths.end(), arguments.files.begin(), arguments.files.end());
    std::vector<config::Override> overrides;
    for (const auto& text : front.sets) overrides.push_back({text});
    front.texts = config::read_files(front.paths);
    for (const auto& text : front.texts)
        if (launch::is_saved_plan(text.text))
            throw Error(ExitCode::Usage, fmt::format("'{}' is a saved plan, not the file of a VM", text.name),
                        fmt::format("`qvm apply {}` does what it says", text.name));
    front.document = config::load(front.texts, overrides, front.diagnostics, library());
    front.vm = config::lower(front.document, front.diagnostics);
    if (front.vm.firmware)
        launch::place_firmware(front.vm, launch::FirmwarePlaces::of(front.vm), front.diagnostics);
    launch::place_vhost(front.vm);
    config::find_host_uses(front.vm, front.document, front.diagnostics);
    return front;
}

Front Front::load_and_check(const LookArguments& arguments) {
    Front front = load(arguments.vm);
    front.check(arguments);
    return front;
}

void Front::check(const LookArguments& arguments) {
    if (!arguments.schema.empty()) take_saved_qemu(arguments.schema);
    check();
    if (!arguments.no_host) check_host();
}

void Front::find_qemu() {
    if (!probe) probe = std::make_unique<launch::Probe>(vm.qemu, vm.jail_mode.value);
}

void Front::take_saved_qemu(const std::string& file) {
    probe = std::make_unique<launch::Probe>(launch::read_saved_qemu(file));
}

void Front::check(const config::Vm* running) {
    find_qemu();
    launch::place(vm, probe->capabilities(), diagnostics, running);
    config::check(vm, probe->with_properties(config::types_needed(vm, probe->capabilities())), diagnostics);
}

void Front::check_host() {
    const launch::VmState state(launch::Directories::from_environment(), vm.name.value);
    launch::check_host(vm, diagnostics, {state.disks(), state.known_images()});
    const bool runs = state.condition() != launch::Condition::Stopped;
    launch::check_hardware(vm, runs, launch::HardwarePlaces::of_host(vm.jail_mode.value), diagnostics);
    // A window comes with the next start only.
    if (probe && !runs)
        launch::check_own_window(vm, probe->binary(), launch::Session::from_environment(), diagnostics);
}

bool Front::report(bool json) {
    diagnostics.sort();
    if (json)
        std::puts(diagnostics.to_json().dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    else
        std::fputs(diagnostics.to_text(wants_color(STDERR_FILENO)).c_str(), stderr);
    return diagnostics.has_errors();
}

std::string Front::usable_accelerator() const {
    std::string notice;
    auto accel = launch::choose_accelerator(vm.machine.accel.value, vm.jail_mode.value, notice);
    if (!notice.empty()) print_warning(notice);
    return accel;
}

std::string Front::accelerator(const LookArguments& arguments) const {
    return arguments.no_host ? vm.machine.accel.value.front() : usable_accelerator();
}

launch::Plan Front::compile(const std::string& accel) const {
    return launch::compile(vm, probe->capabilities(), accel);
}

}  // namespace qvm::cli
