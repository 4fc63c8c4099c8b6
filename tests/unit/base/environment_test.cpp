// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/environment.hpp"

#include <cstdlib>
#include <string>

#include "support/catch.hpp"

TEST_CASE("a directory of the user's is where the variable says, else below HOME") {
    const char* before = std::getenv("HOME");
    const std::string home = before == nullptr ? "" : before;
    ::setenv("HOME", "/home/u", 1);
    ::unsetenv("QVM_TEST_DIRECTORY");
    CHECK(qvm::user_directory("QVM_TEST_DIRECTORY", ".config") == "/home/u/.config");
    ::setenv("QVM_TEST_DIRECTORY", "relative", 1);  // which the specification says to ignore
    CHECK(qvm::user_directory("QVM_TEST_DIRECTORY", ".config") == "/home/u/.config");
    ::setenv("QVM_TEST_DIRECTORY", "/elsewhere", 1);
    CHECK(qvm::user_directory("QVM_TEST_DIRECTORY", ".config") == "/elsewhere");
    ::unsetenv("QVM_TEST_DIRECTORY");
    ::unsetenv("HOME");
    CHECK(qvm::user_directory("QVM_TEST_DIRECTORY", ".config").empty());
    if (before != nullptr) ::setenv("HOME", home.c_str(), 1);
}
