#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TPM that swtpm emulates: what the guest sees of it, what it remembers, and what becomes of its files."""
import json
import os
import pathlib
import shutil
import signal
import struct
import unittest

import harness
from test_apply import Apply
from test_hosts import NO_NAMESPACES
from test_profiles import NV_DEFINE, NV_READ, NV_WRITE, OWNER_SESSION

VERSION = "cat /sys/class/tpm/tpm0/tpm_version_major"
HELPER = "host.tpm.swtpm"
REMEMBERED = b"remember".hex()


@unittest.skipUnless(shutil.which("swtpm", path="/usr/local/bin:/usr/bin"), "swtpm is not installed")
class Tpm(Apply):
    def command(self, code, handles, parameters):
        """A command of TPM 2.0 by the guest's /dev/tpm0; the answer, in hex."""
        body = handles + OWNER_SESSION + parameters
        octal = "".join(f"\\{byte:03o}" for byte in struct.pack(">HII", 0x8002, 10 + len(body), code) + body)
        mark = f"answer-{next(self.numbers)}"
        text = self.ask(f"exec 3<>/dev/tpm0; printf '{octal}' >&3; "
                        f"echo; echo {mark[:3]}''{mark[3:]} $(dd bs=4096 count=1 <&3 2>/dev/null | hexdump -ve '1/1 \"%02x\"'); exec 3>&-")
        answer = next(line.split()[1] for line in text.splitlines() if line.startswith(mark))
        self.assertEqual(len(answer) // 2, int(answer[4:12], 16))
        return answer

    def remember(self):
        for command in (NV_DEFINE, NV_WRITE):
            self.assertEqual(self.command(*command)[12:20], "00000000")

    def own_state(self):
        return self.world.base / "state/qvm/guest/tpm"

    def helper(self):
        return next(pid for pid in self.world.processes()
                    if "swtpm" in harness.describe_process(pid).split(") ", 1)[0])

    def again(self, end="kill"):
        self.leave()
        self.world.run(end, "guest")
        self.boot(self.more, self.qemu, **self.options)

    def test_remembers(self):
        """What the guest put into it is there in its next life, however the last one ended."""
        def check(version, qemu):
            self.boot("tpm = true\n", qemu)
            self.guest_sees(VERSION, "\n2\n")
            self.remember()
            for end in ("kill", "stop"):
                self.again(end)
                self.assertIn(REMEMBERED, self.command(*NV_READ))
            # The same QEMU, and the TPM is as after power on.
            self.world.run("reset", "guest")
            self.world.report("guest", 2)
            self.assertIn(REMEMBERED, self.command(*NV_READ))
            self.assertEqual(self.world.status("guest")["helpers"], {HELPER: "running"})
            self.assertEqual(self.unchanged(), "guest: nothing to change\n")
        self.on_each_qemu(check)

    def test_of_the_raw_level(self):
        """What `qvm show --compiled` prints is the same VM."""
        def check(version, qemu):
            sugar = self.world.write("guest/vm.toml", self.world.guest_toml("tpm = true\n", head='name = "guest"'))
            raw = self.world.write("guest/raw.toml", self.world.run("show", "--compiled", sugar, *qemu).stdout)
            plans = [json.loads(self.world.run("plan", "--json", file, *qemu).stdout)["steps"] for file in (sugar, raw)]
            for step in plans[0] + plans[1]:
                for place in ("origin", "from"):
                    step.pop(place, None)
            self.assertEqual(*plans)
            self.world.run("up", raw, *qemu)
            self.world.report("guest")
            self.world.run("kill", "guest")
        self.on_each_qemu(check)

    def test_models_and_versions(self):
        def check(version, qemu):
            for words, major in (('{ model = "tis" }', 2), ('{ version = "1.2" }', 1)):
                self.boot(f"tpm = {words}\n", qemu)
                self.guest_sees(VERSION, f"\n{major}\n")
                self.leave()
                self.world.run("kill", "guest")
        self.on_each_qemu(check)

    def test_state(self):
        """Only its VM's processes can see it, `rm` deletes it, and what lies elsewhere stays."""
        self.boot("tpm = true\n")
        status = self.own_state().stat()
        self.assertEqual(status.st_mode & 0o777, 0o700)
        self.assertEqual(status.st_uid, self.world.uid if harness.as_user() else
                         int((self.own_state().parent / "uid").read_text()))
        self.assertTrue((self.own_state() / "tpm2-00.permall").exists())
        self.leave()
        self.world.run("kill", "guest")
        self.assertIn("\n  tpm/tpm2-00.permall\n", self.world.run("rm", "--yes", "guest").stdout)
        self.assertFalse(self.own_state().exists())
        self.world.directory("keys")
        self.boot('tpm.state = "../keys/of the guest"\n')
        self.remember()
        self.assertFalse(self.own_state().exists())
        self.leave()
        self.world.run("kill", "guest")
        self.world.run("rm", "--yes", "guest")
        self.boot(self.more)
        self.assertIn(REMEMBERED, self.command(*NV_READ))
        self.assertEqual(self.own_state().parent.is_dir(), True)
        # Nobody else's files come into its reach.
        self.leave()
        self.world.run("kill", "guest")
        (self.world.base / "keys/of the guest/letters").write_text("")
        refused = self.world.run("up", self.file, status=9)
        self.assertIn("which is no TPM's", refused.stderr)
        self.assertEqual(self.world.processes(), [])

    def test_one_for_each(self):
        """Two VMs cannot have the same."""
        self.world.directory("keys")
        self.boot('tpm.state = "../keys/shared"\n')
        other = self.world.write("other/vm.toml", self.world.guest_toml('tpm.state = "../keys/shared"\n'))
        refused = self.world.run("up", other, status=9)
        self.assertIn("is in use by process", refused.stderr)

    def test_restart(self):
        """A reboot that is a new QEMU gets a new swtpm, on the same state."""
        self.boot("lifecycle.on-reboot = \"restart\"\ntpm = true\n")
        self.remember()
        before = self.world.status("guest")["qemu-pid"]
        self.leave()
        self.world.run("reset", "guest")
        harness.wait_until(lambda: self.world.status("guest").get("qemu-pid", before) != before, "the VM to run again", 60)
        self.console = self.world.console("console", "guest")
        self.guest_sees(VERSION, "\n2\n")
        self.assertIn(REMEMBERED, self.command(*NV_READ))

    def test_orphan(self):
        """It goes on without the supervisor, and the next one knows it."""
        self.boot("tpm = true\n")
        helper = self.helper()
        os.kill(self.world.status("guest")["supervisor-pid"], signal.SIGKILL)
        harness.wait_until(lambda: self.world.status("guest")["state"] == "orphaned", "the orphan")
        self.leave()
        self.world.run("adopt", "guest")
        self.console = self.world.console("console", "guest")
        self.remember()
        self.assertEqual(self.helper(), helper)
        self.assertEqual(self.world.status("guest")["helpers"], {HELPER: "running"})
        self.leave()
        self.world.run("kill", "guest")
        harness.wait_until(lambda: not self.world.processes(), lambda: f"no process left: {self.world.leftovers()}", 15)

    def test_apply(self):
        """It comes and goes with a new QEMU only, and nothing is started for it before."""
        self.boot("")
        out = self.apply("tpm = true\n", status=4).stdout
        self.assertIn("at the next start", out)
        for what in ("option.tpmdev", "chardev.tpm", "device.tpm0", HELPER):
            self.assertRegex(out, rf"(?m)^ *! {what}", out)
        self.assertEqual(self.world.status("guest")["helpers"], {})
        self.more = "tpm = true\n"
        self.again()
        self.guest_sees(VERSION, "\n2\n")
        self.apply("", status=4)
        self.guest_sees(VERSION, "\n2\n")
        self.assertEqual(self.world.status("guest")["helpers"], {HELPER: "running"})

    def test_jail(self):
        """As promised in a strict jail, and in a reduced one it has the one directory."""
        for mode in ("strict", "reduced"):
            self.boot(f'jail.mode = "{mode}"\ntpm = true\n')
            self.remember()
            verdict = json.loads(self.world.run("status", "--jail", "--json", "guest").stdout)
            self.assertTrue(verdict["as-promised"])
            swtpm = next(process for process in verdict["processes"] if process["process"] == HELPER)
            says = {row["property"]: (row.get("verdict"), row["kernel"]) for row in swtpm["properties"]}
            for name in ("uid", "capabilities", "no_new_privs", "seccomp", "descriptors", "open files"):
                self.assertEqual(says[name][0], "yes", name)
            if mode == "strict":
                self.assertIn("writable: /state", says["mounts"][1])
                self.assertIn("its own: cgroup ipc mnt net pid user uts", says["namespaces"][1])
            self.again()
            self.assertIn(REMEMBERED, self.command(*NV_READ))
            self.leave()
            self.world.run("kill", "guest")
            self.world.run("rm", "--yes", "guest")

    def test_without_namespaces(self):
        """Where a strict jail cannot be, it needs nothing but its directory."""
        if not harness.as_user():
            self.skipTest("root needs no permission for namespaces")
        self.world.prefix += NO_NAMESPACES
        self.boot('jail.mode = "reduced"\ntpm = true\n')
        self.remember()

    def test_uefi(self):
        """OVMF measures into it."""
        if not pathlib.Path("/usr/share/qemu/firmware").exists():
            self.skipTest("no UEFI firmware is installed")
        self.boot('firmware = "uefi"\ntpm = true\n', memory="256M")
        self.guest_sees(VERSION, "\n2\n")
        self.guest_sees("cat /sys/class/tpm/tpm0/pcr-sha256/0", "0" * 64, False)


class Missing(harness.TestCase):
    def test_program(self):
        """Told where the file asks for it, with the package that has it."""
        binary = shutil.which("qemu-system-x86_64")
        file = self.world.write("guest/vm.toml", self.world.guest_toml(f'qemu.binary = "{binary}"\ntpm = true\n'))
        empty = self.world.directory("empty")
        for verb in ("check", "up"):
            refused = self.world.run(verb, file, program=["env", f"PATH={empty}", self.world.qvm], status=2)
            self.assertIn(f"{file}:6:1: error: the program 'swtpm' is not in PATH", refused.stderr)
            self.assertIn("apt install swtpm", refused.stderr)


if __name__ == "__main__":
    harness.main()
