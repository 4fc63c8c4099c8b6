# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file may say of its jail: what it is made of, and what it lets QEMU have."""
import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import socket
import unittest

import harness

FIRST_UID, LAST_UID = 123000, 123009


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

    def host_status(self, word):
        text = pathlib.Path(f"/proc/{self.world.qemus()[0]}/status").read_text()
        return re.search(rf"^{word}:[ \t]*(.*)$", text, re.M).group(1).split()

    # jail.root

    def test_single_files(self):
        more = 'jail.root = "files"\n[device.vga]\ndriver = "virtio-vga"\n[device.usb]\ndriver = "qemu-xhci"\n'

        def check(_, table):
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

        self.on_each_qemu(check)

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
        port = harness.free_port()
        slirp = self.SLIRP.replace('"user"', f'"user"\n        hostfwd = [{{ str = "tcp:127.0.0.1:{port}-:22" }}]')
        file = self.world.write("guest/vm.toml", self.world.guest_toml('jail.net = "host"' + slirp))
        self.assertIn("jail.net", self.world.run("up", file).stderr)
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        self.assertEqual(self.world.report("guest").nics["eth0"]["address"], "10.0.2.15/24")
        self.assertIn("net=10.0.2.0", self.world.qmp("guest", "human-monitor-command", {"command-line": "info network"}))
        # slirp has accepted it and asked the guest, where nobody listens.
        with socket.create_connection(("127.0.0.1", port), timeout=harness.BOOT_DEADLINE) as peer, contextlib.suppress(ConnectionResetError):
            self.assertEqual(peer.recv(1), b"")
        process = self.expect_kept("guest")
        self.assertIn("ours: net", self.of(process, "namespaces"))
        plan = self.plan(file)
        self.assertEqual(plan["namespaces"]["net"], "host")
        self.assertEqual(plan["landlock"].get("tcp"), "allowed")
        self.assertTrue(any("AF_INET6" in rule["text"] for rule in plan["seccomp"]["rules"]))
        self.assertFalse(any("AF_INET" in rule["text"] for rule in self.plan(self.bare())["seccomp"]["rules"]))

    # jail.user, jail.uid-range

    @unittest.skipIf(harness.as_user(), "root chooses")
    def test_a_user_of_the_host(self):
        nobody = pwd.getpwnam("nobody")
        file = self.bare('jail.user = "nobody"')
        self.world.run("up", file)
        self.assertEqual(self.host_status("Uid"), [str(nobody.pw_uid)] * 4)
        self.assertEqual(self.host_status("Gid"), [str(nobody.pw_gid)] * 4)
        self.assertEqual(self.host_status("Groups"), [])
        process = self.expect_kept("bare")
        self.assertEqual(self.of(process, "uid"), str(nobody.pw_uid))
        self.assertEqual(self.of(process, "gid"), str(nobody.pw_gid))
        self.assertEqual(self.plan(file)["uid"]["outside"], nobody.pw_uid)
        self.assertEqual(self.plan(file)["gid"]["outside"], nobody.pw_gid)
        self.assertIn("those of the user nobody", self.world.run("jail", "plan", file).stdout)
        self.world.run("kill", "bare")
        # It has a uid of its own again when the key is gone.
        self.world.run("up", self.bare())
        self.assertGreaterEqual(int(self.host_status("Uid")[0]), 0x70000000)

    @unittest.skipIf(harness.as_user(), "root chooses")
    def test_users_that_cannot_be(self):
        for name, says in (("root", "never the user of a jail"), ("nobdy", "did you mean 'nobody'?")):
            refused = self.world.run("up", self.bare(f'jail.user = "{name}"'), status=2).stderr
            self.assertIn(says, refused)
            self.assertIn("vm.toml:3:13", refused)
        self.assertEqual(self.world.qemus(), [])

    @unittest.skipUnless(harness.as_user(), "who is not root")
    def test_a_user_is_only_oneself(self):
        refused = self.world.run("up", self.bare('jail.user = "nobody"'), status=2).stderr
        self.assertIn("only root may choose", refused)
        warned = self.world.run("check", self.bare('jail.uid-range = "70000-79999"')).stderr
        self.assertIn("jail.uid-range is for root", warned)

    @unittest.skipUnless(harness.as_user(), "who is not root")
    def test_a_user_may_name_himself(self):
        try:
            own = pwd.getpwuid(self.world.uid).pw_name
        except KeyError:
            self.skipTest(f"uid {self.world.uid} has no name")
        self.world.run("up", self.bare(f'jail.user = "{own}"'))
        self.assertEqual(self.host_status("Uid")[0], str(self.world.uid))

    @unittest.skipIf(harness.as_user(), "root chooses")
    def test_a_range_of_uids(self):
        key = f'jail.uid-range = "{FIRST_UID}-{LAST_UID}"'
        self.assertEqual(self.plan(self.bare(key, "one"))["uid"]["outside"], f"one of {FIRST_UID}-{LAST_UID}")
        uids = set()
        for name in ("one", "two"):
            self.world.run("up", self.bare(key, name))
            uids.add(int(self.of(self.expect_kept(name), "uid")))
        self.assertEqual(len(uids), 2)
        self.assertTrue(all(FIRST_UID <= uid <= LAST_UID for uid in uids), uids)
        # Who only looks changes nothing.
        self.assertEqual({int(file.read_text()) for file in (self.world.base / "state/qvm").glob("*/uid")}, uids)
        full = self.world.run("up", self.bare(f'jail.uid-range = "{min(uids)}-{min(uids)}"', "three"), status=None)
        self.assertIn("no uid is free", full.stderr)
        self.assertNotEqual(full.returncode, 0)

    @unittest.skipIf(harness.as_user(), "root chooses")
    @unittest.skipUnless(shutil.which("passt"), "no passt")
    def test_helpers_run_as_the_user_too(self):
        self.world.run("up", self.bare('jail.user = "nobody"\nnet.lan.type = "user"'))
        verdict = json.loads(self.world.run("status", "--jail", "--json", "bare").stdout)
        uids = {process["process"]: self.of(process, "uid") for process in verdict["processes"] if process["process"] != "supervisor"}
        self.assertEqual(len(uids), 4)
        self.assertEqual(set(uids.values()), {str(pwd.getpwnam("nobody").pw_uid)})

    # jail.io-uring

    def test_io_uring(self):
        self.world.image("guest/data.raw")
        disk = 'disk.data = { file = "data.raw", format = "raw", serial = "ring", aio = "io_uring" }'
        file = self.world.write("guest/vm.toml", self.world.guest_toml(disk))
        refused = self.world.run("check", file, status=2).stderr
        self.assertIn("jail.io-uring = true", refused)
        self.assertIn(f"vm.toml:{file.read_text()[:file.read_text().index('io_uring')].count(chr(10)) + 1}:", refused)
        file.write_text(self.world.guest_toml("jail.io-uring = true\n" + disk))
        disabled = pathlib.Path("/proc/sys/kernel/io_uring_disabled")
        if disabled.exists() and disabled.read_text().strip() != "0":
            self.assertIn("io_uring_disabled", self.world.run("up", file, status=2).stderr)
            return
        self.world.run("up", file)
        self.assertEqual(self.world.report("guest").serials(), {"ring": "virtio"})
        self.assertIn("io_uring", " ".join(fd["target"] for fd in self.expect_kept("guest")["fds"]))

    # jail.qemu-sandbox

    def test_qemus_own_filter_on_top(self):
        self.world.image("guest/data.qcow2")
        more = 'jail.qemu-sandbox = true\ndisk.data = { file = "data.qcow2", serial = "data" }\n'

        def check(_, table):
            self.start_guest("guest", more, up=table)
            self.assertEqual(self.world.report("guest").serials(), {"data": "virtio"})
            filters = int(re.search(r"(\d+) filter", self.of(self.expect_kept("guest"), "seccomp")).group(1))
            self.assertGreaterEqual(filters, 2)
            self.stop_by_button("guest")

        self.on_each_qemu(check)


if __name__ == "__main__":
    harness.main()
