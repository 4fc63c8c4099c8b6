// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/landlock.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jail/sys.hpp"

namespace qvm::jail {
namespace {

// The kernel's own structures, which the headers of an older system lack in part (linux/landlock.h).
struct RulesetAttributes {
    std::uint64_t handled_paths;
    std::uint64_t handled_net;  ///< ABI 4
    std::uint64_t scoped;       ///< ABI 6
};
struct [[gnu::packed]] PathBeneath {
    std::uint64_t allowed;
    std::int32_t parent;
};

constexpr unsigned long version_flag = 1;
constexpr int rule_path_beneath = 1;
constexpr std::uint64_t net_bind = 1, net_connect = 2;
constexpr std::uint64_t scope_abstract_sockets = 1, scope_signals = 2;

int create_ruleset(const RulesetAttributes* attributes, std::size_t size, unsigned long flags) {
    return sys::checked(::syscall(SYS_landlock_create_ruleset, attributes, size, flags));
}

std::uint64_t known_rights(int abi) {
    if (abi >= 5) return (1U << 16U) - 1;
    if (abi >= 3) return (1U << 15U) - 1;
    if (abi == 2) return (1U << 14U) - 1;
    return (1U << 13U) - 1;
}

std::size_t size_of_attributes(int abi) {
    if (abi >= 6) return sizeof(RulesetAttributes);
    return (abi >= 4 ? 2 : 1) * sizeof(std::uint64_t);
}

int add_rule(int ruleset, int parent, std::uint64_t rights) {
    struct stat status {};
    if (::fstat(parent, &status) < 0) return errno;
    if (!S_ISDIR(status.st_mode)) rights &= PathRights::of_files;
    const PathBeneath rule{rights, parent};
    return -sys::checked(::syscall(SYS_landlock_add_rule, static_cast<long>(ruleset),
                                   static_cast<long>(rule_path_beneath), &rule, 0L));
}

int add_path(int ruleset, const PathRule& rule, std::uint64_t known) {
    const int path = ::open(rule.path.c_str(), O_PATH | O_CLOEXEC);
    if (path < 0) return errno == ENOENT ? 0 : errno;
    const int result = add_rule(ruleset, path, rule.rights & known);
    sys::close(path);
    return result;
}

int fill_and_enforce(int ruleset, const std::vector<PathRule>& rules, int executable, std::uint64_t known,
                     int& index) {
    for (const auto& rule : rules) {
        if (const int error = add_path(ruleset, rule, known); error != 0) return error;
        ++index;
    }
    if (executable >= 0)
        if (const int error = add_rule(ruleset, executable, PathRights::execute | PathRights::read_file);
            error != 0)
            return error;
    return -sys::checked(::syscall(SYS_landlock_restrict_self, static_cast<long>(ruleset), 0L));
}

}  // namespace

int landlock_abi() noexcept {
    const int abi = create_ruleset(nullptr, 0, version_flag);
    return abi < 0 ? 0 : abi;
}

int restrict_paths(const std::vector<PathRule>& rules, int executable, LandlockScope scope,
                   int& index) noexcept {
    const int abi = create_ruleset(nullptr, 0, version_flag);
    if (abi < 0) return -abi;
    const auto known = known_rights(abi);
    RulesetAttributes attributes{};
    attributes.handled_paths = known;
    if (abi >= 4 && scope.tcp) attributes.handled_net = net_bind | net_connect;
    if (abi >= 6)
        attributes.scoped =
            (scope.abstract_sockets ? scope_abstract_sockets : 0) | (scope.signals ? scope_signals : 0);
    const int ruleset = create_ruleset(&attributes, size_of_attributes(abi), 0);
    if (ruleset < 0) return -ruleset;
    const int error = fill_and_enforce(ruleset, rules, executable, known, index);
    sys::close(ruleset);
    return error;
}

}  // namespace qvm::jail
