# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs on a running VM, and what they say about one that does not run."""
import json
import os
import pathlib
import signal

import harness


def parent_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


class Up(harness.TestCase):
    def test_second_up(self):
        file = self.start_guest("guest")
        self.world.report("guest")
        again = self.world.run("up", file)
        self.assertIn("runs already", again.stdout)
        changed = self.world.run("up", file, "--set", "memory=200M", status=3)
        self.assertIn("qvm apply", changed.stderr)
        self.assertIn("qvm restart", changed.stderr)
        file.write_text(file.read_text().replace("192M", "210M"))
        self.world.run("up", file, status=3)
        self.assertEqual(self.world.log("guest").count("guest: ready"), 1)

    def test_set_is_kept_by_name(self):
        file = self.start_guest("guest", up=["--set", "cpus=2"])
        self.assertEqual(self.world.report("guest").words["cpus"], "2")
        self.world.run("up", "guest")  # by name: with the --set of the start
        self.world.run("up", file, status=3)  # by file: without
        self.world.run("kill", "guest")
        self.world.run("up", "guest")
        self.assertEqual(self.world.report("guest", boots=1).words["cpus"], "2")

    def test_foreground_and_sigterm(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml())
        process = self.world.start("up", "--foreground", file, stdout=harness.subprocess.PIPE, stderr=harness.subprocess.PIPE, text=True)
        harness.wait_until(lambda: "running" in self.world.run("ls").stdout, "the VM to run")
        self.world.report("guest")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=90)
        harness.reaper.forget(process)
        self.assertEqual(process.returncode, 0, out + err)

    def test_foreground_and_the_guest_powers_off(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml(append="qvm.auto=poweroff"))
        result = self.world.run("up", "--foreground", file)
        self.assertIn("ended", result.stdout)

    def test_broken_file(self):
        file = self.world.write("guest/vm.toml", 'memory = "4GB"\nmachne = "q35"\n')
        result = self.world.run("up", file, status=2)
        self.assertIn(":1:10: error:", result.stderr)
        self.assertIn("did you mean 'machine'?", result.stderr)
        self.assertFalse((self.world.base / "state/qvm/guest").exists())

    def test_missing_disk(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml('disk.a = { file = "gone.qcow2" }'))
        result = self.world.run("up", file, status=2)
        self.assertIn("gone.qcow2", result.stderr)
        self.assertIn("[file-missing]", result.stderr)


class Running(harness.TestCase):
    def test_pause_resume_reset(self):
        self.start_guest("guest")
        self.world.report("guest")
        self.world.run("pause", "guest")
        self.assertEqual(self.world.qmp("guest", "query-status")["status"], "paused")
        self.assertEqual(self.world.status("guest")["guest"], "paused")
        self.world.run("resume", "guest")
        self.assertEqual(self.world.qmp("guest", "query-status")["status"], "running")
        self.world.run("reset", "guest")
        self.assertTrue(self.world.report("guest", boots=2).complete)

    def test_stop(self):
        self.start_guest("guest")
        self.world.report("guest")
        self.stop_by_button("guest")
        self.assertEqual(self.world.status("guest")["state"], "stopped")
        again = self.world.run("stop", "guest")
        self.assertIn("not running", again.stdout)

    def test_stop_of_a_paused_guest(self):
        self.start_guest("guest")
        self.world.report("guest")
        self.world.run("pause", "guest")
        self.stop_by_button("guest")

    def test_stop_of_a_deaf_guest(self):
        """A guest that hears no button: the timeout, then quit."""
        file = self.world.write("deaf/vm.toml", 'memory = "64M"\nmachine.accel = "tcg"\n')
        self.world.run("up", file)
        result = self.world.run("stop", "--timeout", "1s", "deaf")
        self.assertIn("stopped", result.stdout)
        self.assertEqual(self.world.status("deaf")["state"], "stopped")

    def test_kill_and_rm(self):
        self.start_guest("guest")
        refused = self.world.run("rm", "--yes", "guest", status=1)
        self.assertIn("running", refused.stderr)
        self.world.run("kill", "guest")
        self.assertIn("not running", self.world.run("kill", "guest").stdout)
        asked = self.world.run("rm", "guest", status=1)
        self.assertIn("--yes", asked.stderr)
        self.world.run("rm", "--yes", "guest")
        self.world.run("status", "guest", status=8)
        self.assertFalse((self.world.base / "state/qvm/guest").exists())

    def test_log(self):
        self.start_guest("guest")
        self.world.report("guest")
        self.assertIn("guest: ready", self.world.run("log", "--console", "guest").stdout)
        self.world.run("log", "guest")
        self.world.run("kill", "guest")
        self.assertIn("guest: ready", self.world.run("log", "--console", "guest").stdout)

    def test_guest_powers_off_by_itself(self):
        self.start_guest("guest", append="qvm.auto=poweroff")
        harness.wait_until(lambda: self.world.status("guest")["state"] == "stopped", "the guest to be off", harness.BOOT_DEADLINE, 0.2)

    def test_qmp_and_events(self):
        self.start_guest("guest")
        events = self.world.start("events", "--count", "1", "--timeout", "30s", "guest", stdout=harness.subprocess.PIPE, text=True)
        harness.wait_until(lambda: self.world.status("guest").get("attach-clients", 0) >= 2, "qvm events to be attached")
        self.world.run("pause", "guest")
        out, _ = events.communicate(timeout=60)
        harness.reaper.forget(events)
        self.assertEqual(json.loads(out)["event"], "STOP")
        self.assertEqual(events.returncode, 0)
        bad = self.world.run("qmp", "guest", "query-statuss", status=1)
        self.assertIn("guest: query-statuss: ", bad.stderr)
        self.assertIn("did you mean 'query-status'?", bad.stderr)
        self.world.run("qmp", "nobody", "query-status", status=8)

    def test_several_foreign_clients(self):
        if self.world.uid != os.geteuid():
            self.skipTest("the attach socket of another user; runs as root's own")
        self.start_guest("guest")
        path = self.world.status("guest")["attach-socket"]
        clients = [harness.QmpClient(path) for _ in range(3)]
        for client in clients:
            self.addCleanup(client.close)
            self.assertEqual(client.execute("query-status", request_id="same")["return"]["status"], "running")
        clients[0].execute("stop")
        for client in clients:
            client.wait_event("STOP")
        self.assertEqual(clients[1].execute("no-such-command")["error"]["class"], "CommandNotFound")
        # A client that goes away in the middle of a line disturbs nobody.
        clients[2].socket.sendall(b'{"execute": "query-st')
        clients[2].close()
        self.assertEqual(clients[0].execute("cont"), {"return": {}, "id": "1"})
        clients[1].wait_event("RESUME")


    def test_a_guest_that_reboots_is_started_again(self):
        self.start_guest("guest", 'lifecycle.on-reboot = "restart"\n')
        self.world.report("guest")
        before = self.world.status("guest")
        console = self.world.console("console", "guest")
        self.addCleanup(console.close)
        console.expect("guest: ready")  # replayed
        console.send("\nreboot\n")
        self.assertTrue(self.world.report("guest", boots=2).complete)
        after = self.world.status("guest")
        self.assertEqual(after["restarts"], 1)
        for process in ("qemu-pid", "jail-pid", "supervisor-pid"):
            self.assertNotEqual(before[process], after[process])
        console.expect("was started again")
        console.send("\necho again $((40 + 2))\n")
        console.expect("again 42")
        # At any moment of a restart.
        self.world.run("reset", "guest")
        self.world.run("stop", "--timeout", "1s", "guest")
        self.assertEqual(self.world.run("ls", "--json").stdout.count("running"), 0)
        for moment in range(8):
            with self.subTest(moment=moment):
                self.world.run("up", "guest")
                self.world.run("reset", "guest")
                harness.time.sleep(moment * 0.03)
                self.world.run("kill", "guest")
                self.assertEqual(self.world.processes(), [])

    def test_without_its_spawner_a_reboot_is_the_end(self):
        self.start_guest("guest", 'lifecycle.on-reboot = "restart"\n')
        supervisor = self.world.status("guest")["supervisor-pid"]
        os.kill(parent_of(supervisor), signal.SIGKILL)
        self.assertEqual(self.world.run("ls", "--json").stdout.count("running"), 1)
        self.world.run("reset", "guest")
        harness.wait_until(lambda: "which ends it" in self.world.run("status", "guest").stdout, "the VM to end")

    def test_the_death_of_a_supervisor_ends_its_spawner(self):
        self.start_guest("guest", 'lifecycle.on-reboot = "restart"\n')
        os.kill(self.world.status("guest")["supervisor-pid"], signal.SIGKILL)
        harness.wait_until(lambda: "orphaned" in self.world.run("ls").stdout, "the VM to be orphaned")
        self.world.run("kill", "guest")

    def test_hooks(self):
        """Each is run with what it needs to know, the last one before `stop` returns; a failing one is told."""
        script = self.world.write("guest/hook.sh", '#!/bin/sh\necho "$QVM_EVENT:$1:$QVM_NAME:$QVM_EXIT:$PWD:$(cat)" >> hooks.txt\n'
                                  'echo "said by $QVM_EVENT"\n[ "$QVM_EVENT" != crashed ]\n')
        script.chmod(0o755)
        script.parent.chmod(0o777)  # the user who runs the VM writes there
        record = script.parent / "hooks.txt"
        hooks = 'lifecycle.hooks = { started = ["./hook.sh", "a b"], stopped = ["./hook.sh", "$x"], crashed = ["./hook.sh", ""] }\n'
        self.start_guest("guest", 'device.panic = { driver = "pvpanic" }\nattach.allow = "all"\nlifecycle.on-crash = "pause"\n' + hooks)
        harness.wait_until(lambda: record.exists() and record.read_text().count("\n") == 1, "the first hook")
        directory = script.parent
        self.assertEqual(record.read_text(), f"started:a b:guest::{directory}:\n")
        self.assertEqual(self.world.status("guest")["hooks"], {})
        self.world.qmp("guest", "human-monitor-command", {"command-line": "o /b 0x505 1"})
        harness.wait_until(lambda: self.world.status("guest")["hooks"] != {}, "the failing hook")
        self.assertEqual(self.world.status("guest")["hooks"], {"crashed": "it exited with status 1"})
        self.assertRegex(self.world.run("status", "guest").stdout, "hook crashed +failed: it exited with status 1")
        self.world.run("stop", "--timeout", "1s", "guest")
        self.assertEqual(record.read_text().splitlines()[1:], [f"crashed::guest::{directory}:", f"stopped:$x:guest:stopped:{directory}:"])
        log = self.world.run("log", "guest").stdout
        for text in ("said by started", "warning: hook crashed failed", "hook stopped is done", "said by stopped"):
            self.assertIn(text, log)
        self.assertEqual(self.world.processes(), [])

    def test_a_hook_that_hangs_or_fails(self):
        """It is killed in time, its children, too; the VM does not care, and who kills does not wait."""
        slow = self.world.write("guest/slow", "#!/bin/sh\nsleep 1000 & echo $! > child; wait\n")
        slow.chmod(0o755)
        slow.parent.chmod(0o777)
        self.start_guest("guest", 'lifecycle.hooks = { started = ["./slow"], stopped = ["false"] }\n')
        child = slow.parent / "child"
        harness.wait_until(lambda: child.exists() and child.read_text().strip(), "the hook to run")
        self.assertEqual(self.world.status("guest")["guest"], "running")
        harness.wait_until(lambda: self.world.status("guest")["hooks"], "the hook to be killed", seconds=60)
        self.assertIn("longer than 30 s", self.world.status("guest")["hooks"]["started"])
        pid = int(child.read_text())
        harness.wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists() or
                           pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z", "its child to be killed")
        self.world.run("kill", "guest")
        status = self.world.status("guest")
        self.assertEqual((status["ended"]["how"], status["ended"]["hook"]), ("killed", "it exited with status 1"))
        self.assertRegex(self.world.run("status", "guest").stdout, "hook stopped +failed: it exited with status 1")

    def test_kill_does_not_wait_for_a_hook(self):
        self.start_guest("guest", 'lifecycle.hooks.stopped = ["sleep", "1000"]\n')
        self.world.run("kill", "guest")
        self.assertEqual(self.world.processes(), [])
        self.assertEqual(self.world.status("guest")["state"], "stopped")

    def test_a_hook_that_is_not_there(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml('lifecycle.hooks.started = ["./nothing"]\n'))
        for verb in ("check", "up"):
            result = self.world.run(verb, file, status=2)
            self.assertRegex(result.stderr, r"vm\.toml:\d+:\d+: error: there is no program '/.*/nothing'")
            self.assertIn("lifecycle.hooks.started", result.stderr)

    def test_hooks_in_each_life(self):
        """Of a VM that is started again, and of one with a new supervisor."""
        script = self.world.write("guest/hook.sh", '#!/bin/sh\necho "$QVM_EVENT $QVM_EXIT" >> hooks.txt\n')
        script.chmod(0o755)
        script.parent.chmod(0o777)  # the user who runs the VM writes there
        record = script.parent / "hooks.txt"
        hooks = 'lifecycle.hooks = { started = ["./hook.sh"], stopped = ["./hook.sh"] }\n'
        self.start_guest("guest", 'lifecycle.on-reboot = "restart"\n' + hooks)
        self.world.run("reset", "guest")
        expected = ["started ", "stopped restart", "started "]
        harness.wait_until(lambda: record.exists() and record.read_text().splitlines() == expected, "the second life's hook")
        for death in range(2):
            os.kill(self.world.status("guest")["supervisor-pid"], signal.SIGKILL)
            harness.wait_until(lambda: "orphaned" in self.world.run("ls").stdout, "the VM to be orphaned")
            self.world.run("adopt", "guest")
            self.world.run("adopt", "--replace", "guest")
            self.assertEqual(record.read_text().splitlines(), expected)
        self.world.run("stop", "--timeout", "1s", "guest")
        self.assertEqual(record.read_text().splitlines(), [*expected, "stopped stopped"])
        self.assertEqual(self.world.processes(), [])

    def test_in_the_foreground_a_restart_is_told(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml('lifecycle.on-reboot = "restart"\n'))
        process = self.world.start("up", "--foreground", file, stdout=harness.subprocess.PIPE, stderr=harness.subprocess.PIPE, text=True)
        harness.wait_until(lambda: "running" in self.world.run("ls").stdout, "the VM to run")
        self.world.run("reset", "guest")
        harness.wait_until(lambda: "restarts" in self.world.run("status", "guest").stdout, "the VM to run again")
        self.world.report("guest")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=90)
        harness.reaper.forget(process)
        self.assertEqual(process.returncode, 0, out + err)
        self.assertIn("it is started again", out)
        self.assertIn("running again", out)

    def test_a_guest_that_panics_is_restarted(self):
        """A 1 at the port of pvpanic is what the kernel of a guest says as it panics."""
        more = 'device.panic = { driver = "pvpanic" }\nlifecycle.on-crash = "restart"\nattach.allow = "all"\n'
        self.start_guest("guest", more)
        self.world.report("guest")
        self.world.qmp("guest", "human-monitor-command", {"command-line": "o /b 0x505 1"})
        self.assertTrue(self.world.report("guest", boots=2).complete)
        self.assertIn("the guest panicked", self.world.run("log", "guest").stdout)

    def test_the_jail_shows_what_is_bound(self):
        shown = self.world.directory("shown")
        (shown / "file").write_text("text")
        self.start_guest("guest", f'jail = {{ binds-ro = ["{shown}/"], on-violation = "kill" }}\n')
        self.world.report("guest")
        root = pathlib.Path(f"/proc/{self.world.status('guest')['qemu-pid']}/root")
        self.assertEqual((root / str(shown / "file").lstrip("/")).read_text(), "text")
        with self.assertRaises(OSError):
            (root / str(shown / "file").lstrip("/")).write_text("changed")

    def test_the_supervisor_is_hardened(self):
        """What the kernel says of it: nothing to gain, nothing to execute, as root only the right to kill."""
        self.start_guest()
        pid = self.world.status("guest")["supervisor-pid"]
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
        status = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")
        self.assertIn(int(status["CapEff"], 16), (0, 1 << 5))
        self.assertEqual(status["CapEff"], status["CapPrm"])
        self.assertEqual(int(status["CapAmb"], 16), 0)


class Consoles(harness.TestCase):
    def test_talk_and_leave(self):
        self.start_guest("guest")
        self.world.report("guest")
        console = self.world.console("console", "guest")
        self.addCleanup(console.close)
        console.expect("guest: ready")  # replayed
        console.send("\necho $((6 * 7))-fine\n")
        console.expect("42-fine")
        console.send("echo sleeping-$((2 + 3)); sleep 1000\n")
        console.expect("sleeping-5")
        for _ in range(30):  # Ctrl-C goes to the guest, whose shell may not have started `sleep` yet
            console.send("\x03")
            if console.sees("/ # ", 2):
                break
        console.send("echo still-$((40 + 4))\n")
        console.expect("still-44")
        console.send("\x1d.")
        self.assertEqual(console.wait(), 0)
        self.assertTrue(console.terminal_restored())
        self.assertEqual(self.world.status("guest")["state"], "running")

    def test_two_people(self):
        self.start_guest("guest")
        self.world.report("guest")
        people = [self.world.console("console", "guest") for _ in range(2)]
        for console in people:
            self.addCleanup(console.close)
            console.expect("guest: ready")
        people[0].send("\necho $((6 * 7))-for-both\n")
        for console in people:
            console.expect("42-for-both")

    def test_the_vm_ends(self):
        self.start_guest("guest")
        self.world.report("guest")
        console = self.world.console("console", "guest")
        self.addCleanup(console.close)
        console.expect("guest: ready")
        console.send("\npoweroff\n")
        console.wait(60)
        self.assertTrue(console.terminal_restored())

    def test_up_console(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml())
        console = self.world.console("up", "--console", file)
        self.addCleanup(console.close)
        console.expect("guest: ready")
        console.send("\x1d.")
        self.assertEqual(console.wait(), 0)
        self.assertTrue(console.terminal_restored())

    def test_restored_after_a_signal(self):
        self.start_guest("guest")
        self.world.report("guest")
        console = self.world.console("console", "guest")
        self.addCleanup(console.close)
        console.expect("guest: ready")
        harness.wait_until(lambda: not console.terminal_restored(), "the terminal to be raw")
        console.process.send_signal(signal.SIGTERM)
        console.wait()
        self.assertTrue(console.terminal_restored())

    def test_virtio(self):
        self.start_guest("guest", 'console = "virtio"', append="console=hvc0")
        console = self.world.console("console", "guest")
        self.addCleanup(console.close)
        # The report went to the console the kernel had before it loaded the driver.
        console.expect("/ # ")
        console.send("tty; echo $((6 * 7))-fine\n")
        console.expect("/dev/hvc0")
        console.expect("42-fine")


if __name__ == "__main__":
    harness.main()
