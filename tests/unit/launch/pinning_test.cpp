// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/pinning.hpp"

#include <fstream>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

std::vector<unsigned> allowed() {
    cpu_set_t set;
    ::sched_getaffinity(0, sizeof set, &set);
    std::vector<unsigned> cpus;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    return cpus;
}

Json cpus_fast(long thread) {
    return Json::array({Json::object({{"cpu-index", 1}, {"thread-id", thread}})});
}

}  // namespace

TEST_CASE("threads are known by their numbers in the innermost namespace") {
    const test::TemporaryDirectory proc;
    const auto thread = [&](const char* name, const char* status) {
        std::filesystem::create_directories(proc.path() / "50/task" / name);
        std::ofstream(proc.path() / "50/task" / name / "status") << "Name:\tqemu\n" << status;
    };
    thread("50", "NSpid:\t50\t2\n");
    thread("57", "NSpid:\t57\t9\t3\n");
    thread("58", "State:\tS\n");
    CHECK(threads_of(50, proc.path()) == std::map<pid_t, pid_t>{{2, 50}, {3, 57}});
    CHECK(threads_of(51, proc.path()).empty());
}

TEST_CASE("a thread is put on its processors, and set free again") {
    const auto before = allowed();
    const long self = ::syscall(SYS_gettid);
    std::vector<config::Pin> pins(2);
    pins[1].cpus = {before.back()};
    // One that QEMU names and that is not one of its threads stays where it is.
    pin_processors(pins, cpus_fast(1), ::getpid());
    CHECK(allowed() == before);
    pin_processors(pins, cpus_fast(self), ::getpid());
    CHECK(allowed() == std::vector<unsigned>{before.back()});
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const unsigned cpu : before) CPU_SET(cpu, &set);
    ::sched_setaffinity(0, sizeof set, &set);
    pins[1].cpus = {8000};
    CHECK_THROWS_AS(pin_processors(pins, cpus_fast(self), ::getpid()), SystemError);
    CHECK(allowed() == before);
}
