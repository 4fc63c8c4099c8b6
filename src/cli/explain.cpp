// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/explain.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/front.hpp"
#include "cli/pager.hpp"
#include "cli/verbs.hpp"
#include "config/explain_qemu.hpp"
#include "config/vocabulary.hpp"
#include "launch/probe.hpp"
#include "launch/saved_qemu.hpp"
#include "shell/manual.hpp"
#include "shell/page.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    std::vector<std::string> words;
    std::string qemu, file, schema;
    bool all = false, json = false;
};

/// Wider text is hard to read, whatever the terminal.
constexpr std::size_t widest = 100;
constexpr std::size_t usual_width = 80;

std::size_t text_width() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return usual_width;
    return std::min<std::size_t>(widest, size.ws_col);
}

bool names_qemu(const Arguments& arguments) {
    return !arguments.qemu.empty() || !arguments.file.empty() || !arguments.schema.empty();
}

launch::Probe probe_of(const Arguments& arguments) {
    if (!arguments.schema.empty()) return launch::Probe(launch::read_saved_qemu(arguments.schema));
    if (!arguments.file.empty()) {
        FileArguments vm;
        vm.target = arguments.file;
        Front front = Front::load(vm);
        return launch::Probe(front.vm.qemu, front.vm.jail_mode.value);
    }
    config::QemuBinary qemu;
    qemu.binary.value = arguments.qemu;
    return launch::Probe(qemu);
}

/// The names of QEMU's reference manual for what a raw table's type selects a member of.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> unions{
    {{"blockdev", "BlockdevOptions"},
     {"object", "ObjectOptions"},
     {"netdev", "Netdev"},
     {"chardev", "ChardevBackend"}}};

/// From the reference manual, if one is installed and knows it: text of that manual's own version.
std::string manual_text(const config::QemuWord& word, const std::filesystem::path& binary,
                        std::size_t columns) {
    const auto* found = std::ranges::find(unions, word.table, &decltype(unions)::value_type::first);
    if (found == unions.end()) return {};
    const char* manpath = std::getenv("MANPATH");
    const auto manual = shell::Manual::load(shell::manual_places(binary, manpath == nullptr ? "" : manpath));
    if (!manual) return {};
    constexpr std::size_t indent = 2;
    std::string text;
    for (const auto& line : manual->branch_page(found->second, word.type, word.inside, columns - indent)) {
        auto plain = shell::plain_text(line);
        while (plain.ends_with(' ')) plain.pop_back();
        if (text.empty() && plain.empty()) continue;
        text += plain.empty() ? "\n" : fmt::format("  {}\n", plain);
    }
    // Words that QEMU's build puts there where nobody wrote any.
    if (!word.inside.empty() && text.ends_with(" Not documented\n")) return {};
    return text.empty() ? text
                        : fmt::format("\n  qemu-qmp-ref(7){}:\n\n{}",
                                      manual->version().empty() ? "" : " of QEMU " + manual->version(), text);
}

struct Answer {
    config::Explanation explanation;
    std::string manual;
};

[[noreturn]] void throw_unknown(const std::vector<std::string>& path, std::vector<std::string> known,
                                const std::string& where) {
    const auto last = path.size() > 1 ? path[1] : path[0];
    auto hint = did_you_mean(last, known);
    if (hint.empty() && path.size() > 1)
        hint = fmt::format(
            "`qvm explain {}` lists what there is; a thing is named by its driver or type here, "
            "not by its id",
            path[0]);
    if (hint.empty()) hint = "`qvm explain --all` tells of all tables and keys";
    throw Error(ExitCode::Usage,
                path.size() > 1 ? fmt::format("there is no {} '{}' in {}", path[0], last, where)
                                : fmt::format("there is no '{}', in the language or in {}", last, where),
                hint);
}

std::vector<std::string> known_words(const std::vector<std::string>& path, const qapi::Capabilities& qemu) {
    if (path.size() > 1) return config::types_of(path[0], qemu);
    std::vector<std::string> known;
    for (const auto& table : config::vocabulary()) known.emplace_back(table.name);
    for (const char* table : {"device", "blockdev", "object", "netdev", "chardev"})
        for (auto& type : config::types_of(table, qemu)) known.push_back(std::move(type));
    return known;
}

Answer ask_qemu(const Arguments& arguments, const std::vector<std::string>& path) {
    auto probe = probe_of(arguments);
    const auto& qemu = probe.capabilities();
    const auto word = config::find_qemu_word(path, qemu);
    if (!word) throw_unknown(path, known_words(path, qemu), qemu.to_string());
    const auto& known = probe.with_properties(config::properties_needed(*word, qemu));
    return {config::explain(*word, known), manual_text(*word, probe.binary(), text_width())};
}

/// The types that a raw table's things may be of, where there is a QEMU to ask.
void add_types(const Arguments& arguments, config::Explanation& explanation, const std::string& table) {
    constexpr std::array asked{"object", "chardev", "blockdev", "netdev", "device", "option"};
    if (std::ranges::find(asked, table) == asked.end()) return;
    try {
        auto probe = probe_of(arguments);
        const auto& qemu = probe.capabilities();
        config::Explanation::Group group{fmt::format("In {} there are", qemu.to_string()), {}};
        for (auto& type : config::types_of(table, qemu)) group.parts.push_back({std::move(type), {}, {}});
        if (!group.parts.empty()) explanation.groups.push_back(std::move(group));
    } catch (const Error&) {
        // The language needs no QEMU. One that was named has to be there.
        if (names_qemu(arguments)) throw;
    }
}

Answer answer_of(const Arguments& arguments) {
    std::vector<std::string> path;
    for (const auto& word : arguments.words)
        for (auto& part : config::path_parts(word)) path.push_back(std::move(part));
    if (std::ranges::find(path, "") != path.end())
        throw Error(ExitCode::Usage, fmt::format("'{}' is no path", fmt::join(arguments.words, " ")),
                    "a path is names with dots between them, as in disk.X.cache");
    if (auto explanation = config::explain_word(path)) {
        if (path.size() == 1) add_types(arguments, *explanation, path[0]);
        return {std::move(*explanation), {}};
    }
    if (config::table_rule(path[0]) != nullptr) return ask_qemu(arguments, path);
    try {
        return ask_qemu(arguments, path);
    } catch (const Error& error) {
        if (error.exit_code() != ExitCode::HostCannot || names_qemu(arguments)) throw;
        std::vector<std::string> tables;
        for (const auto& table : config::vocabulary()) tables.emplace_back(table.name);
        const auto hint = did_you_mean(path[0], tables);
        throw Error(ExitCode::Usage, fmt::format("the language has no '{}'", path[0]),
                    !hint.empty() ? hint : fmt::format("QEMU cannot be asked: {}", error.what()));
    }
}

std::string text_of(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

ExitCode explain_everything(const Arguments& arguments) {
    std::string text;
    Json json = Json::array();
    for (const auto& explanation : config::explain_language()) {
        if (arguments.json)
            json.push_back(explanation.to_json());
        else
            text += (text.empty() ? "" : "\n") + explanation.to_text(text_width());
    }
    if (arguments.json)
        fmt::print("{}", text_of(json));
    else
        print_paged(text);
    return ExitCode::Ok;
}

ExitCode explain(const Arguments& arguments) {
    if (arguments.all != arguments.words.empty())
        throw Error(
            ExitCode::Usage, arguments.all ? "--all takes no path" : "explain wants a path, or --all",
            "for example `qvm explain disk`, `qvm explain disk.X.cache`, `qvm explain virtio-blk-pci`");
    if (arguments.all) return explain_everything(arguments);
    const auto answer = answer_of(arguments);
    if (!arguments.json) {
        print_paged(answer.explanation.to_text(text_width()) + answer.manual);
        return ExitCode::Ok;
    }
    Json json = answer.explanation.to_json();
    if (!answer.manual.empty()) json["manual"] = answer.manual;
    fmt::print("{}", text_of(json));
    return ExitCode::Ok;
}

}  // namespace

void add_explain(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("explain", "Say what a key of the file means, or a word of QEMU's");
    auto arguments = std::make_shared<Arguments>();
    verb->add_option("path", arguments->words, "disk, disk.X.cache, virtio-blk-pci, blockdev.qcow2.file")
        ->type_name("PATH");
    verb->add_flag("--all", arguments->all, "every table and key of the language");
    verb->add_flag("--json", arguments->json, "the same as JSON");
    auto* qemu = verb->add_option("--qemu", arguments->qemu, "the QEMU to ask; default qemu-system-ARCH")
                     ->type_name("PATH");
    auto* vm = verb->add_option("--vm", arguments->file, "ask the QEMU that this VM's file names")
                   ->type_name("FILE|NAME")
                   ->excludes(qemu);
    verb->add_option("--schema", arguments->schema, schema_help)
        ->type_name("FILE")
        ->excludes(qemu)
        ->excludes(vm);
    verb->callback([arguments, &action] { action = [arguments] { return explain(*arguments); }; });
}

}  // namespace qvm::cli
