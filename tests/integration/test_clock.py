#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's clock jumps while qvm is at work (libfaketime)."""
import pathlib
import re
import subprocess
import time

import harness
from test_apply import Apply

LIBRARIES = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


class Clock(Apply):
    def setUp(self):
        super().setUp()
        if not LIBRARIES:
            self.skipTest("libfaketime is not installed (package libfaketime)")
        # Where a supervisor may read: the state of the VM.
        self.clock = self.world.base / "state/qvm/guest/clock"
        settings = {"LD_PRELOAD": LIBRARIES[0], "FAKETIME_TIMESTAMP_FILE": self.clock, "FAKETIME_NO_CACHE": 1,
                    "FAKETIME_DONT_FAKE_MONOTONIC": 1, "FAKETIME_DISABLE_SHM": 1, "NO_FAKE_STAT": 1}
        # Only in qvm itself: the library's semaphore is its first user's.
        self.world.prefix += ["env", *(f"{name}={value}" for name, value in settings.items())]

    def tearDown(self):
        super().tearDown()
        for process in self.world.started:
            for left in pathlib.Path("/dev/shm").glob(f"*faketime_*_{process.pid}"):
                left.unlink()

    def jump(self, by):
        self.world.write(self.clock.relative_to(self.world.base), f"{by}\n")

    def supervisors_date(self):
        """The day of what the supervisor has written last into its log."""
        return re.findall(r"^(\d{4}-\d\d-\d\d)T", self.world.run("log", "guest").stdout, re.MULTILINE)[-1]

    def test_jumps(self):
        data = self.disk("data")
        # In the firmware nobody lets a device go, so the apply waits as long as it was told.
        file = self.world.write("guest/vm.toml", f'machine.accel = "tcg"\n{data}')
        self.world.run("up", file)
        today = self.supervisors_date()
        self.world.write("guest/vm.toml", 'machine.accel = "tcg"\n')
        removing = self.world.start("apply", "--yes", "--unplug-timeout", "8s", file, stdout=subprocess.DEVNULL)
        harness.wait_until(lambda: "apply: asking" in self.world.run("log", "guest").stdout, "the removal to begin")
        self.jump("+1d")
        self.world.status("guest")
        time.sleep(2)
        self.assertIsNone(removing.poll(), "the clock has ended the patience of an apply")
        self.assertEqual(removing.wait(60), 5)
        self.assertNotEqual(self.supervisors_date(), today)
        # Back to before its start, but no further than the host has been up: libfaketime makes what is due at once
        # due that long after the host's start.
        self.jump("-2m")
        self.world.write("guest/vm.toml", f'machine.accel = "tcg"\n{data}[iothread.io]\n')
        self.world.run("reset", "guest")
        harness.wait_until(lambda: self.world.status("guest")["pending"] == [], "the disk to go with the reset")
        self.world.run("apply", "--yes", file)
        self.assertIn("runs already, as its file says (for 0 s)", self.world.run("up", file).stdout)
        self.assertRegex(self.world.run("ls").stdout, r"guest +running +0 s")
        self.assertIn("guest", self.world.run("stop", "--timeout", "1s", "guest").stdout)


if __name__ == "__main__":
    harness.main()
