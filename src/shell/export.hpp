// SPDX-License-Identifier: GPL-3.0-or-later
// A session, or a part of it, as a program that does the same.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shell/transcript.hpp"

namespace qvm::shell {

enum class ExportFormat {
    Json,    ///< an array of what a log has as lines (shell/transcript_file.hpp)
    Shell,   ///< a script that calls `qvm qmp` for each command
    Python,  ///< a script for the package qemu.qmp
    Iotest,  ///< the beginning of a test for QEMU's tests/qemu-iotests
};

/// "json", "sh", "python", "iotest".
const char* name_of(ExportFormat format);
std::optional<ExportFormat> export_format_named(std::string_view name);

/// Commands in the order in which they were sent; the last two wait for the events that came in between.
/// Everything but printable ASCII is escaped, so that the file shows what it does. Secrets are masked, with a
/// comment where one has to be filled in. qmp_capabilities is left out, as each of the programs sends it
/// itself.
std::string export_items(const std::vector<const Item*>& items, ExportFormat format);
/// A JSON value as a Python expression in ASCII.
std::string python_expression(std::string_view json);

}  // namespace qvm::shell
