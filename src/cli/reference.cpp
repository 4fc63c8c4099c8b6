// SPDX-License-Identifier: GPL-3.0-or-later
#include "cli/reference.hpp"

#include <cstdlib>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/diagnostic.hpp"
#include "base/environment.hpp"
#include "base/text.hpp"
#include "config/document.hpp"
#include "config/lower.hpp"
#include "config/vocabulary.hpp"

namespace qvm::cli {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> configuration_directories() {
    std::vector<fs::path> list;
    if (const auto own = user_directory("XDG_CONFIG_HOME", ".config"); !own.empty())
        list.push_back(own / "qvm");
    list.emplace_back("/etc/qvm");
    return list;
}

/// The file here that a word without a '/' is perhaps meant to be; empty: none.
std::string file_meant(const std::string& word) {
    std::error_code ignored;
    const std::string path = "./" + word;
    for (const auto& near : {path, path + ".toml", path + "/vm.toml"})
        if (fs::is_regular_file(near, ignored)) return near;
    return {};
}

Error no_such_vm(const std::string& name, const launch::Directories& directories) {
    const auto names = launch::all_names(directories);
    auto advice = did_you_mean(name, names);
    if (const auto file = file_meant(name); advice.empty() && !file.empty())
        advice = fmt::format("a file is meant by its path: {}", file);
    if (advice.empty() && !config::is_vm_name(name))
        advice = fmt::format("{}; a file is meant by its path: ./web.toml", config::vm_name_rule);
    if (advice.empty())
        advice = fmt::format("`qvm ls` lists the VMs; a file is meant by its path: ./{}.toml", name);
    return {ExitCode::NoSuchVm, fmt::format("no VM is called '{}'", name), advice};
}

/// The name a file gives its VM. What else is wrong in it does not matter here.
std::string name_in_file(const std::string& path) {
    Diagnostics diagnostics;
    const auto document = config::load(config::read_files({path}), {}, diagnostics, library());
    return config::lower(document, diagnostics).name.value;
}

/// That came with the program: beside it where it was built, else where it is installed.
fs::path own_templates() {
    std::error_code error;
    const auto program = fs::read_symlink("/proc/self/exe", error).parent_path();
    const auto beside = program / "templates";
    return fs::is_directory(beside, error) ? beside : program.parent_path() / "share/qvm/templates";
}

}  // namespace

bool is_file_reference(const std::string& word) {
    return word.find('/') != std::string::npos || word.ends_with(".toml") || word.ends_with(".plan");
}

std::string as_file_reference(const std::string& file) {
    return is_file_reference(file) ? file : "./" + file;
}

config::Library library() {
    config::Library library;
    for (const auto& directory : configuration_directories())
        library.templates.push_back(directory / "templates");
    library.templates.push_back(own_templates());
    library.state = launch::Directories::from_environment().state;
    return library;
}

NamedFiles files_of_name(const std::string& name) {
    const auto directories = launch::Directories::from_environment();
    // What cannot be a name must not become part of a path.
    if (!config::is_vm_name(name)) throw no_such_vm(name, directories);
    const launch::VmState vm(directories, name);
    if (const auto applied = vm.exists() ? vm.applied() : std::nullopt) {
        NamedFiles found;
        for (const auto& file : applied->files) found.files.push_back(file.string());
        found.overrides = applied->overrides;
        return found;
    }
    for (const auto& directory : configuration_directories()) {
        const auto file = directory / (name + ".toml");
        if (fs::exists(file)) return {{file.string()}, {}};
    }
    throw no_such_vm(name, directories);
}

launch::VmState find_vm(const std::string& word) {
    const auto directories = launch::Directories::from_environment();
    const bool file = word.empty() || is_file_reference(word);
    const auto name = file ? name_in_file(word.empty() ? "vm.toml" : word) : word;
    launch::VmState vm(directories, name);
    if (config::is_vm_name(name) && vm.exists()) return vm;
    if (file)
        throw Error(ExitCode::NoSuchVm, fmt::format("VM '{}' has never been started", name),
                    fmt::format("`qvm up {}` starts it", word.empty() ? "vm.toml" : word));
    throw no_such_vm(name, directories);
}

void add_name(CLI::App& verb, std::string& word) {
    verb.add_option("name", word, "the VM's name, or its file; default: the VM of ./vm.toml")
        ->type_name("NAME");
}

Error not_running(const launch::VmState& vm) {
    return {ExitCode::NoSuchVm, fmt::format("{} is not running", vm.name()),
            fmt::format("`qvm up {}` starts it", vm.name())};
}

}  // namespace qvm::cli
