// SPDX-License-Identifier: GPL-3.0-or-later
// What qvm's own verbs ask of a supervisor: downstream-extension commands on the attach socket (QMP's naming
// rule for them is __RFQDN_), beside every command of QEMU's.
#pragma once

namespace qvm::launch::control {

/// -> {name, status, accel, jail, qemu, started, pid, helpers, console, attach-clients}. `status` is QEMU's.
inline constexpr const char* state = "__org.qvm_state";
/// {timeout-ms} -> {how, detail}: ends the VM politely, answers when it has ended.
inline constexpr const char* stop = "__org.qvm_stop";
/// -> {how, detail}: ends the VM at once.
inline constexpr const char* kill = "__org.qvm_kill";
/// {name}, with a descriptor: it is kept under that name for the client's next apply.
inline constexpr const char* pass_fd = "__org.qvm_pass_fd";
/// {generation, revision, operations, unplug-timeout-ms, files, set} -> ApplyOutcome. Refused when the
/// numbers are not those of the VM any more.
inline constexpr const char* apply = "__org.qvm_apply";

inline constexpr const char* prefix = "__org.qvm_";

}  // namespace qvm::launch::control
