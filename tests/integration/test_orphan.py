# SPDX-License-Identifier: GPL-3.0-or-later
"""Sudden deaths: the guest outlives its supervisor, and nothing outlives the guest."""
import os
import signal

import harness


class Orphan(harness.TestCase):
    def orphaned(self):
        self.file = self.start_guest("guest")
        self.world.report("guest")
        supervisor = self.world.status("guest")["supervisor-pid"]
        os.kill(supervisor, signal.SIGKILL)
        harness.wait_until(lambda: self.world.status("guest")["state"] == "orphaned", "the VM to be orphaned")

    def test_it_runs_on_and_is_never_doubled(self):
        self.orphaned()
        self.assertIn("orphaned", self.world.run("ls").stdout)
        qemus = self.qemus()
        self.assertEqual(len(qemus), 1)
        self.world.run("up", self.file, status=None)
        self.assertEqual(self.qemus(), qemus)

    def qemus(self):
        return self.world.qemus()

    def test_stop(self):
        self.orphaned()
        self.stop_by_button("guest")
        self.assertEqual(self.world.status("guest")["state"], "stopped")
        self.world.run("up", self.file)

    def test_kill(self):
        self.orphaned()
        self.world.run("kill", "guest")
        self.assertEqual(self.world.status("guest")["state"], "stopped")

    def test_qemu_dies(self):
        self.start_guest("guest")
        self.world.report("guest")
        pid = self.world.status("guest")["qemu-pid"]
        os.kill(pid, signal.SIGKILL)
        harness.wait_until(lambda: self.world.status("guest")["state"] == "died", "the VM to be dead", 30)
        self.assertIn("signal 9", self.world.run("status", "guest").stdout)


class Start(harness.TestCase):
    def test_killed_up_leaves_nothing(self):
        """`qvm up` killed -9 at several moments: either the VM runs, or nothing does."""
        file = self.world.write("guest/vm.toml", self.world.guest_toml())
        self.world.run("check", file)  # the probe's cache is filled
        for delay in (0.01, 0.05, 0.1, 0.2, 0.4):
            with self.subTest(delay=delay):
                process = self.world.start("up", file)
                try:
                    process.wait(delay)
                except harness.subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                harness.reaper.forget(process)
                self.world.run("kill", "guest", status=None)
                harness.wait_until(lambda: not self.world.processes(), lambda: f"no process left: {self.world.leftovers()}", 15)
        self.world.run("up", file)
        self.world.report("guest")


if __name__ == "__main__":
    harness.main()
