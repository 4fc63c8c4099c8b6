// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/filter.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <mutex>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <seccomp.h>

#include "jail/spawn.hpp"

namespace qvm::jail {

namespace {

static_assert(sizeof(sock_filter) == Filter::instruction_size);
static_assert(offsetof(sock_filter, k) == Filter::operand_offset);

constexpr int wanted_ceiling = 4096;  ///< a hundred disks with spare ports need a tenth of it

/// `result` is libseccomp's: a negated errno value on failure.
void require(int result, const std::string& what) {
    if (result < 0)
        throw SetupError("filter",
                         "cannot build the system call filter: " + what + ": " + errno_text(-result), -result,
                         "libseccomp 2.5 or newer is needed");
}

int number_of(const char* call) {
    const int number = seccomp_syscall_resolve_name(call);
    if (number == __NR_SCMP_ERROR) require(-ENOSYS, call);
    return number;
}

/// libseccomp keeps what it found out about the kernel in variables of its own, without a lock.
std::mutex libseccomp;

}  // namespace

struct FilterBuilder::Impl {
    std::lock_guard<std::mutex> alone{libseccomp};
    scmp_filter_ctx context = nullptr;

    void add(std::uint32_t action, const char* call, const std::vector<ArgumentTest>& tests) const {
        std::vector<scmp_arg_cmp> comparisons;
        comparisons.reserve(tests.size());
        for (const auto& test : tests)
            comparisons.push_back({test.index, SCMP_CMP_MASKED_EQ, test.mask, test.value});
        require(seccomp_rule_add_array(context, action, number_of(call),
                                       static_cast<unsigned>(comparisons.size()), comparisons.data()),
                call);
    }
};

FilterBuilder::FilterBuilder(Otherwise otherwise, Violation violation) : impl_(std::make_unique<Impl>()) {
    const auto refusal = violation == Violation::Kill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM);
    impl_->context = seccomp_init(otherwise == Otherwise::Allow ? SCMP_ACT_ALLOW : refusal);
    if (impl_->context == nullptr) require(-ENOMEM, "seccomp_init");
    require(seccomp_attr_set(impl_->context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS),
            "bad architectures");
    // A binary tree of the numbers: about ten comparisons for each call instead of a hundred.
    require(seccomp_attr_set(impl_->context, SCMP_FLTATR_CTL_OPTIMIZE, 2), "binary tree");
}

FilterBuilder::~FilterBuilder() {
    seccomp_release(impl_->context);
}

void FilterBuilder::allow(const char* call, const std::vector<ArgumentTest>& tests) {
    impl_->add(SCMP_ACT_ALLOW, call, tests);
    // Those that only other architectures have are negative numbers.
    if (number_of(call) >= 0) rules_.push_back({call, tests, 0, reason_, unseen_});
}

void FilterBuilder::refuse(const char* call, int error, const std::vector<ArgumentTest>& tests) {
    impl_->add(SCMP_ACT_ERRNO(static_cast<std::uint32_t>(error)), call, tests);
    if (number_of(call) >= 0) rules_.push_back({call, tests, error, reason_, {}});
}

void FilterBuilder::refuse_unless(const char* call, const ArgumentTest& test, int error) {
    refuse(call, error, {{test.index, test.value ^ test.mask, test.mask}});
}

std::vector<std::byte> FilterBuilder::program() const {
    // libseccomp 2.5 only exports into files.
    const Fd file(::memfd_create("seccomp", MFD_CLOEXEC));
    if (!file) throw_errno("make a memory file");
    require(seccomp_export_bpf(impl_->context, file.get()), "export");
    struct stat status {};
    if (::fstat(file.get(), &status) < 0) throw_errno("look at a memory file");
    std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
    if (::pread(file.get(), bytes.data(), bytes.size(), 0) != status.st_size)
        throw_errno("read a memory file");
    return bytes;
}

Filter FilterBuilder::filter() const {
    Filter filter{.program = program()};
    for (std::size_t i = 0; i * Filter::instruction_size < filter.program.size(); ++i) {
        sock_filter instruction{};
        std::memcpy(&instruction, &filter.program[i * Filter::instruction_size], sizeof instruction);
        if (instruction.k != own_pid) continue;
        if (instruction.code != (BPF_JMP | BPF_JEQ | BPF_K)) require(-EINVAL, "compare with its own pid");
        filter.own_pid.push_back(i);
    }
    return filter;
}

int descriptor_ceiling() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) < 0) throw_errno("ask for the limit of open files");
    if (limit.rlim_max > wanted_ceiling) return wanted_ceiling;
    return static_cast<int>(limit.rlim_max) - 1;
}

}  // namespace qvm::jail
