// SPDX-License-Identifier: GPL-3.0-or-later
// The texts of cgroup files.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qvm::jail {

/// The groups that are directly in it.
std::vector<std::filesystem::path> subgroups(const std::filesystem::path& group);

/// Of a file; none if it cannot be read.
std::vector<std::string> lines_of(const std::filesystem::path& path);

/// 0, or an errno value.
int write_file(const std::filesystem::path& path, const std::string& text);

/// All of `text` as a decimal number; nothing for "max", "-1" and the like.
std::optional<std::uint64_t> number_in(std::string_view text);

}  // namespace qvm::jail
