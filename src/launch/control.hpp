// SPDX-License-Identifier: GPL-3.0-or-later
// What qvm's own verbs ask of a supervisor: downstream-extension commands on the attach socket (QMP's naming
// rule for them is __RFQDN_), beside every command of QEMU's.
#pragma once

namespace qvm::launch::control {

/// -> {name, status, accel, jail, qemu, pid, console, attach-clients, helpers, hooks, applying, pending}.
/// `hooks` are those that failed: {event: why}. `status` is QEMU's.
inline constexpr const char* state = "__org.qvm_state";
/// {timeout-ms} -> {how, detail}: ends the VM politely, answers when it has ended.
inline constexpr const char* stop = "__org.qvm_stop";
/// -> {how, detail}: ends the VM at once.
inline constexpr const char* kill = "__org.qvm_kill";
/// -> {}: the supervisor ends, and leaves the VM for another to adopt. Refused where that would end the VM,
/// or while an apply is at work.
inline constexpr const char* leave = "__org.qvm_leave";
/// {name}, with a descriptor: it is kept under that name for the client's next apply.
inline constexpr const char* pass_fd = "__org.qvm_pass_fd";
/// {generation, revision, operations, unplug-timeout-ms, files, set} -> ApplyOutcome. Refused when the
/// numbers are not those of the VM any more.
inline constexpr const char* apply = "__org.qvm_apply";
/// -> {cancelled}: Applier::cancel() of the apply at work, whoever sent it; false when there is none. The
/// apply itself answers as ever. A client's commands run one after the other, so this needs another
/// connection than the one that waits for it.
inline constexpr const char* apply_cancel = "__org.qvm_apply_cancel";

/// {enable} -> {}: from then on this client gets an event `traffic` of each command and each reply of the
/// other clients. Refused where attach.allow = "observe".
inline constexpr const char* watch = "__org.qvm_watch";

/// An event: {client, number, direction, message}. `client` is for people ("qvm 1234"); `number` counts the
/// connections to this supervisor; `direction` is "client" (it said) or "server" (it was told); `message` is
/// the command or the reply without its secrets (attach_mask.hpp).
inline constexpr const char* traffic = "__ORG.QVM_TRAFFIC";

/// An event, only to the client whose apply is at work: ApplyStep.
inline constexpr const char* apply_step = "__org.qvm_APPLY_STEP";

/// In `helpers` of the state: one that is well. Else how it has ended.
inline constexpr const char* helper_runs = "running";

inline constexpr const char* prefix = "__org.qvm_";

}  // namespace qvm::launch::control
