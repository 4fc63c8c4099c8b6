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

/// One line of a filter, as its maker said it.
struct Rule {
    std::string call;
    std::vector<ArgumentTest> tests;  ///< all must hold
    int error = 0;                    ///< 0: allowed; else what the call answers
    std::string reason;
    /// Why it is allowed although no QEMU that was traced needs it (tests/integration/test_syscalls.py): the
    /// kind and the case, as "libc: musl". Empty: it is seen in use.
    std::string unseen;
};

/// What becomes of a call that an allow-list does not name.
enum class Violation {
    Errno,  ///< it answers EPERM
    Log,    ///< the same, and the kernel's log (audit) tells
    Kill,   ///< the process is killed by SIGSYS
};

/// A list in the making; a foreign architecture is death. There is one at a time: another thread waits until
/// it is destroyed.
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
    /// The call answers `error`, if all `tests` hold.
    void refuse(const char* call, int error, const std::vector<ArgumentTest>& tests = {});
    /// The same for calls of which `test`, which is of one bit, does not hold.
    void refuse_unless(const char* call, const ArgumentTest& test, int error);
    /// Why the rules that follow are there: for readers of rules().
    void because(std::string reason, std::string unseen = {}) {
        reason_ = std::move(reason);
        unseen_ = std::move(unseen);
    }
    std::vector<std::byte> program() const;
    /// program() as a Filter that knows where in it `own_pid` stands.
    Filter filter() const;
    /// In the order they were added.
    const std::vector<Rule>& rules() const { return rules_; }

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
    std::vector<Rule> rules_;
    std::string reason_;
    std::string unseen_;
};

/// With a pid namespace the process is the stub's only child, so it has this pid there.
inline constexpr std::uint32_t process_pid_inside = 2;
/// Stands in an ArgumentTest for the process's own id where that is not known yet (Filter::own_pid). It is
/// above all process ids and the value of nothing else.
inline constexpr std::uint32_t own_pid = 0x6f776e21;

/// What depends on the jail around a QEMU, and what it is let have beyond what it needs.
struct FilterOptions {
    /// Reduced: without what only namespaces make harmless: making and connecting sockets, making and
    /// removing files, and whatever else takes the number of another process.
    Mode mode = Mode::Strict;
    bool internet = false;     ///< sockets of TCP and UDP, as its own user network (slirp) needs them
    bool io_uring = false;     ///< whose operations no filter sees
    bool vfio = false;         ///< devices of the host's
    bool usb = false;          ///< USB devices of the host's, which come as descriptors
    bool window = false;       ///< Reduced: it opens a window by itself, so it connects to a session
    bool unix_sockets = true;  ///< Strict: making and connecting them, which is harmless where there are none
    bool makes_files = false;  ///< Reduced: it has a directory to keep files in; Landlock says which
};

/// What a QEMU system emulator needs, 7.2 to 11.1, with the one exec that starts it from descriptor
/// `exec_fd`.
Filter qemu_filter(int exec_fd, Violation violation = Violation::Errno, const FilterOptions& options = {});
/// Its rules, for people.
std::vector<Rule> qemu_filter_rules(int exec_fd, const FilterOptions& options = {});

/// What swtpm needs besides: its state's files.
Filter swtpm_filter(int exec_fd, Mode mode = Mode::Strict);
/// What virtiofsd needs besides: changes to the files it serves.
Filter virtiofsd_filter(int exec_fd);

/// For programs of any kind: everything that ordinary programs do is allowed, and what reaches beyond a jail
/// or into the kernel's rarely used corners is refused. exec is not restricted.
Filter command_filter();
std::vector<Rule> command_filter_rules();

/// What the stub needs while its process runs: to wait, to keep the log, to tell the end; in a reduced jail
/// also to end what the process left behind.
std::vector<std::byte> stub_filter(Mode mode = Mode::Strict);

/// The number for Filter::exec_fd: the process can have descriptors below it. 4096, or as much as the hard
/// limit of open files allows.
int descriptor_ceiling();

}  // namespace qvm::jail
