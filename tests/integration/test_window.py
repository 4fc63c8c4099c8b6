#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A window that QEMU itself opens, in a reduced jail, on an X server without a screen."""
import os
import pathlib
import shutil
import subprocess

import harness

MODULES = pathlib.Path("/usr/lib/x86_64-linux-gnu/qemu")


class Window(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.server = None
        for program in ("Xvfb", "xwininfo"):
            if not shutil.which(program):
                self.skipTest(f"no {program}: tools/setup --tests installs it")

    def tearDown(self):
        self.world.end_all_vms()
        if self.server:
            self.server.terminate()
            self.server.wait(20)
        super().tearDown()

    def start_server(self):
        ours, theirs = os.pipe()
        self.server = self.world.start("-displayfd", str(theirs), "-screen", "0", "800x600x24", "-ac", "-nolisten", "tcp",
                                       program=["Xvfb"], pass_fds=[theirs], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs)
        with os.fdopen(ours) as numbers:
            return ":" + numbers.readline().strip()

    def windows(self, display):
        return subprocess.run(["xwininfo", "-root", "-tree", "-display", display], capture_output=True, text=True, check=True).stdout

    def open_and_look(self, kind):
        if not (MODULES / f"ui-{kind}.so").exists():
            self.skipTest(f"no ui-{kind}.so: tools/setup --tests installs it")
        display = self.start_server()
        file = self.world.write("web.toml", self.world.guest_toml(f'display = "{kind}"', head='jail.mode = "reduced"'))
        self.world.run("up", file, env={"DISPLAY": display})
        harness.wait_until(lambda: "QEMU (web" in self.windows(display), lambda: self.windows(display), 30, 0.3)
        status = self.world.run("status", "--jail", "web").stdout
        self.assertIn("seccomp", status)
        self.assertNotIn("  NO ", status)
        self.world.run("kill", "web")
        self.assertNotIn("QEMU (web", self.windows(display))

    def test_gtk(self):
        self.open_and_look("gtk")

    def test_sdl(self):
        self.open_and_look("sdl")

    def test_no_session(self):
        file = self.world.write("web.toml", self.world.guest_toml('display = "gtk"', head='jail.mode = "reduced"'))
        refused = self.world.run("up", file, status=2).stderr
        self.assertIn("needs a graphical session, and DISPLAY and WAYLAND_DISPLAY are not set", refused)
        if not (MODULES / "ui-gtk.so").exists():
            self.assertIn("this QEMU has no module ui-gtk.so", refused)
            self.assertIn("qemu-system-gui", refused)


if __name__ == "__main__":
    harness.main()
