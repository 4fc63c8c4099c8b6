// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/json.hpp"
#include "cli/front.hpp"
#include "cli/reference.hpp"
#include "cli/user_file.hpp"
#include "cli/verbs.hpp"
#include "config/json_schema.hpp"
#include "launch/saved_qemu.hpp"

namespace qvm::cli {
namespace {

struct Arguments {
    std::string target, qemu, schema, out, save;
    bool force = false;
};

launch::Probe probe_of(const Arguments& arguments) {
    if (!arguments.schema.empty()) return launch::Probe(launch::read_saved_qemu(arguments.schema));
    config::QemuBinary qemu;
    qemu.binary.value = arguments.qemu;
    if (arguments.target.empty()) return launch::Probe(qemu);
    FileArguments vm;
    vm.target = arguments.target;
    const Front front = Front::load(vm);
    return launch::Probe(front.vm.qemu, front.vm.jail_mode.value);
}

ExitCode schema(const Arguments& arguments) {
    auto probe = probe_of(arguments);
    const auto& qemu = probe.everything();
    if (!arguments.save.empty()) {
        write_file(arguments.save, launch::saved_qemu_text(qemu), arguments.force);
        fmt::print("{} is saved: `qvm check --schema {}` needs no QEMU\n", qemu.to_string(),
                   as_file_reference(arguments.save));
        return ExitCode::Ok;
    }
    const auto text = config::json_schema(qemu).dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
    if (arguments.out.empty()) {
        std::fputs(text.c_str(), stdout);
        return ExitCode::Ok;
    }
    write_file(arguments.out, text, arguments.force);
    fmt::print("for {}: a file takes it with the line `#:schema {}` at its top\n", qemu.to_string(),
               as_file_reference(arguments.out));
    return ExitCode::Ok;
}

}  // namespace

void add_schema(CLI::App& app, Action& action) {
    auto* verb =
        app.add_subcommand("schema", "Print the language as a JSON Schema, or save a QEMU in a file");
    auto arguments = std::make_shared<Arguments>();
    auto* target = verb->add_option("target", arguments->target, "ask the QEMU that this VM's file names")
                       ->type_name("FILE|NAME");
    auto* qemu = verb->add_option("--qemu", arguments->qemu, "the QEMU to ask; default qemu-system-ARCH")
                     ->type_name("PATH")
                     ->excludes(target);
    auto* saved = verb->add_option("--schema", arguments->schema, schema_help)
                      ->type_name("FILE")
                      ->excludes(target)
                      ->excludes(qemu);
    auto* out = verb->add_option("-o,--out", arguments->out, "write to a new file instead of standard output")
                    ->type_name("FILE");
    verb->add_option("--save", arguments->save,
                     "write all that this QEMU can do to a new file, for --schema of other verbs")
        ->type_name("FILE")
        ->excludes(out)
        ->excludes(saved);
    verb->add_flag("--force", arguments->force, "with --out and --save: replace a file that is there");
    verb->callback([arguments, &action] { action = [arguments] { return schema(*arguments); }; });
}

}  // namespace qvm::cli
