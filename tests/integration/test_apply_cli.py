#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of change: JSON, saved plans, `qvm diff`, the steps and Ctrl-C of an apply at work."""
import json
import os
import pathlib
import shutil
import signal
import stat

import harness

# No guest in it: the firmware lets no device go.
FIRMWARE = 'machine.accel = "tcg"\nmemory = "128M"\n'


class Cli(harness.TestCase):
    def start(self, more="", base=FIRMWARE):
        self.file = self.world.write("guest/vm.toml", base + more)
        self.world.run("up", self.file)

    def write(self, more, base=FIRMWARE):
        self.world.write("guest/vm.toml", base + more)

    def disk(self, name, more=""):
        path = self.world.base / f"{name}.raw"
        if not path.exists():
            self.world.image(path.name, "8M")
        return f'[disk.{name}]\nfile = "{path}"\nserial = "{name.upper()}"\n{more}\n'

    def nodes(self):
        return {node["node-name"] for node in self.world.qmp("guest", "query-named-block-nodes")}

    def log(self):
        return self.world.run("log", "guest").stdout


class AsJson(Cli):
    def apply(self, *words, status=0):
        result = self.world.run("apply", "--json", *words, self.file, status=status)
        report = json.loads(result.stdout)
        self.assertEqual(report["exit"]["status"], status)
        return report, result

    def test_done(self):
        self.start()
        self.write(self.disk("data"))
        plan = json.loads(self.world.run("plan", "--json", self.file).stdout)
        report, result = self.apply("--yes")
        self.assertEqual(report["changes"], plan["changes"])
        self.assertEqual((report["vm"], report["generation"], report["revision"]), ("guest", plan["generation"], plan["revision"]))
        self.assertIn("device_add device.data", report["done"])
        self.assertIsNone(report["failed"])
        self.assertIsNone(report["error"])
        self.assertEqual(result.stderr, "")
        report, _ = self.apply("--yes")
        self.assertEqual((report["changes"], report["done"]), ([], []))

    def test_failed(self):
        self.start()
        self.write(self.disk("zbad", more="device = { logical_block_size = 1000 }"))
        report, _ = self.apply("--yes", status=6)
        self.assertEqual(report["failed"]["step"], "device_add device.zbad")
        self.assertRegex(report["failed"]["origin"], r"vm.toml:\d+:\d+")
        self.assertIn("block", report["failed"]["reason"])
        self.assertEqual((report["done"], report["not-undone"]), ([], []))

    def test_pending_and_next_start(self):
        self.start(self.disk("data"))
        self.write("")
        report, _ = self.apply("--yes", "--unplug-timeout", "200ms", status=5)
        self.assertEqual(report["pending"], ["device.data"])
        self.write("", base=FIRMWARE.replace("128M", "160M"))
        report, _ = self.apply("--yes", "--unplug-timeout", "200ms", status=5)
        self.assertIn("next-start", {change["action"] for change in report["changes"]})

    def test_not_done(self):
        """Without a terminal and without --yes; a broken file; a VM that does not run."""
        self.start()
        self.write(self.disk("data"))
        report, result = self.apply(status=1)
        self.assertIn("--yes", result.stderr)
        self.assertIn("nothing was changed", report["error"]["what"])
        self.assertEqual((report["done"], len(report["changes"])), ([], 2))
        self.assertNotIn("apply:", self.log())
        self.write("[disk.data]\nfil = 1\n")
        report, result = self.apply("--yes", status=2)
        self.assertTrue(report["findings"])
        self.assertIn("vm.toml:4:1", result.stderr.replace("vm.toml:3:1", "vm.toml:4:1"))
        self.world.run("kill", "guest")
        self.write("")
        report, result = self.apply("--yes", status=8)
        self.assertIn("not running", report["error"]["what"])

    def test_no_secret(self):
        self.start()
        self.write('[object.pw]\nqom-type = "secret"\ndata = "hunter2"\n')
        plan = self.world.directory("plans") / "guest.plan"
        texts = [self.world.run("plan", self.file).stdout, self.world.run("plan", "--json", "-o", plan, self.file).stdout,
                 plan.read_text(), self.world.run("apply", "--json", "--yes", self.file).stdout]
        self.assertNotIn("hunter2", "".join(texts))


class SavedPlan(Cli):
    def setUp(self):
        super().setUp()
        self.plans = self.world.directory("plans")

    def run_here(self, *words, **options):
        return self.world.run(*words, cwd=self.plans, **options)

    def save(self, *words, status=0):
        result = self.run_here("plan", "-o", "guest.plan", self.file, *words, status=status)
        return self.plans / "guest.plan", result

    def test_does_what_it_showed(self):
        self.start()
        self.write(self.disk("data"))
        path, result = self.save()
        self.assertIn("saved: `qvm apply guest.plan`", result.stdout)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        plan = json.loads(path.read_text())
        self.assertEqual((plan["qvm-plan"], plan["vm"], len(plan["changes"])), (1, "guest", 2))
        self.assertEqual(list(self.plans.glob("guest.plan*")), [path])
        self.assertIn("+ device.data", self.run_here("apply", "guest.plan").stdout)
        self.assertIn("data", self.nodes())
        again = self.run_here("apply", "guest.plan", status=2)
        self.assertIn("changed by another apply", again.stderr)

    def refused(self, words, *arguments):
        before = self.log()
        result = self.run_here("apply", *arguments, "guest.plan", status=2)
        self.assertIn(words, result.stderr)
        self.assertIn("qvm plan -o", result.stderr)
        self.assertEqual(self.log(), before)

    def test_out_of_date(self):
        self.start()
        self.write(self.disk("data"))
        self.save()
        with open(self.file, "a", encoding="utf-8") as file:
            file.write("# no more than a comment\n")
        self.refused("vm.toml has changed")
        self.write("[nonsense\n")
        self.refused("vm.toml has changed")
        self.write(self.disk("data"))
        self.world.run("apply", "--yes", "--set", "iothread.io={}", self.file)
        self.refused("guest was changed by another apply")
        self.save()
        self.world.run("kill", "guest")
        self.assertIn("not running", self.run_here("apply", "guest.plan", status=8).stderr)
        self.world.run("up", self.file)
        self.refused("guest was started anew")
        self.file.unlink()
        self.assertIn("vm.toml", self.run_here("apply", "guest.plan", status=2).stderr)

    def test_drift_since(self):
        """With the same files and numbers, what would be done may still be something else."""
        self.start(self.disk("data") + "[iothread.io]\n", base='attach.allow = "all"\n' + FIRMWARE)
        self.save("--fix-drift")
        self.world.run("qmp", "guest", "object-del", '{"id": "io"}')
        self.refused("its changes would be others than those it shows")
        self.save("--fix-drift")
        self.assertIn("+ object.io", self.run_here("apply", "guest.plan").stdout)

    def test_options_and_overrides(self):
        self.start(self.disk("data"))
        self.write(self.disk("data", more="device = { num-queues = 2 }"))
        self.assertIn("needs", self.world.run("plan", "--replug", self.file, status=1).stderr.lower().replace("requires", "needs"))
        self.save("--replug", "--set", "lifecycle.stop-timeout=7s")
        self.assertIn("it says -f, --set", self.run_here("apply", "--replug", "guest.plan", status=1).stderr)
        elsewhere = self.world.directory("elsewhere")
        report = json.loads(self.world.run("apply", "--json", "--unplug-timeout", "100ms", "../plans/guest.plan", status=5,
                                           cwd=elsewhere).stdout)
        self.assertEqual(report["pending"], ["device.data"])
        applied = json.loads((self.world.base / "state/qvm/guest/applied.json").read_text())
        self.assertEqual(applied["set"], ["lifecycle.stop-timeout=7s"])

    def test_mistaken(self):
        """A plan is no VM's file, a VM's file is never overwritten, and what is damaged is told."""
        self.start()
        self.write(self.disk("data"))
        self.save()
        self.assertIn("is a saved plan", self.run_here("up", "guest.plan", status=1).stderr)
        text = self.file.read_text()
        result = self.world.run("plan", "-o", self.file, self.file, status=1)
        self.assertIn("is there already, and is no saved plan", result.stderr)
        self.assertEqual(self.file.read_text(), text)
        result = self.run_here("plan", "-o", "nowhere/guest.plan", self.file, status=1)
        self.assertIn("the plan cannot be saved", result.stderr)
        self.world.write("plans/bad.plan", '{"qvm-plan": 1}')
        self.assertIn("no saved plan that can be read", self.run_here("apply", "bad.plan", status=2).stderr)
        self.world.write("plans/bad.plan", '{"qvm-plan": 99}')
        self.assertIn("format 99", self.run_here("apply", "bad.plan", status=2).stderr)
        shutil.copy(self.plans / "guest.plan", self.plans / "p")
        self.assertIn("./p", self.run_here("apply", "p", status=8).stderr)
        self.world.run("kill", "guest")
        self.assertIn("does not run", self.save(status=8)[1].stderr)


class AtWork(Cli):
    """An apply that waits for a guest that never lets go, in the hands of a person."""

    def begin(self, before, after, *words):
        self.start(before)
        self.write(after)
        self.terminal = self.world.console("apply", "--yes", "--unplug-timeout", "60s", self.file, *words)
        self.addCleanup(self.terminal.close)

    def press(self):
        self.terminal.process.send_signal(signal.SIGINT)

    def test_steps_are_shown(self):
        self.begin(self.disk("data"), "")
        self.terminal.expect("waiting for the guest to let go of device.data", 20)
        self.press()
        self.terminal.expect("telling its supervisor to stop", 10)
        self.assertEqual(self.terminal.wait(), 5)
        self.assertIn(b"device.data: the guest has not let it go yet", self.terminal.seen)
        self.assertEqual(self.world.status("guest")["pending"], [{"resource": "device.data", "asked": True}])
        self.world.run("reset", "guest")
        harness.wait_until(lambda: "data" not in self.nodes(), "the rest to go with the device")

    def test_steps_come_to_the_one_who_asked(self):
        self.start(self.disk("data"))
        socket = self.world.runtime / "guest/qmp.sock"
        other = harness.QmpClient(socket)
        self.addCleanup(other.close)
        plan = json.loads((self.world.base / "state/qvm/guest/applied.json").read_text())
        order = {"generation": plan["generation"], "revision": plan["revision"], "unplug-timeout-ms": 100, "files": [str(self.file)],
                 "set": [], "operations": {"additions": [{"do": "qmp", "resource": "object.io", "execute": "object-add",
                                                          "arguments": {"qom-type": "iothread", "id": "io"}}],
                                           "changes": [], "removals": [], "replugs": []}}
        mine = harness.QmpClient(socket)
        self.addCleanup(mine.close)
        self.assertEqual(mine.execute("__org.qvm_apply", order)["return"]["done"], ["object-add object.io"])
        step = mine.wait_event("__org.qvm_APPLY_STEP")
        self.assertEqual(step["data"], {"doing": "step", "title": "object-add object.io", "index": 1, "count": 1})
        other.execute("query-status")
        self.assertEqual([event for event in other.events if "APPLY_STEP" in event["event"]], [])
        self.assertEqual(mine.execute("__org.qvm_apply_cancel")["return"], {"cancelled": False})

    def test_stopped(self):
        """It stops before the next step, and what was done is undone."""
        self.start()
        before = self.nodes()
        qemu = self.world.status("guest")["qemu-pid"]
        self.write("".join(f'[net.n{i}]\ntype = "user"\n' for i in range(3)) + self.disk("data"))
        self.terminal = self.world.console("apply", "--yes", self.file)
        self.addCleanup(self.terminal.close)
        # Then it starts the helpers, which takes a while; QEMU is to be in the middle of a command.
        harness.wait_until(self.catches_interrupts, "it to begin", every=0.001)
        os.kill(qemu, signal.SIGSTOP)
        try:
            harness.wait_until(lambda: "apply: take-helper" in self.log(), "the first step")
            self.press()
            self.terminal.expect("telling its supervisor to stop", 10)
            harness.wait_until(lambda: "apply: told to stop" in self.log(), "its supervisor to hear it")
        finally:
            os.kill(qemu, signal.SIGCONT)
        self.assertEqual(self.terminal.wait(), 6, self.terminal.seen)
        self.assertIn(b"guest: stopped\r\n  everything was undone: guest is as it was", self.terminal.seen)
        self.assertEqual((self.nodes(), self.world.status("guest")["helpers"]), (before, {}))
        self.world.run("apply", "--yes", self.file)

    def catches_interrupts(self):
        status = pathlib.Path(f"/proc/{self.terminal.process.pid}/status").read_text()
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        return int(caught.split()[1], 16) >> (signal.SIGINT - 1) & 1

    def test_leaving(self):
        self.begin(self.disk("data"), "")
        self.terminal.expect("waiting for the guest", 20)
        # Its supervisor cannot hear the first.
        supervisor = self.world.status("guest")["supervisor-pid"]
        os.kill(supervisor, signal.SIGSTOP)
        try:
            self.press()
            self.terminal.expect("telling its supervisor to stop", 10)
            self.press()
            self.assertEqual(self.terminal.wait(), 11)
        finally:
            os.kill(supervisor, signal.SIGCONT)
        self.assertIn(b"its supervisor goes on without us", self.terminal.seen)
        self.assertIn(b"qvm plan guest", self.terminal.seen)

    def test_killed(self):
        """Its supervisor finishes what it was told."""
        self.begin(self.disk("data"), self.disk("more"))
        harness.wait_until(lambda: "apply: asking the guest to let go of device.data" in self.log(), "the guest to be asked")
        self.terminal.process.kill()
        self.terminal.wait()
        self.assertTrue(self.world.status("guest")["applying"])
        self.assertIn("apply  ", self.world.run("status", "guest").stdout)
        second = self.world.run("apply", "--yes", self.file, status=1)
        self.assertIn("guest: another apply is at work", second.stderr)
        self.world.run("reset", "guest")
        harness.wait_until(lambda: "data" not in self.nodes(), "the disk to go")
        harness.wait_until(lambda: not self.world.status("guest")["applying"], "the apply to end")
        self.assertIn("more", self.nodes())
        self.assertIn("nothing to change", self.world.run("apply", "--yes", self.file).stdout)

    def test_killed_with_a_helper(self):
        self.begin(self.disk("data"), '[net.lan]\ntype = "user"\n')
        harness.wait_until(lambda: "apply: asking" in self.log(), "the guest to be asked")
        self.terminal.process.kill()
        self.terminal.wait()
        self.world.run("reset", "guest")
        harness.wait_until(lambda: "data" not in self.nodes(), "the disk to go")
        self.assertEqual(self.world.status("guest")["helpers"], {"host.lan.passt": "running"})


class Diff(Cli):
    def diff(self, *words, status=0):
        return self.world.run("diff", *words, status=status).stdout

    def test_a_file_and_itself(self):
        for example in sorted((harness.SOURCE / "examples").glob("*.toml")):
            with self.subTest(example=example.name):
                file = self.world.copy(example, f"project/examples/{example.name}")
                self.assertEqual(self.diff("--exit-code", file, file), "")
                self.assertEqual(json.loads(self.diff("--json", file, file))["changes"], [])

    def test_two_files(self):
        """Nothing runs, and what the files name need not be there."""
        one = self.world.write("one.toml", FIRMWARE + '[disk.a]\nfile = "/nowhere/a.raw"\n')
        two = self.world.write("two.toml", FIRMWARE.replace("128M", "256M") + '[disk.b]\nfile = "/nowhere/b.raw"\n')
        out = self.diff("--exit-code", one, two, status=3)
        for line in ("! memory", "+ device.b", "- device.a", "two.toml:"):
            self.assertIn(line, out)
        self.assertNotIn("name", out)
        self.assertEqual(self.diff("one.toml", "two.toml").replace("two.toml:", ""), out.replace(f"{two}:", ""))
        changes = json.loads(self.diff("--json", one, two))["changes"]
        self.assertEqual([change["action"] for change in changes], ["next-start", "add", "add", "remove", "remove"])
        named = [self.world.write(f"{name}.toml", f'name = "{name}"\n' + FIRMWARE) for name in ("x", "y")]
        self.assertIn("! name  x -> y", self.diff(*named))
        self.assertFalse((self.world.base / "state/qvm/one").exists())

    def test_mistakes(self):
        good = self.world.write("good.toml", FIRMWARE)
        bad = self.world.write("bad.toml", FIRMWARE + "[disk.a]\nfil = 1\n")
        self.assertIn("bad.toml:4:1", self.world.run("diff", good, bad, status=2).stderr)
        self.assertIn("bad.toml:4:1", self.world.run("diff", bad, good, status=2).stderr)
        self.assertIn("no VM is called 'web'", self.world.run("diff", "web", good, status=8).stderr)
        self.world.run("diff", good, status=1)

    def test_what_runs(self):
        self.start(self.disk("data"))
        self.assertEqual(self.diff("--exit-code", "guest", "guest"), "")
        self.assertEqual(self.diff("--exit-code", "guest", self.file), "")
        self.assertEqual(self.diff("--exit-code", self.file, "guest"), "")
        self.write("[iothread.io]\n" + self.disk("data") + self.disk("more"))
        self.assertIn("+ device.more", self.diff("guest", self.file))
        out = self.diff("--exit-code", self.file, "guest", status=3)
        self.assertIn("- device.more", out)
        self.assertNotIn("device.data", out)
        plan = json.loads(self.world.run("plan", "--json", self.file).stdout)
        self.assertEqual(json.loads(self.diff("--json", "guest", self.file))["changes"], plan["changes"])
        self.world.run("kill", "guest")
        self.assertEqual(self.diff("--exit-code", "guest", self.file), "")


if __name__ == "__main__":
    harness.main()
