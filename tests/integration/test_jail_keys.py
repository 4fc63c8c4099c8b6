# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file may say of its jail: what it is made of, and what it lets QEMU have."""
import json
import os

import harness


class Keys(harness.TestCase):
    def bare(self, more="", name="bare"):
        """A VM without a guest."""
        return self.world.write(f"{name}/vm.toml", f'memory = "64M"\nmachine.accel = "tcg"\n{more}\n')

    def plan(self, file, *up):
        return json.loads(self.world.run("jail", "plan", "--json", file, *up).stdout)

    def expect_kept(self, name):
        """The verdict on QEMU's own process."""
        verdict = json.loads(self.world.run("status", "--jail", "--json", name).stdout)
        self.assertTrue(verdict["as-promised"])
        return next(process for process in verdict["processes"] if process["process"] == "qemu")

    # jail.root

    def test_single_files(self):
        more = 'jail.root = "files"\n[device.vga]\ndriver = "virtio-vga"\n[device.usb]\ndriver = "qemu-xhci"\n'
        tested = 0
        for version, table in harness.each_qemu():
            with self.subTest(qemu=version):
                if table is None:
                    print(f"skipped: QEMU {version}: not fetched (tools/fetch-qemu), or not readable")
                    continue
                file = self.start_guest("guest", more, up=table)
                self.world.report("guest")
                shown = {mount["target"] for mount in self.expect_kept("guest")["mounts"]}
                plan = self.plan(file, *table)
                self.assertEqual(shown, {mount["target"] for mount in plan["mounts"]} | {"/"})
                sources = [mount["source"] for mount in plan["mounts"] if not mount["target"].startswith("/dev")]
                self.assertEqual([source for source in sources if os.path.isdir(source)], [])
                self.assertTrue(any(source.endswith("/libc.so.6") for source in sources))
                self.assertTrue(any(source.endswith("/hw-display-virtio-vga.so") for source in sources))
                self.assertFalse(any("/libpython" in source or "/libsystemd-shared" in source for source in sources))
                self.stop_by_button("guest")
                self.world.run("rm", "--yes", "guest")
                tested += 1
        self.assertGreaterEqual(tested, 1)


if __name__ == "__main__":
    harness.main()
