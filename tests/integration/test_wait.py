#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`qvm up --wait`: back when the guest answers, and honest when it does not."""
import shutil
import unittest

import harness


class Wait(harness.TestCase):
    def test_console(self):
        log = self.world.write("home/console.log", "before\n")
        file = self.world.write("guest/vm.toml", self.world.guest_toml(head=f'console.log = "{log}"'))
        said = self.world.run("up", "--wait", file).stdout
        self.assertIn("guest: it speaks on its console, after ", said)
        self.assertTrue(self.world.log("guest"))
        self.world.report("guest")
        self.assertTrue(log.read_text().startswith("before\nguest: "), log.read_text()[:200])
        self.assertIn("runs already", self.world.run("up", "--wait=console", file).stdout)
        refusals = (("agent", "say agent = true"), ("ssh", "2222 -> 22"))
        for sign, way in refusals:
            self.assertIn(way, self.world.run("up", f"--wait={sign}", file, status=1).stderr)
        self.world.run("kill", "guest")
        for sign, way in refusals:
            self.assertIn(way, self.world.run("up", f"--wait={sign}", file, status=1).stderr)
            self.assertEqual(self.world.qemus(), [], "a VM that can never tell is not started for it")
        self.assertIn("it takes ssh, agent or console", self.world.run("up", "--wait=web", file, status=1).stderr)
        self.assertIn("--timeout", self.world.run("up", "--wait", "--timeout", "5 apples", file, status=1).stderr)

    def test_no_answer(self):
        """A guest without an agent: it runs on, and the exit status says that nobody answered."""
        file = self.world.write("guest/vm.toml", self.world.guest_toml(head="agent = true"))
        result = self.world.run("up", "--wait", "--timeout", "2s", file, status=10)
        self.assertIn("its agent did not answer", result.stderr)
        self.assertEqual(self.world.status("guest")["state"], "running")
        waiting = self.world.start("up", "--wait", "--timeout", "60s", file)
        with self.assertRaises(Exception):
            waiting.wait(1)
        self.world.run("kill", "guest")
        self.assertEqual(waiting.wait(30), 12)

    @unittest.skipUnless(shutil.which("passt"), "passt is not installed")
    def test_ssh(self):
        """The guest has no SSH server: what greets as one does stands for it."""
        port = harness.free_port()
        more = f'[net.lan]\ntype = "user"\nforward = ["{port} -> 22"]\n'
        file = self.world.write("guest/vm.toml", self.world.guest_toml(more))
        self.assertIn("its ssh did not answer", self.world.run("up", "--wait", "--timeout", "1s", file, status=10).stderr)
        self.world.report("guest")
        console = self.world.console("console", "guest")
        console.send("while :; do echo SSH-2.0-busybox | nc -l -p 22; done &\n")
        said = self.world.run("up", "--wait=ssh", "--timeout", "120s", file).stdout
        self.assertIn("its SSH server answers", said)
        console.close()


if __name__ == "__main__":
    harness.main()
