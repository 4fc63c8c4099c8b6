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

    @staticmethod
    def of(process, what):
        return next(row["kernel"] for row in process["properties"] if row["property"] == what)

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

    # jail.net

    SLIRP = """
        [netdev.lan]
        type = "user"
        [device.nic]
        driver = "virtio-net-pci"
        netdev = "lan"
    """

    def test_slirp_needs_the_hosts_network(self):
        refused = self.world.run("check", self.bare(self.SLIRP), status=2).stderr
        self.assertIn('jail.net = "host"', refused)
        self.assertIn("[net.lan]", refused)
        self.assertIn("[conflict]", refused)

    def test_slirp_in_the_hosts_network(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml('jail.net = "host"' + self.SLIRP))
        self.assertIn("jail.net", self.world.run("up", file).stderr)
        self.assertEqual(self.world.report("guest").nics["eth0"]["address"], "10.0.2.15/24")
        self.assertIn("net=10.0.2.0", self.world.qmp("guest", "human-monitor-command", {"command-line": "info network"}))
        process = self.expect_kept("guest")
        self.assertIn("ours: net", self.of(process, "namespaces"))
        plan = self.plan(file)
        self.assertEqual(plan["namespaces"]["net"], "host")
        self.assertEqual(plan["landlock"].get("tcp"), "allowed")
        self.assertTrue(any("AF_INET6" in rule["text"] for rule in plan["seccomp"]["rules"]))
        self.assertFalse(any("AF_INET" in rule["text"] for rule in self.plan(self.bare())["seccomp"]["rules"]))


if __name__ == "__main__":
    harness.main()
