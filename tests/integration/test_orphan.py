# SPDX-License-Identifier: GPL-3.0-or-later
"""Sudden deaths: the guest outlives its supervisor, and nothing outlives the guest."""
import json
import os
import pathlib
import signal
import time

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

    def test_kill_in_the_first_moment(self):
        """The locks are taken, but the state file tells of the life before yet: `kill` waits, and ends the new one."""
        file = self.world.write("guest/vm.toml", self.world.guest_toml())
        self.world.run("check", file)
        caught = 0
        for life in range(20):
            with self.subTest(life=life):
                process = self.world.start("up", file, stdout=harness.subprocess.DEVNULL, stderr=harness.subprocess.DEVNULL)
                supervisor = self.child_of(process)
                os.kill(supervisor, signal.SIGSTOP)
                kill = self.world.start("kill", "guest", stdout=harness.subprocess.PIPE)
                try:
                    kill.wait(0.5)  # it was stopped too late: it had written its record
                except harness.subprocess.TimeoutExpired:
                    caught += 1
                    os.kill(supervisor, signal.SIGCONT)
                self.assertEqual(kill.communicate()[0], b"guest: killed\n")
                self.assertEqual(kill.returncode, 0)
                process.wait(30)  # with an error, or long before, if all of this was late
                harness.reaper.forget(process)
                harness.reaper.forget(kill)
                harness.wait_until(lambda: not self.world.processes(), lambda: f"no process left: {self.world.leftovers()}", 15)
                self.assertEqual(self.world.status("guest")["state"], "stopped")
            if caught == 2:
                break
        if caught == 0:
            self.skipTest("the machine is too busy to stop a start in its first moment")

    def child_of(self, process):
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        harness.wait_until(children.read_text, "the supervisor", every=0.001)
        return int(children.read_text().split()[0])

    def test_the_caller_goes_away(self):
        """Whoever called `up` may be gone before it has heard anything: the VM runs all the same."""
        file = self.world.write("guest/vm.toml", self.world.guest_toml())
        self.world.run("check", file)
        process = self.world.start("up", file)
        harness.wait_until(self.jail_exists, "its jail", every=0.002)
        process.kill()
        process.wait()
        harness.reaper.forget(process)
        harness.wait_until(lambda: self.world.status("guest")["state"] == "running", "the VM to run")
        self.world.report("guest")

    def test_the_supervisor_goes_away(self):
        """Killed at any moment of a start: what is there is known and can be ended, or nothing is there."""
        file = self.world.write("guest/vm.toml", self.world.guest_toml('net.lan = { type = "user" }\n'))
        self.world.run("check", file)
        states = set()
        for delay in range(0, 160, 8):
            with self.subTest(milliseconds=delay):
                process = self.world.start("up", file, stdout=harness.subprocess.DEVNULL, stderr=harness.subprocess.PIPE)
                supervisor = self.child_of(process)
                time.sleep(delay / 1000)  # not a wait for something: the moments are spread over the start
                os.kill(supervisor, signal.SIGKILL)
                words = process.communicate()[1].decode()
                harness.reaper.forget(process)
                if process.returncode != 0:
                    self.assertIn("the supervisor died while it started the VM", words)
                # A process of the jail that was just made has copies of the locks for a moment.
                harness.wait_until(lambda: self.world.status("guest")["state"] != "starting", "its state to be known")
                state = self.world.status("guest")["state"]
                states.add(state)
                if state == "orphaned":
                    self.world.run("kill", "guest")
                else:
                    self.assertIn(state, ("stopped", "died"))
                harness.wait_until(lambda: not self.world.processes(), lambda: f"no process left: {self.world.leftovers()}", 15)
        self.assertIn("orphaned", states)
        self.world.run("up", file)
        self.world.report("guest")

    def test_no_standard_streams(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml())
        self.world.run("up", file, preexec_fn=lambda: os.closerange(0, 3))
        self.assertEqual(self.world.status("guest")["state"], "running")
        self.world.report("guest")

    def test_interrupted(self):
        """Ctrl-C while it starts in front: nothing is left, and the exit status says so."""
        file = self.world.write("guest/vm.toml", self.world.guest_toml())
        self.world.run("check", file)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(signal=number):
                process = self.world.start("up", "--foreground", file, stdout=harness.subprocess.DEVNULL,
                                           stderr=harness.subprocess.DEVNULL)
                harness.wait_until(self.jail_exists, "its jail", every=0.001)
                process.send_signal(number)
                status = process.wait(60)
                harness.reaper.forget(process)
                self.assertIn(status, (0, 6, -number))
                harness.wait_until(lambda: not self.world.processes(), lambda: f"no process left: {self.world.leftovers()}", 15)
                self.assertEqual(self.world.status("guest")["state"], "stopped")

    def jail_exists(self):
        try:
            applied = json.loads((pathlib.Path(self.world.environment()["XDG_STATE_HOME"]) / "qvm/guest/applied.json").read_text())
        except OSError:
            return False
        return applied["phase"] != "ended" and applied["stub"]["pid"] > 0

    def test_inherited_descriptors_are_not_kept(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml())
        here, there = os.pipe()
        self.world.run("up", file, pass_fds=[there])
        os.close(there)
        os.set_blocking(here, False)
        self.assertEqual(os.read(here, 1), b"")
        os.close(here)


class Helper(harness.TestCase):
    def test_a_port_that_is_taken(self):
        """passt ends at once: `up` says why instead of running a guest without its network."""
        with harness.socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            more = f'net.lan = {{ type = "user", forward = ["{port} -> 22"] }}\n'
            file = self.world.write("guest/vm.toml", self.world.guest_toml(more))
            result = self.world.run("up", file, status=6)
            self.assertIn("passt", result.stderr)
            self.assertIn(str(port), result.stderr)
        self.assertEqual(self.world.processes(), [])

    def test_a_helper_that_dies_later_is_reported(self):
        self.start_guest("guest", 'net.lan = { type = "user" }\n')
        helper = next(pid for pid in self.world.processes() if "passt" in harness.describe_process(pid))
        os.kill(helper, signal.SIGKILL)
        harness.wait_until(lambda: "killed by signal 9" in self.world.run("status", "guest").stdout, "status to tell")


if __name__ == "__main__":
    harness.main()
