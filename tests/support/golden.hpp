// SPDX-License-Identifier: GPL-3.0-or-later
// Texts that tests expect, in files beside the tests.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/file.hpp"
#include "support/catch.hpp"

namespace qvm::test {

/// `text` is what the file at `path` holds. QVM_TEST_ACCEPT=1 rewrites a file that differs, and the run fails
/// all the same, so that nobody overlooks it.
inline void check_golden(const std::filesystem::path& path, const std::string& text) {
    const auto wanted = read_file(path);
    INFO(path.string());
    CHECK(text == wanted.bytes);
    if (text != wanted.bytes && std::getenv("QVM_TEST_ACCEPT") != nullptr)
        std::ofstream(path, std::ios::binary) << text;
}

}  // namespace qvm::test
