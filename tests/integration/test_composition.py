#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM said in several files: what it inherits counts from its start to the last of its changes."""
import json

import harness

BASE = """\
machine.accel = "tcg"
memory = "128M"
disk.data.file = "${images}/data.raw"
disk.scratch.file = "${images}/scratch.raw"
vars.images = "${dir}/images"
"""


class Composition(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.world.directory("base/images")
        for name in ("data", "scratch", "more"):
            self.world.image(f"base/images/{name}.raw", "8M")
        self.base = self.world.write("base/base.toml", BASE)
        self.file = self.world.write("guest/vm.toml", 'extends = "../base/base.toml"\nunset = ["disk.scratch"]\n')

    def disks(self):
        return {device["qdev"].split("/")[3] for device in self.world.qmp("guest", "query-block")}

    def applied(self):
        return json.loads((self.world.base / "state/qvm/guest/applied.json").read_text())

    def test_from_start_to_change(self):
        self.world.run("up", self.file, "--unset", "disk.data", "--set", "vars.images=nowhere")
        self.assertEqual(self.disks(), set())
        self.assertRegex(self.world.run("status", "guest").stdout, r"--unset +disk\.data\n")
        # The name stands for the files and the words of the start.
        self.assertIn("nothing to change", self.world.run("apply", "--yes", "guest").stdout)
        self.world.run("apply", "--yes", self.file)
        self.assertEqual(self.disks(), {"data"})
        self.assertEqual(self.applied()["set"], [])
        self.assertEqual(len(self.applied()["files"]), 1)
        self.base.write_text(BASE + 'disk.more = { file = "${images}/more.raw" }\n')
        self.world.run("apply", "--yes", "guest")
        self.assertEqual(self.disks(), {"data", "more"})

    def test_a_saved_plan_knows_what_was_inherited(self):
        self.world.run("up", self.file, "--unset", "disk.data")
        plan = self.world.directory("plans") / "p.plan"
        self.world.run("plan", "-o", plan, self.file)
        self.base.write_text(BASE + "\n")
        result = self.world.run("apply", plan, status=2)
        self.assertIn("base.toml has changed; nothing was changed", result.stderr)
        self.assertEqual(self.disks(), set())
        self.world.run("plan", "-o", plan, self.file, "--unset", "disk.data.discard", "--unset", "disk.data")
        self.world.run("plan", "-o", plan, self.file, "--set", "disk.data.serial=1")
        self.world.run("apply", plan)
        self.assertEqual(self.disks(), {"data"})

    def test_where_what_was_said(self):
        shown = self.world.run("show", "--origin", self.file).stdout
        self.assertRegex(shown, r'memory.size = "128M" +# .*base/base\.toml:2:10\n')
        self.base.write_text(BASE.replace("128M", "128Q"))
        error = self.world.run("check", self.file, status=2).stderr
        self.assertRegex(error, r"base/base\.toml:2:10: error: .*\[bad-size\]")
        self.assertRegex(error, r"= via .*guest/vm\.toml:1:11\n")

    def test_words_that_say_nothing(self):
        for words, told in ((("--set", "memory"), "--set takes KEY=VALUE, not 'memory'"),
                            (("--unset", "memory=1G"), "--unset takes KEY, not 'memory=1G'")):
            self.assertIn(told, self.world.run("check", self.file, *words, status=1).stderr)
        warned = self.world.run("check", self.file, "--unset", "disk.dta").stderr
        self.assertIn("--unset:1:1: warning: there is nothing to unset: disk has no 'dta' [unused]", warned)
        self.assertIn("did you mean 'data'?", warned)

    def test_templates(self):
        home = self.world.directory("home")
        self.world.write("home/qvm/templates/small.toml", 'memory = "64M"\nmachine.accel = "tcg"\n')
        file = self.world.write("other/vm.toml", 'extends = "small"\n')
        environment = {"XDG_CONFIG_HOME": str(home)}
        self.assertIn('size = "64M"', self.world.run("show", file, env=environment).stdout)
        file.write_text('extends = "smal"\n')
        error = self.world.run("show", file, env=environment, status=2).stderr
        self.assertIn("there is no template 'smal' [bad-ref]", error)
        self.assertIn("did you mean 'small'?", error)


if __name__ == "__main__":
    harness.main()
