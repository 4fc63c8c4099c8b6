#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a VM when a process that serves it dies."""
import contextlib
import os
import pathlib
import signal

import harness
from test_apply import Apply


class HelperDeath(Apply):
    NIC = '[net.lan]\ntype = "user"\n'

    def end_passt(self):
        passt = [pid for pid in self.world.processes()
                 if pathlib.Path(f"/proc/{pid}/exe").exists() and "passt" in os.readlink(f"/proc/{pid}/exe")]
        self.assertNotEqual(passt, [])
        for pid in passt:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def test_report(self):
        self.boot(self.NIC)
        self.end_passt()
        harness.wait_until(lambda: self.world.status("guest")["helpers"]["host.lan.passt"] != "running", "the report")
        self.assertIn("guest: ready", self.world.log("guest") + self.ask("echo guest: ready"))

    def test_stop(self):
        """The VM is stopped and tells why. It can be said while the VM runs; what apply takes away is no death."""
        self.boot(self.NIC)
        stops = 'lifecycle = { on-helper-death = "stop", stop-timeout = "3s" }'
        self.apply(self.NIC, head=stops)
        self.apply("", head=stops)
        self.apply(self.NIC, head=stops)
        self.assertEqual(self.unchanged(), "guest: nothing to change\n")
        self.end_passt()
        harness.wait_until(lambda: not self.world.qemus(), "the VM's end", 60)
        harness.wait_until(lambda: "lifecycle.on-helper-death" in self.world.run("status", "guest").stdout, "the reason to be told", 15)
        self.assertIn("host.lan.passt", self.world.run("status", "guest").stdout)

    def test_restart(self):
        """The VM is started anew with all its helpers; to restart and from it nothing changes while it runs."""
        restarts = 'lifecycle = { on-helper-death = "restart", stop-timeout = "3s" }'
        self.boot(self.NIC, head=restarts)
        self.leave()
        before = self.world.status("guest")
        self.end_passt()
        harness.wait_until(lambda: self.world.status("guest").get("restarts") == 1, "the next life", 60)
        harness.wait_until(lambda: self.world.status("guest").get("helpers", {}).get("host.lan.passt") == "running", "its helper", 60)
        self.assertNotEqual(self.world.status("guest")["qemu-pid"], before["qemu-pid"])
        self.assertIn("host.lan.passt was killed by signal 9", self.world.run("log", "guest").stdout)
        result = self.apply(self.NIC, status=4, head="")
        self.assertRegex(result.stdout, r'! lifecycle.on-helper-death +"?restart"? -> ')

    def test_started_anew_by_apply(self):
        """A device whose helper is gone is replugged, and works again."""
        self.boot(self.NIC)
        self.end_passt()
        harness.wait_until(lambda: self.world.status("guest")["helpers"]["host.lan.passt"] != "running", "the report")
        said = self.world.run("plan", self.file).stderr
        self.assertRegex(said, r"guest: the process of host.lan.passt was killed by signal 9 .*; `qvm apply --fix-drift --replug`")
        self.unchanged()
        self.assertIn("its process has ended", self.apply(None, "--fix-drift", status=4).stdout)
        self.apply(None, "--fix-drift", "--replug")
        self.assertEqual(self.world.status("guest")["helpers"]["host.lan.passt"], "running")
        self.assertEqual(self.world.run("plan", self.file).stderr, "")
        self.assertEqual(self.unchanged(), "guest: nothing to change\n")
        self.guest_sees("ip link set eth0 up; udhcpc -n -q -i eth0", "lease of")

    def test_death_that_nobody_saw(self):
        """Of a VM whose supervisor had died before, or that was not to be stopped for it then."""
        stops = 'lifecycle = { on-helper-death = "stop", stop-timeout = "3s" }'
        self.boot(self.NIC, head=stops)
        self.leave()
        os.kill(self.world.status("guest")["supervisor-pid"], signal.SIGKILL)
        harness.wait_until(lambda: self.world.status("guest")["state"] == "orphaned", "the VM to be orphaned")
        self.end_passt()
        self.world.run("adopt", "guest")
        harness.wait_until(lambda: not self.world.qemus(), "the VM's end", 60)
        self.boot(self.NIC)
        self.end_passt()
        harness.wait_until(lambda: self.world.status("guest")["helpers"]["host.lan.passt"] != "running", "the report")
        self.apply(self.NIC, head=stops)
        harness.wait_until(lambda: not self.world.qemus(), "the VM's end", 60)


if __name__ == "__main__":
    harness.main()
