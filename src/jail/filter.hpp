// SPDX-License-Identifier: GPL-3.0-or-later
// seccomp programs, built before the clone: the child only installs the bytes.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "jail/spec.hpp"

namespace qvm::jail {

/// Argument number `index` of a call: its low 32 bits, under `mask`, are `value`. The kernel looks at 32 bits
/// of the arguments tested here, so a test of all 64 could be dodged with a high bit (CVE-2019-10063).
struct ArgumentTest {
    unsigned index = 0;
    std::uint32_t value = 0;
    std::uint32_t mask = 0xffffffff;
};

/// What becomes of a call that an allow-list does not name.
enum class Violation {
    Errno,  ///< it answers EPERM
    Log,    ///< the same, and the kernel's log (audit) tells
    Kill,   ///< the process is killed by SIGSYS
};

/// A list in the making; a foreign architecture is death.
class FilterBuilder {
  public:
    /// What becomes of calls that are not named.
    enum class Otherwise {
        Refuse,  ///< they answer EPERM: the list says what is allowed
        Allow,   ///< the list says what is refused
    };
    /// Throws SetupError, as all of these.
    explicit FilterBuilder(Otherwise otherwise = Otherwise::Refuse, Violation violation = Violation::Errno);
    FilterBuilder(const FilterBuilder&) = delete;
    FilterBuilder& operator=(const FilterBuilder&) = delete;
    ~FilterBuilder();

    /// `tests` must all hold; rules for the same call are alternatives. A call this architecture lacks is
    /// skipped.
    void allow(const char* call, const std::vector<ArgumentTest>& tests = {});
    /// The call answers `error` instead of EPERM.
    void refuse(const char* call, int error);
    /// The same for calls of which `test` holds, or does not hold.
    void refuse_if(const char* call, const ArgumentTest& test, int error);
    /// `test` is of one bit.
    void refuse_unless(const char* call, const ArgumentTest& test, int error);
    std::vector<std::byte> program() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// With a pid namespace the process is the stub's only child, so it has this pid there.
inline constexpr std::uint32_t process_pid_inside = 2;

/// What a QEMU system emulator needs, 7.2 to 11.1, with the one exec that starts it from descriptor
/// `exec_fd`. Built once in a process for each pair of arguments.
Filter qemu_filter(int exec_fd, Violation violation = Violation::Errno);

/// What the stub needs while its process runs: to wait, to keep the log, to tell the end.
std::vector<std::byte> stub_filter();

/// The number for Filter::exec_fd: the process can have descriptors below it. 4096, or as much as the hard
/// limit of open files allows.
int descriptor_ceiling();

}  // namespace qvm::jail
