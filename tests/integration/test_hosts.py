# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that lack something, or have it in an unusual place: the VM runs, or the reason is said and nothing is left."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import unittest.mock

import harness

PLAIN = 'memory = "64M"\nmachine.accel = "tcg"\n'
# In a user namespace of its own, so that nothing changes for the host.
NO_NAMESPACES = ["unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c",
                 'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --ambient-caps=-all --inh-caps=-all -- "$@"', "sh"]


class Hosts(harness.TestCase):
    def up(self, text, status=0):
        file = self.world.write("plain/vm.toml", text)
        return self.world.run("up", file, status=status)

    def assert_runs(self):
        self.assertEqual(self.world.status("plain")["state"], "running")
        self.world.run("kill", "plain")

    def own(self, path, uid, mode):
        path.chmod(mode)
        os.chown(path, uid, uid)

    def need_other_user(self):
        if os.geteuid() != 0:
            self.skipTest("only root can make files of another user")

    def test_no_user_namespaces(self):
        if self.world.uid == 0:
            self.skipTest("root needs none to be allowed")
        self.up(PLAIN)  # also what `up` asks QEMU once
        self.assert_runs()
        self.world.prefix += NO_NAMESPACES
        failed = self.up(PLAIN, status=None)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("cannot make new namespaces", failed.stderr)
        self.assertIn("user.max_user_namespaces", failed.stderr)

    def test_kvm_of_others(self):
        if not os.path.exists("/dev/kvm"):
            self.skipTest("no /dev/kvm here")
        if self.world.uid == 0 or os.stat("/dev/kvm").st_mode & 0o006:
            self.skipTest("/dev/kvm is open to this user")
        kvm = 'memory = "64M"\nmachine.accel = "kvm"\n'
        self.assertIn("you may not open /dev/kvm", self.up(kvm, status=9).stderr)
        fallback = self.up('memory = "64M"\nmachine.accel = ["kvm", "tcg"]\n')
        self.assertIn("tcg is used instead", fallback.stderr)
        self.assertEqual(self.world.status("plain")["accel"], "tcg")

    def test_disk_of_someone_else(self):
        self.need_other_user()
        disk = self.world.image("plain/disk.raw", "1M")
        self.own(disk, self.world.uid + 17, 0o600)
        if self.world.uid == 0:  # whose VM runs as a user that may not open it either, and gets it as a descriptor
            self.up(PLAIN + f'disk.d.file = "{disk}"\n')
            self.assert_runs()
        else:
            failed = self.up(PLAIN + f'disk.d.file = "{disk}"\n', status=2)
            self.assertIn("Permission denied", failed.stderr)
            self.assertEqual(failed.stderr.count("error:"), 1)

    def test_disk_by_a_link(self):
        self.world.image("elsewhere/real.raw", "1M")
        directory = self.world.directory("plain")
        (directory / "link.raw").symlink_to(self.world.base / "elsewhere/real.raw")
        (directory / "lost.raw").symlink_to("/nowhere/real.raw")
        self.up(PLAIN + 'disk.d.file = "link.raw"\n')
        self.assert_runs()
        failed = self.up(PLAIN + 'disk.d.file = "lost.raw"\n', status=2)
        self.assertIn("it is a symbolic link to '/nowhere/real.raw'", failed.stderr)

    def test_kernel_in_a_private_home(self):
        home = self.world.directory("private")
        kernel = self.world.copy(self.world.kernel, "private/vmlinuz")
        self.own(kernel, self.world.uid, 0o600)
        self.own(home, self.world.uid, 0o700)
        text = self.world.guest_toml().replace(str(self.world.kernel), str(kernel))
        file = self.world.write("guest/vm.toml", text)
        self.world.run("up", file)
        self.assertTrue(self.world.report("guest").complete)

    def test_twenty_at_once(self):
        files = [self.world.write(f"vm{i}/vm.toml", PLAIN) for i in range(20)]
        self.world.run("check", files[0])  # QEMU is asked once
        ups = [self.world.start("up", file, stdout=subprocess.DEVNULL) for file in files]
        self.assertEqual([up.wait(120) for up in ups], [0] * len(ups))
        for i in range(20):
            self.assertEqual(self.world.status(f"vm{i}")["state"], "running")

    def test_three_hundred_mounts(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount")
        places = self.world.directory("mounts")
        many = f'for i in $(seq 300); do mkdir -p {places}/$i && mount -t tmpfs tmpfs {places}/$i || exit 9; done; exec "$@"'
        self.up(PLAIN)
        self.assert_runs()
        with unittest.mock.patch.object(self.world, "prefix", ["unshare", "--mount", "sh", "-c", many, "sh", *self.world.prefix]):
            self.up(PLAIN)
        root = f"/proc/{self.world.status('plain')['qemu-pid']}/mountinfo"
        self.assertNotIn(str(places), pathlib.Path(root).read_text())
        self.assert_runs()

    def test_tap(self):
        if self.world.uid != 0:
            self.skipTest("as a user /dev/net/tun may be closed; runs as root's own")
        for need in ("/dev/net/tun", shutil.which("ip") or "the command 'ip' (package iproute2)"):
            if not pathlib.Path(need).exists():
                self.skipTest(f"no {need}")
        with self.network() as enter:
            for words in ("tuntap add dev wire0 mode tap", "addr add 192.0.2.1/24 dev wire0", "link set wire0 up"):
                subprocess.run([*enter, "ip", *words.split()], check=True)
            with unittest.mock.patch.object(self.world, "prefix", enter):
                self.ping()

    @contextlib.contextmanager
    def network(self):
        """A network of its own, so that nothing of the host's is touched: what enters it."""
        with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo made; exec sleep 600"], stdout=subprocess.PIPE) as holder:
            holder.stdout.readline()
            try:
                yield ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
            finally:
                holder.kill()

    def ping(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml(more="""
            host.wire = { kind = "tap", ifname = "wire0" }
            netdev.lan = { type = "tap", fd = "@wire" }
            device.lan = { driver = "virtio-net-pci", netdev = "lan" }
        """))
        self.world.run("up", file)
        self.world.report("guest")
        console = self.world.console("console", "guest")
        self.addCleanup(console.close)
        console.expect("guest: ready")
        console.send("\nip addr add 192.0.2.2/24 dev eth0; ip link set eth0 up; ping -c 1 192.0.2.1\n")
        console.expect("1 packets received")


if __name__ == "__main__":
    harness.main()
