// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/file.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/fd.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using test::TemporaryDirectory;

TEST_CASE("a file is read to its end") {
    const TemporaryDirectory dir;
    std::string bytes(100'000, 'x');
    bytes[50'000] = '\0';
    const auto content = read_file(dir.write("file", bytes));
    CHECK(content);
    CHECK(content.bytes == bytes);
    CHECK(read_file("/proc/self/comm"));  // whose size is said to be 0
}

TEST_CASE("why a file was not read is told") {
    CHECK(read_file("/proc/self/none").error == ENOENT);
    CHECK(read_file("/").error == EISDIR);
}

TEST_CASE("the file of a process that has just ended is no surprise") {
    const auto child = ::fork();
    if (child == 0) {
        ::pause();
        ::_exit(0);
    }
    const Fd stat(::open(fmt::format("/proc/{}/stat", child).c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(stat);
    ::kill(child, SIGKILL);
    REQUIRE(::waitpid(child, nullptr, 0) == child);
    // Opened by this way, its file is there, and has nobody to tell of.
    CHECK(read_file(fmt::format("/proc/self/fd/{}", stat.get())).error == ESRCH);
}
