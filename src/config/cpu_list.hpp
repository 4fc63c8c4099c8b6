// SPDX-License-Identifier: GPL-3.0-or-later
// Lists of CPUs as the kernel and QEMU write them.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qvm::config {

/// "0-3,8": the numbers, ascending, each once. Nothing if that is no such list.
std::optional<std::vector<unsigned>> parse_cpu_list(std::string_view text);

/// The shortest list of them, which are ascending: {"0-3", "8"}.
std::vector<std::string> cpu_ranges(const std::vector<unsigned>& cpus);

/// "0-3,8"
std::string cpu_list(const std::vector<unsigned>& cpus);

}  // namespace qvm::config
