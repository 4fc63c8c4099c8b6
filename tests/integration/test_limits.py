# SPDX-License-Identifier: GPL-3.0-or-later
"""[limits]: what is in force is what the kernel says, what is not is told, and no group outlives its VM."""
import os
import pathlib
import signal
import socket
import unittest

import harness

LIMITS = """
[limits]
memory = "640M"
cpu = 1.5
pids = 300
"""


class Limits(harness.TestCase):
    def limits(self):
        return self.world.status("guest")["limits"]

    def require_cgroups(self):
        """Skips where this user may make no cgroups."""
        missing = self.limits()["missing"]
        if missing:
            self.skipTest(missing[0])

    def groups(self):
        """The directories of this world's VM "guest"."""
        pid = self.world.status("guest")["qemu-pid"]
        return [group for group in self.world.cgroups() if str(pid) in self.world.cgroup_members(group)]

    def start_limited(self, more=LIMITS, **options):
        self.file = self.start_guest("guest", more, **options)
        self.require_cgroups()
        # Without [limits] `up` does not wait for the kernel's move.
        return harness.wait_until(self.groups, "QEMU to be in its cgroup")

    def expect_gone(self, groups):
        harness.wait_until(lambda: not any(group.exists() for group in groups), f"{groups} to be removed")

    def test_in_force(self):
        groups = self.start_limited()
        force = self.limits()["in-force"]
        self.assertEqual(force, {"memory": 640 << 20, "cpu": 1.5, "pids": 300})
        self.assertIn("memory 640M, cpu 1.5, pids 300 (cgroup v", self.world.run("status", "guest").stdout)
        for group in groups:
            self.assertFalse((group / "cgroup.procs").read_text(), "processes are in the leaves")
            self.assertTrue((group / "qemu/cgroup.procs").read_text())
        self.world.report("guest")
        self.stop_by_button("guest")
        self.expect_gone(groups)

    def test_automatic(self):
        """Without [limits] it is the number of processes alone."""
        groups = self.start_limited("")
        self.assertEqual(list(self.limits()["in-force"]), ["pids"])
        self.world.run("kill", "guest")
        self.expect_gone(groups)

    def test_off(self):
        self.start_guest("guest", 'jail.cgroup = "off"')
        self.assertNotIn("limits", self.world.status("guest"))
        self.assertFalse(self.groups())

    def test_orphan_killed(self):
        groups = self.start_limited()
        os.kill(self.world.status("guest")["supervisor-pid"], signal.SIGKILL)
        harness.wait_until(lambda: self.world.status("guest")["state"] == "orphaned", "the VM to be orphaned")
        self.assertEqual(self.limits()["in-force"]["pids"], 300)
        self.world.run("kill", "guest")
        self.expect_gone(groups)

    def test_orphan_that_ends_by_itself_and_kill(self):
        self.end_without_supervisor("kill")

    def test_orphan_that_ends_by_itself_and_rm(self):
        self.end_without_supervisor("rm", "--yes")

    def end_without_supervisor(self, *verb):
        """Nobody is there to remove its group: the next start does, or `kill`, `stop` and `rm`."""
        groups = self.start_limited()
        status = self.world.status("guest")
        for pid in (status["supervisor-pid"], status["qemu-pid"]):
            os.kill(pid, signal.SIGKILL)
        harness.wait_until(lambda: not self.world.processes(), "the VM to be gone")
        self.assertTrue(all(group.exists() for group in groups), "nobody has removed them yet")
        self.world.run(*verb, "guest")
        self.expect_gone(groups)

    def test_failed_start(self):
        """A helper ends at once: the group goes with the start."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            more = f'net.lan = {{ type = "user", forward = ["{taken.getsockname()[1]} -> 22"] }}\n'
            file = self.world.write("guest/vm.toml", self.world.guest_toml(more + LIMITS))
            self.world.run("up", file, status=6)
        self.assertFalse([found for found in self.world.leftovers() if found.startswith("cgroup")])

    def test_memory_limit_reached(self):
        """QEMU alone takes more: whoever asks is told why it died."""
        file = self.world.write("guest/vm.toml", self.world.guest_toml('limits.memory = "48M"'))
        result = self.world.run("up", file, status=None)
        self.assertIn("[limit-too-low]", result.stderr)
        if "limits.memory: unlimited" in result.stderr:
            self.skipTest("no memory cgroup can be made here")
        harness.wait_until(lambda: self.world.run("ls").stdout.count("running") == 0, "the VM to be dead", 60)
        told = result.stderr.split("[limit-too-low]")[-1] + self.world.run("status", "guest").stdout
        self.assertIn("had reached limits.memory", told)

    def test_memory_limit_reached_by_the_guest(self):
        groups = self.start_limited('limits.memory = "320M"', memory="512M")
        self.world.report("guest")
        console = self.world.console("console", "guest")
        console.send("\nmkdir /mnt; mount -t tmpfs -o size=480M none /mnt; dd if=/dev/zero of=/mnt/file bs=1M count=450\n")
        harness.wait_until(lambda: "running" not in self.world.run("ls").stdout, "the VM to be dead", 60)
        console.close()
        status = self.world.run("status", "guest").stdout
        self.assertIn("QEMU was killed by signal 9 (SIGKILL): the VM had reached limits.memory", status)
        self.expect_gone(groups)

    def test_require(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml('jail.cgroup = "require"' + LIMITS))
        result = self.world.run("up", file, status=None)
        if result.returncode == 0:
            self.assertEqual(self.limits()["missing"], [])
        else:
            self.assertEqual(result.returncode, 9, result.stderr)
            self.assertIn("memory: unlimited: ", result.stderr)
            self.assertFalse(self.world.processes())

    def test_told_when_there_are_none(self):
        self.start_guest("guest", LIMITS)
        limits = self.limits()
        if not limits["missing"]:
            self.skipTest("all limits can be had here")
        self.assertTrue(any(sentence.startswith("memory: unlimited: ") for sentence in limits["missing"]), limits)
        self.assertIn("memory: unlimited: ", self.world.run("status", "guest").stdout)

    def test_helpers_have_leaves_of_their_own(self):
        if not any(pathlib.Path(place, "passt").exists() for place in ("/usr/bin", "/usr/local/bin")):
            self.skipTest("passt is not installed")
        groups = self.start_limited('net.lan = { type = "user" }')
        names = {leaf.name for leaf in groups[0].iterdir() if leaf.is_dir()}
        self.assertIn("qemu", names)
        self.assertEqual(len(names), 2, names)


class DelegatedLimits(Limits):
    """The same for an ordinary user to whom groups were given, as a service manager would."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or not harness.as_user():
            raise unittest.SkipTest("needs root to give a user groups")
        cls.given = []
        for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            mount = pathlib.Path("/sys/fs/cgroup", controllers)
            if {"pids", "memory", "cpu"} & set(controllers.split(",")) and (mount / path[1:]).is_dir():
                cls.give(mount / path[1:])
        if not cls.given:
            raise unittest.SkipTest("no groups of version 1 to give")

    @classmethod
    def give(cls, above):
        group = above / f"test-{os.getpid()}"
        group.mkdir()
        for path in (group, *group.iterdir()):
            os.chown(path, harness.TEST_UID, harness.TEST_UID)
        cls.given.append(group)
        (group / "cgroup.procs").write_text(str(os.getpid()))

    @classmethod
    def tearDownClass(cls):
        for group in cls.given:
            (group.parent / "cgroup.procs").write_text(str(os.getpid()))
            harness.wait_until(lambda: not (group / "cgroup.procs").read_text(), f"{group} to be empty")
            group.rmdir()


if __name__ == "__main__":
    harness.main()
