#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM outlives its supervisor and gets another one, which finishes or undoes what was in flight."""
import fcntl
import os
import pathlib
import signal
import time

import harness
from test_apply import Apply


class Adopt(Apply):
    def orphan(self):
        supervisor = self.world.status("guest")["supervisor-pid"]
        os.kill(supervisor, signal.SIGKILL)
        harness.wait_until(lambda: self.world.status("guest")["state"] == "orphaned", "the VM to be orphaned")

    def adopt(self):
        result = self.world.run("adopt", "guest")
        self.assertEqual(result.stdout, "guest: running\n")
        self.assertEqual(self.world.status("guest")["state"], "running")
        return result.stderr


class Whole(Adopt):
    def test_everything_goes_on(self):
        """Console, its log, events, helpers, apply and the end: all as before."""
        def check(version, qemu):
            self.boot('net.lan = { type = "user" }\n', qemu=qemu)
            qemus = self.world.qemus()
            self.ask("echo before-the-$((1+1))nd")
            self.leave()
            self.orphan()
            self.assertIn("qvm adopt", self.world.run("status", "guest").stdout)
            self.assertIn("its supervisor had died; it has a new one", self.adopt())
            self.assertEqual(self.world.qemus(), qemus)
            self.console = self.world.console("console", "guest")
            self.console.expect("before-the-2nd")
            self.assertIn("42", self.ask("echo $((6*7))"))
            status = self.world.status("guest")
            self.assertEqual(status["qemu-pid"], qemus[0])
            self.assertEqual(status["helpers"], {"host.lan.passt": "running"})
            self.apply('net.lan = { type = "user" }\n' + self.disk("data"))
            self.guest_sees("cat /sys/block/*/serial; echo", "DATA")
            self.unchanged()
            events = self.world.start("events", "guest", "--count", "1", stdout=harness.subprocess.PIPE)
            harness.wait_until(lambda: self.world.status("guest")["attach-clients"] > 1, "the listener")
            self.world.run("pause", "guest")
            self.assertIn(b'"STOP"', events.communicate()[0])
            harness.reaper.forget(events)
            self.world.run("resume", "guest")
            self.leave()
            self.stop_by_button("guest")
            status = self.world.status("guest")
            self.assertEqual(status["state"], "stopped")
            self.assertIn("powered off", status["detail"])
        self.on_each_qemu(check)

    def test_a_reboot_starts_it_again(self):
        """The new supervisor has a spawner, too; what that starts is the file as it is then."""
        self.boot('lifecycle.on-reboot = "restart"\n')
        self.leave()
        for death in range(2):
            self.orphan()
            self.assertNotIn("reboot", self.adopt())
            before = self.world.status("guest")
            self.world.run("reset", "guest")
            harness.wait_until(lambda: self.world.status("guest").get("qemu-pid", before["qemu-pid"]) != before["qemu-pid"],
                               "the VM to run again", seconds=60)
            after = self.world.status("guest")
            self.assertEqual(after["generation"], before["generation"] + 1)
            self.assertEqual(after["state"], "running")
        # A file with a mistake: it is told, and nothing is left.
        self.orphan()
        self.adopt()
        self.file.write_text("memory = 5\nwrong = 1\n")
        self.world.run("reset", "guest")
        harness.wait_until(lambda: self.world.status("guest")["state"] == "stopped", "the VM to end")
        harness.wait_until(lambda: "did not start again" in self.world.status("guest")["detail"], "the end to be told")
        self.assertIn("wrong", self.world.run("log", "guest").stdout)
        self.assertEqual(self.world.processes(), [])

    def test_a_helper_that_dies(self):
        self.boot('net.lan = { type = "user" }\n')
        self.orphan()
        self.adopt()
        helper = next(pid for pid in self.world.processes() if "passt" in harness.describe_process(pid))
        os.kill(helper, signal.SIGKILL)
        harness.wait_until(lambda: self.world.status("guest")["helpers"] == {"host.lan.passt": "ended"}, lambda: str(self.world.status("guest")))

    def test_how_it_ends_is_known(self):
        """The new supervisor is not QEMU's parent, and knows all the same."""
        self.boot()
        self.orphan()
        self.adopt()
        os.kill(self.world.status("guest")["qemu-pid"], signal.SIGKILL)
        harness.wait_until(lambda: self.world.status("guest")["state"] == "died", "the VM to be dead")
        self.assertIn("signal 9", self.world.run("status", "guest").stdout)

    def test_killed(self):
        self.boot()
        self.orphan()
        self.adopt()
        self.world.run("kill", "guest")
        self.assertEqual(self.world.status("guest")["detail"], "killed by qvm kill")

    def test_again_and_again(self):
        self.boot()
        for _ in range(3):
            self.orphan()
            self.adopt()
        self.assertIn("42", self.ask_anew("echo $((6*7))"))

    def ask_anew(self, command):
        self.leave()
        self.console = self.world.console("console", "guest")
        return self.ask(command)

    def test_the_next_verb_does_it(self):
        self.boot()
        for words in (("pause", "guest"), ("resume", "guest"), ("up", self.file), ("plan", self.file), ("apply", "--yes", self.file),
                      ("qmp", "guest", "query-status")):
            with self.subTest(verb=words[0]):
                self.orphan()
                self.assertIn("it has a new one", self.world.run(*words).stderr)
                self.assertEqual(self.world.status("guest")["state"], "running")
        self.orphan()
        self.leave()
        self.stop_by_button("guest")

    def test_at_the_same_time(self):
        """One of them does it, and all of them succeed."""
        self.boot()
        self.orphan()
        several = [self.world.start("adopt", "guest", stdout=harness.subprocess.DEVNULL, stderr=harness.subprocess.PIPE)
                   for _ in range(6)]
        for process in several:
            words = process.communicate()[1]
            harness.reaper.forget(process)
            self.assertEqual(process.returncode, 0, words)
        self.assertEqual(self.world.status("guest")["state"], "running")
        self.assertIn("42", self.ask_anew("echo $((6*7))"))

    def test_while_another_does_it(self):
        """Who comes while somebody else holds the lock and has yet to write waits for it."""
        self.boot()
        self.orphan()
        with open(next(self.world.base.rglob("supervisor.lock")), "r+b") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            waiting = [self.world.start(*words, stdout=harness.subprocess.DEVNULL, stderr=harness.subprocess.PIPE)
                       for words in (("adopt", "guest"), ("qmp", "guest", "query-status"))]
            harness.time.sleep(0.3)
            self.assertEqual([process.poll() for process in waiting], [None, None])
        for process in waiting:
            words = process.communicate()[1]
            harness.reaper.forget(process)
            self.assertEqual(process.returncode, 0, words)
        self.assertEqual(self.world.status("guest")["state"], "running")

    def test_not_needed(self):
        self.boot()
        self.assertEqual(self.world.run("adopt", "guest").stdout, "guest: has its supervisor\n")
        self.leave()
        self.world.run("kill", "guest")
        self.assertIn("not running", self.world.run("adopt", "guest", status=8).stderr)

    def test_replaced(self):
        """After an upgrade of qvm: the guest notices nothing."""
        self.boot('net.lan = { type = "user" }\n')
        before = self.world.status("guest")
        self.leave()
        result = self.world.run("adopt", "--replace", "guest")
        self.assertEqual((result.stdout, result.stderr), ("guest: running\n", ""))
        after = self.world.status("guest")
        self.assertNotEqual(before["supervisor-pid"], after["supervisor-pid"])
        self.assertEqual([before[key] for key in ("qemu-pid", "helpers", "limits", "generation")],
                         [after[key] for key in ("qemu-pid", "helpers", "limits", "generation")])
        self.assertIn("42", self.ask_anew("echo $((6*7))"))
        self.leave()
        self.stop_by_button("guest")

    def test_not_replaced_where_the_vm_would_end(self):
        self.boot('lifecycle.on-supervisor-death = "kill"\n')
        self.assertIn("on-supervisor-death", self.world.run("adopt", "--replace", "guest", status=6).stderr)
        self.assertEqual(self.world.status("guest")["state"], "running")

    def test_a_stranger_on_the_monitor(self):
        """Who is connected to QEMU's own monitor keeps everybody else out: it is said, and the guest runs on."""
        self.boot()
        self.orphan()
        sockets = pathlib.Path(self.world.runtime) / "guest"
        stranger = harness.QmpClient(str(sockets / "monitor.sock"))
        try:
            words = self.world.run("adopt", "guest", status=6).stderr
            self.assertIn("could not be given a new supervisor", words)
            self.assertIn("the guest runs on", words)
            self.assertEqual(self.world.status("guest")["state"], "orphaned")
        finally:
            stranger.close()
        self.adopt()

    def test_a_guest_that_panicked_meanwhile(self):
        self.boot('device.panic = { driver = "pvpanic" }\nlifecycle.on-crash = "restart"\n')
        self.orphan()
        self.console.close()
        self.console = None
        client = harness.QmpClient(str(pathlib.Path(self.world.runtime) / "guest" / "monitor.sock"))
        client.execute("human-monitor-command", {"command-line": "o /b 0x505 1"})
        client.wait_event("GUEST_PANICKED")
        client.close()
        self.adopt()
        self.assertTrue(self.world.report("guest", boots=2).complete)

    def test_killed_with_its_supervisor(self):
        self.boot('lifecycle.on-supervisor-death = "kill"\n')
        os.kill(self.world.status("guest")["supervisor-pid"], signal.SIGKILL)
        harness.wait_until(lambda: self.world.status("guest")["state"] == "died", "the VM to be dead")
        harness.wait_until(lambda: not self.world.processes(), lambda: f"no process left: {self.world.leftovers()}")
        self.leave()
        self.world.run("up", self.file)


class InFlight(Adopt):
    """The supervisor is killed while it applies."""

    def settles(self, more):
        """A new supervisor comes to an end with it, and another apply makes the rest."""
        self.adopt()
        harness.wait_until(lambda: self.world.status("guest")["pending"] == [], "nothing to be pending", 60)
        plan = self.world.run("plan", self.file)
        self.assertNotIn("beside qvm", plan.stderr, plan.stdout)
        self.apply(more)
        self.unchanged()
        return plan.stdout

    def kill_in_apply(self, line, *words):
        """At the first moment the log has so many lines of an apply."""
        log = pathlib.Path(self.world.environment()["XDG_STATE_HOME"]) / "qvm/guest/supervisor.log"
        before = log.read_text().count("apply: ")
        supervisor = self.world.status("guest")["supervisor-pid"]
        process = self.world.start("apply", "--yes", self.file, *words, stdout=harness.subprocess.DEVNULL, stderr=harness.subprocess.PIPE)
        end = time.monotonic() + 30
        while log.read_text().count("apply: ") < before + line and process.poll() is None and time.monotonic() < end:
            pass
        os.kill(supervisor, signal.SIGKILL)
        words = process.communicate()[1].decode()
        harness.reaper.forget(process)
        harness.wait_until(lambda: self.world.status("guest")["state"] == "orphaned", "the VM to be orphaned")
        return process.returncode, words

    def test_what_it_adds(self):
        self.boot(qemu=())
        more = 'iothread.more = {}\nnet.lan = { type = "user" }\n' + self.disk("one") + self.disk("two")
        undone = 0
        for line in range(1, 11):
            with self.subTest(line=line):
                self.write(more)
                status, words = self.kill_in_apply(line)
                self.assertIn(status, (0, 11), words)
                plan = self.settles(more)
                undone += "+ device.two" in plan
                self.apply("")
        self.assertGreater(undone, 0)
        self.assertEqual(self.fdsets(), set())

    def test_what_it_takes_away(self):
        self.boot(qemu=())
        more = 'iothread.more = {}\n' + self.disk("one") + self.disk("two")
        for line in range(1, 9):
            with self.subTest(line=line):
                self.apply(more)
                self.write("")
                status, words = self.kill_in_apply(line)
                self.assertIn(status, (0, 11), words)
                self.settles("")
                self.assertEqual(self.nodes(), set())
        self.assertEqual(self.fdsets(), set())

    def test_a_device_that_was_pending(self):
        self.boot(self.disk("data"))
        self.world.run("pause", "guest")
        self.apply("", status=5)
        self.orphan()
        self.adopt()
        self.world.run("resume", "guest")
        harness.wait_until(lambda: self.world.status("guest")["pending"] == [], "the disk to go")
        self.assertEqual(self.nodes(), set())

    def test_a_device_that_went_meanwhile(self):
        base = 'machine.accel = "tcg"\nmemory = "128M"\n'
        self.qemu, self.options = (), {}
        self.file = self.world.write("guest/vm.toml", base + self.disk("data"))
        self.world.run("up", self.file)
        self.world.write("guest/vm.toml", base)
        self.world.run("apply", "--yes", "--unplug-timeout", "1s", self.file, status=5)
        self.orphan()
        client = harness.QmpClient(str(pathlib.Path(self.world.runtime) / "guest" / "monitor.sock"))
        client.execute("system_reset")
        client.wait_event("DEVICE_DELETED")
        client.close()
        self.adopt()
        self.assertEqual(self.world.status("guest")["pending"], [])
        self.assertEqual(self.nodes(), set())


if __name__ == "__main__":
    harness.main()
