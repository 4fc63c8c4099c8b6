// SPDX-License-Identifier: GPL-3.0-or-later
// The two processes after the clone: the jail's first, which builds it and stays as the stub (pid 1 where
// there is a pid namespace), and the process that it is all about. They only make system calls: no
// allocation, no locks, no exceptions. Everything they need is prepared in an Order.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "jail/landlock.hpp"
#include "jail/layout.hpp"
#include "jail/spec.hpp"
#include "jail/stage.hpp"

namespace qvm::jail {

inline constexpr std::uint32_t uid_inside =
    1000;  ///< and gid: what the process's own user is called in the jail

/// What the host's `outside` is called in a jail with such a map. spec_check has found it there.
inline std::uint32_t id_in(const std::vector<IdRange>& map, std::uint32_t outside) noexcept {
    for (const auto& range : map)
        if (outside >= range.outside && outside - range.outside < range.count)
            return range.inside + (outside - range.outside);
    return uid_inside;
}
inline std::uint32_t own_uid(const Spec& spec) noexcept {
    return spec.uid_map.empty() ? uid_inside : id_in(spec.uid_map, spec.host_uid.value_or(0));
}
inline std::uint32_t own_gid(const Spec& spec) noexcept {
    return spec.gid_map.empty() ? uid_inside
                                : id_in(spec.gid_map, spec.host_gid.value_or(spec.host_uid.value_or(0)));
}

inline constexpr int setup_failed = 125;  ///< the exit status of who could not build the jail

/// All descriptors are borrowed from the parent, whose table the child has a copy of.
struct Order {
    const Spec& spec;
    const Layout& layout;
    std::vector<const char*> argv;  ///< ends with a null pointer
    std::vector<const char*> env;   ///< ends with a null pointer
    int executable = -1;            ///< -1: spec.executable is executed by its path
    int null = -1;                  ///< /dev/null
    int output = -1;                ///< stdout and stderr of the process
    int log_pipe = -1;              ///< the reading end of `output`, for the stub; -1: nothing to log
    int error_pipe = -1;            ///< Failure goes here; its end without one is success
    int sync = -1;                  ///< "go" comes from here; the process id and the end are told here
    int parents_sync = -1;  ///< the parent's end, which the clone must not hold: its close tells of his death
    bool drop_groups = false;            ///< only the privileged may
    std::optional<gid_t> only_group;     ///< then kept all the same
    std::vector<KeptFd> fds;             ///< those of the Spec, and copies of a reduced jail
    std::vector<std::byte> filter;       ///< the Spec's program, to be completed in the process
    std::vector<rlimit> limits;          ///< for spec.limits, already within what we may set
    std::vector<PathRule> path_rules;    ///< of Landlock
    std::vector<std::byte> stub_filter;  ///< what the stub lives under
    std::vector<int> stub_keeps;         ///< ascending
    std::vector<int> moved;              ///< room for one number for each of fds
    std::optional<Failure> fault;        ///< tests: this stage fails so, once
};

/// Builds the jail, starts the process and becomes its stub. Runs in the clone.
[[noreturn]] void run_child(Order& order);

/// From here on in the process itself.
[[noreturn]] void run_process(Order& order, pid_t stub);

/// Waits for `process`, keeps its log, reports how it ended, and ends with its status.
[[noreturn]] void run_stub(const Order& order, pid_t process);

/// Reports and ends.
[[noreturn]] void fail(const Order& order, Stage stage, int index, int error);

/// One stage: returns 0 or an errno value, and in `index` which of its things it was about.
struct Step {
    Stage stage;
    int (*run)(Order& order, int& index);
};
/// Does one step after another; the first that fails is the end.
void run_steps(Order& order, const Step* steps, std::size_t count);

}  // namespace qvm::jail
