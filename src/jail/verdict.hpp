// SPDX-License-Identifier: GPL-3.0-or-later
// What the kernel says of a contained process, against what its jail promises.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jail/proc_facts.hpp"

namespace qvm::jail {

/// What kind of process it is: each jail promises something else.
enum class Role {
    Contained,   ///< QEMU: everything
    Stub,        ///< pid 1 of its jail: a filter of its own, and the log is open
    Sandboxing,  ///< passt: built a sandbox of its own inside a thin jail
    Supervisor,  ///< outside, and hardened (jail/harden.hpp)
};

struct Promise {
    Role role = Role::Contained;
    std::uint32_t uid = 0;               ///< on the host
    std::optional<std::uint32_t> gid;    ///< nothing: the same number
    bool no_groups = true;               ///< an ordinary user cannot drop his
    bool network = false;                ///< it has the host's
    bool reduced = false;                ///< its jail is: namespaces and root are the host's
    std::optional<std::uint32_t> group;  ///< of /dev/kvm, which a reduced jail of root's may have
    std::vector<std::string> writable;   ///< mounts that may be
    std::optional<int> directory;        ///< the descriptor that may be one, in a reduced jail
    bool directories = false;            ///< any descriptor may be one
    std::uint64_t capabilities = 0;      ///< a mask: what the process, not the stub, keeps in its namespace
    bool signals = false;                ///< Supervisor: it keeps CAP_KILL
    /// What the kernel does not show of a process, to be told: "landlock" -> "auto; ..".
    std::vector<std::pair<std::string, std::string>> unseen;
};

enum class Verdict {
    AsPromised,
    Broken,
    Unread,
    Told  ///< worth knowing; nothing was promised
};

/// "yes", "NO", "unread", "".
std::string_view verdict_text(Verdict verdict);

struct Finding {
    std::string property;
    std::string says;  ///< the kernel
    Verdict verdict = Verdict::Told;
    std::string why;  ///< what was promised instead, or why it could not be read
};

/// `ours`: the facts of a process outside (we), whose namespaces must not be those of `facts`.
std::vector<Finding> judge(const ProcFacts& facts, const ProcFacts& ours, const Promise& promise);

}  // namespace qvm::jail
