# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter is no longer than it has to be: each of its rules is seen in use, or says why it is there all the same."""
import contextlib
import itertools
import json
import os
import shutil
import socket
import subprocess
import unittest.mock

import harness
import hotplug_matrix
import syscall_trace

# What a rule may be allowed for that no QEMU here shows; see src/jail/filter_qemu.cpp.
KINDS = ("libc", "kvm", "device", "error", "build")
# What QEMU is asked for here, and tries in vain: the call, which of its arguments says what, and the values.
REFUSED = {
    "clone": (0, (0x1200011,)),  # programs: exec: migrations, helpers of bridges
    "pipe2": (0, None),  # to those
    "clone3": (0, None),  # the C library goes on with clone
    "io_uring_setup": (0, None),
    "socket": (0, (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_CAN, socket.AF_VSOCK)),
    "ioctl": (1, (0x8933,)),  # SIOCGIFINDEX, of a CAN interface
    "userfaultfd": (0, None),  # background snapshots
}
PLAIN = 'machine.accel = "tcg"\n'


class Syscalls(harness.TestCase):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0 or harness.as_user():
            self.skipTest("only root can trace what is in a user namespace of its own")
        traced = shutil.which("strace") and subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True).returncode == 0
        if not traced:
            missing = "strace is not installed, or tracing is not permitted here"
            self.fail(missing) if os.environ.get("CI") else self.skipTest(missing)

    def traced(self, name, file, arguments, use):
        """The calls of a VM from its start to its end, while `use` makes it work."""
        self.world.run("check", *arguments, "-f", file)  # QEMU is asked once, untraced
        trace = self.world.base / f"{name}.trace"
        with unittest.mock.patch.object(self.world, "prefix", [*syscall_trace.STRACE, trace]):
            self.world.run("up", *arguments, "-f", file)
        use()
        self.world.run("kill", name, status=None)
        harness.wait_until(lambda: not self.world.processes(), "the end of the VM and its tracer", hotplug_matrix.DEADLINE)
        return syscall_trace.calls(trace)

    def matrix(self, version, arguments):
        """Everything that is plugged, done to and unplugged without help from the host."""
        name = f"matrix-{version.replace('.', '-')}"
        file, listener = hotplug_matrix.write_vm(self.world, name, PLAIN)

        def use():
            with contextlib.closing(hotplug_matrix.Matrix(self.world, name)) as matrix:
                if version == "installed":
                    matrix.derivation()  # is the same in all, and slow
                matrix.run()

        with listener:
            return self.traced(name, file, arguments, use)

    def guest(self):
        """What only a guest makes QEMU do, and QEMU's own filter."""
        text = self.world.guest_toml('device.balloon = { driver = "virtio-balloon-pci" }\njail.qemu-sandbox = true', head='attach.allow = "all"')
        file = self.world.write("guest/vm.toml", text)

        def use():
            self.world.report("guest")
            self.world.qmp("guest", "balloon", {"value": 184 << 20})
            harness.wait_until(lambda: self.world.qmp("guest", "query-balloon")["actual"] < 188 << 20, "the balloon", hotplug_matrix.DEADLINE)
            self.stop_by_button("guest")

        return self.traced("guest", file, [], use)

    def rules(self):
        file = self.world.write("plain/vm.toml", PLAIN)
        return json.loads(self.world.run("jail", "plan", "--json", file).stdout)["seccomp"]["rules"]

    def test_each_rule_is_needed(self):
        made = {}
        for version, arguments in harness.each_qemu():
            if arguments is None:
                print(f"skipped: QEMU {version} was not fetched (tools/fetch-qemu)")
            else:
                made[version] = [self.matrix(version, arguments)]
        made["installed"].append(self.guest())
        allowed = [rule for rule in self.rules() if rule["action"] == "allow"]
        for version, traces in made.items():
            tried = {call for calls in traces for call in refused(allowed, calls)}
            self.assertEqual(sorted(tried), [], f"QEMU {version} tries these in vain; allow them in src/jail/filter_qemu.cpp, or say here why not")
        idle, stale = [], []
        for rules in alternatives(allowed):
            seen = [any(syscall_trace.is_seen(rule, calls) for rule in rules for calls in traces) for traces in made.values()]
            text, unseen = rules[0]["text"], rules[0].get("unseen")
            if unseen is not None:
                self.assertIn(unseen.partition(": ")[0], KINDS, text)
            if not any(seen) and unseen is None:
                idle.append(text)
            if all(seen) and unseen is not None:
                stale.append(text)
        self.assertEqual(idle, [], "no QEMU uses these; take them out of src/jail/filter_qemu.cpp, or say there why they are allowed")
        self.assertEqual(stale, [], "every QEMU uses these; take what they are said to be for out of src/jail/filter_qemu.cpp")


def refused(allowed, calls):
    """What was called that no rule allows, but for what is known to be."""
    by_call = {}
    for rule in allowed:
        by_call.setdefault(rule["call"], []).append(rule)
    for name, made in calls.items():
        index, values = REFUSED.get(name, (None, ()))
        for arguments in made:
            if any(syscall_trace.holds(rule, arguments) for rule in by_call.get(name, ())):
                continue
            if values is not None and (index is None or arguments[index] & syscall_trace.WORD not in values):
                yield f"{name}({', '.join(map(hex, arguments))})"


def alternatives(rules):
    """Rules that are one condition: the bits of a number."""
    def condition(rule):
        tests = rule.get("arguments", [])
        return (rule["call"], "bits") if len(tests) == 1 and tests[0]["mask"].bit_count() == 1 else (rule["call"], rule["text"])

    return [list(group) for _, group in itertools.groupby(rules, key=condition)]


if __name__ == "__main__":
    harness.main()
