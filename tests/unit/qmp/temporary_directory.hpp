// SPDX-License-Identifier: GPL-3.0-or-later
// A directory for sockets that is gone after the test.
#pragma once
#include <filesystem>
#include <stdlib.h>
#include <string>

#include "base/error.hpp"

namespace qvm::test {

class TemporaryDirectory {
  public:
    TemporaryDirectory() {
        path_ = (std::filesystem::temp_directory_path() / "qvm-qmp-XXXXXX").string();
        if (::mkdtemp(path_.data()) == nullptr) throw_errno("make a temporary directory");
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace qvm::test
