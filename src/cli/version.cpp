// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/version.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/verbs.hpp"

namespace qvm::cli {

void add_version(CLI::App& app, Action& action) {
    auto* verb = app.add_subcommand("version", "Print qvm's version");
    verb->callback([&action] {
        action = [] {
            fmt::print("qvm {}\n", version);
            return ExitCode::Ok;
        };
    });
}

}  // namespace qvm::cli
