#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nics on interfaces of the host, in a network and with device files of the test's own: the guest reaches the host
and is reached, and no interface stays."""
import os
import pathlib
import shutil
import subprocess

import harness
from test_apply import Apply

HELPER = pathlib.Path("/usr/lib/qemu/qemu-bridge-helper")
BRIDGE_CONF = "/etc/qemu/bridge.conf"

# Mounts of its own; a user may open /dev/net/tun in them, which is root's alone on some hosts.
PRIVATE = f"""
set -e
mount -t tmpfs -o mode=755 tmpfs /dev/net
mknod /dev/net/tun c 10 200
chmod 666 /dev/net/tun
ip link set lo up
ip link add br0 type bridge
ip addr add 192.0.2.1/24 dev br0
ip link set br0 up mtu 1600
ip link add wall type veth peer name beyond
ip addr add 192.0.4.1/24 dev beyond
ip link set wall up
ip link set beyond up
echo made
exec sleep 900
"""
# What lets users into a bridge.
HELPED = f"""
set -e
mkdir -p "$1/suid"
mount -t tmpfs -o mode=755 tmpfs "$1/suid"
cp {HELPER} "$1/suid"
chmod 4755 "$1/suid/{HELPER.name}"
mount --bind "$1/suid/{HELPER.name}" {HELPER}
mkdir "$1/suid/upper" "$1/suid/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/suid/upper,workdir=$1/suid/work" /etc
mkdir -p /etc/qemu
echo "allow br0" >{BRIDGE_CONF}
"""


class Networks(Apply):
    holder, as_root = None, True

    def tearDown(self):
        if self.holder is not None:
            self.leave()
            self.world.end_all_vms()
            self.holder.kill()
            self.holder.wait()
            self.holder.stdout.close()
        super().tearDown()

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("only root can make a network of the test's own")
        if (self.world.uid == 0) != self.as_root:
            self.skipTest("root makes its interfaces, and users are lent theirs: each has its own test")
        for need in ("/dev/net/tun", shutil.which("ip") or "the command 'ip' (package iproute2)"):
            if not pathlib.Path(need).exists():
                self.skipTest(f"no {need}")
        holder = self.holder = subprocess.Popen(["unshare", "--net", "--mount", "--propagation=private", "sh", "-c", PRIVATE],
                                  stdout=subprocess.PIPE)
        if holder.stdout.readline() != b"made\n":
            self.skipTest("this host lets nobody make a bridge")
        self.enter = ["nsenter", f"--net=/proc/{holder.pid}/ns/net", f"--mount=/proc/{holder.pid}/ns/mnt"]
        self.world.prefix = [*self.enter, *self.world.prefix]

    def inside(self, *command, **options):
        return subprocess.run([*self.enter, *command], capture_output=True, text=True, check=True, **options).stdout

    def interfaces(self):
        return {line.split()[0].split("@")[0] for line in self.inside("ip", "-br", "link").splitlines()} - {"lo", "br0", "wall", "beyond"}

    def expect_interfaces(self, *names):
        harness.wait_until(lambda: self.interfaces() == set(names), lambda: f"{names}, not {self.interfaces()}")

    def reaches(self, nic, network=2):
        """Both ways."""
        self.ask(f"ip addr add 192.0.{network}.2/24 dev {nic}; ip link set {nic} up")
        self.guest_sees(f"ping -c 1 -W 2 192.0.{network}.1", "1 packets received")
        self.ask("(echo from the guest | nc -l -p 7000 >/dev/null 2>&1 &)")
        connect = f"import socket; print(socket.create_connection(('192.0.{network}.2', 7000), 20).recv(100))"
        harness.wait_until(lambda: "from the guest" in subprocess.run([*self.enter, "python3", "-c", connect],
                                                                     capture_output=True, text=True).stdout, "an answer of the guest")

    def check(self, more, status=2):
        return self.world.run("check", self.world.write("other/vm.toml", 'machine.accel = "tcg"\n' + more), status=status).stderr


class AsRoot(Networks):
    as_root = True

    def can_make_macvtaps(self):
        number = "ip -o link show probe | cut -d: -f1"
        probe = f'ip link add link wall name probe type macvtap && test -e /dev/tap$({number}); made=$?; ip link del probe; exit $made'
        return subprocess.run([*self.enter, "sh", "-c", probe], capture_output=True).returncode == 0

    def test_bridge_and_tap(self):
        lan = '[net.lan]\ntype = "bridge"\nbridge = "br0"\nqueues = 2\nmac = "52:54:00:00:00:77"\n'
        self.boot(lan, head="cpus = 2\n")
        with self.subTest("a bridge"):
            self.expect_interfaces("qvm0")
            link = self.inside("ip", "-d", "link", "show", "qvm0")
            for word in ("master br0", "mtu 1600", "multi_queue", "fe:"):
                self.assertIn(word, link)
            self.guest_sees("cat /sys/class/net/eth0/address", "52:54:00:00:00:77")
            self.guest_sees("ls /sys/class/net/eth0/queues", "rx-1")
            self.reaches("eth0")
            self.assertEqual(self.unchanged(), "guest: nothing to change\n")
        with self.subTest("a tap that is made while the VM runs"):
            self.apply(lan + '[net.two]\ntype = "tap"\nifname = "two"\nmtu = 1400\nmac = "52:54:00:00:00:78"\n')
            self.expect_interfaces("qvm0", "two")
            self.assertIn("mtu 1400", self.inside("ip", "link", "show", "two"))
            self.inside("ip", "addr", "add", "192.0.3.1/24", "dev", "two")
            self.guest_sees("cat /sys/class/net/eth1/address", "52:54:00:00:00:78")
            self.guest_sees("cat /sys/class/net/eth1/mtu", "1400")
            self.reaches("eth1", 3)
            # What has a name cannot be made a second time meanwhile.
            out = self.apply(lan + '[net.two]\ntype = "tap"\nifname = "two"\nmtu = 1300\nmac = "52:54:00:00:00:78"\n', "--replug", status=4)
            self.assertIn("QEMU has the interface 'two' until then", out.stdout)
        with self.subTest("other queues, and it is gone"):
            self.apply(lan.replace("queues = 2", "queues = 1"), "--replug")
            harness.wait_until(lambda: len(self.interfaces()) == 1, lambda: f"one, not {self.interfaces()}")
            self.assertNotIn("multi_queue", self.inside("ip", "-d", "link", "show", *self.interfaces()))
            self.apply("")
            self.expect_interfaces()
        with self.subTest("a macvtap, beside the host"):
            if not self.can_make_macvtaps():
                self.skipTest("this host has no macvtap, or no devtmpfs on /dev")
            beside = '[net.beside]\ntype = "macvtap"\nparent = "wall"\nmac = "52:54:00:00:00:79"\n'
            self.apply(beside)
            self.expect_interfaces()
            self.guest_sees("cat /sys/class/net/*/address", "52:54:00:00:00:79")
            self.reaches("eth0", 4)
            self.assertEqual(self.unchanged(), "guest: nothing to change\n")
            failed = self.world.run("up", self.world.write("other/vm.toml", 'memory = "64M"\nmachine.accel = "tcg"\n' + beside), status=9)
            self.assertIn("another nic over 'wall' has the address 52:54:00:00:00:79 already", failed.stderr)
            self.apply("")
            self.apply(beside + 'queues = 2\n')
            self.apply("")
        with self.subTest("an apply that is undone"):
            bad = '[net.zbad]\ntype = "none"\ndevice = { rx_queue_size = 1000 }\n'
            self.assertIn("rx_queue_size", self.apply(lan + bad, status=6).stderr)
            self.expect_interfaces()
        with self.subTest("the VM is gone"):
            self.apply(lan)
            self.assertEqual(len(self.interfaces()), 1)
            self.leave()
            self.world.run("kill", "guest")
            self.expect_interfaces()

    def test_what_is_wrong_is_said(self):
        self.assertIn("there is no interface 'eth9'", self.check('net.n = { type = "macvtap", parent = "eth9" }\n'))
        self.assertIn("there is no bridge 'br1'", self.check('net.n = { type = "bridge", bridge = "br1" }\n'))
        self.assertIn("the interface 'lo' is no bridge", self.check('net.n = { type = "bridge", bridge = "lo" }\n'))
        self.assertIn("the interface 'br0' is no tap", self.check('net.n = { type = "tap", ifname = "br0" }\n'))
        self.inside("ip", "tuntap", "add", "dev", "mine", "mode", "tap")
        self.assertIn("is down", self.check('net.n = { type = "tap", ifname = "mine" }\n', 0))
        file = self.world.write("plain/vm.toml", 'memory = "64M"\nmachine.accel = "tcg"\nnet.n = { type = "tap", ifname = "mine", queues = 2 }\n')
        failed = self.world.run("up", file, status=9).stderr
        self.assertIn("it was made without multi_queue", failed)
        asked = self.check('net.n = { type = "tap", ifname = "mine", netdev.vhost = true }\n', None)
        if not pathlib.Path("/dev/vhost-net").exists():
            self.assertIn("`modprobe vhost_net`", asked)
        self.inside("ip", "link", "set", "br0", "down")
        self.assertIn("the bridge 'br0' is down", self.check('net.n = { type = "bridge", bridge = "br0" }\n', 0))


class AsUser(Networks):
    as_root = False

    def setUp(self):
        super().setUp()
        self.inside("ip", "tuntap", "add", "dev", "wire", "mode", "tap", "user", str(self.world.uid))
        for words in ("addr add 192.0.3.1/24 dev wire", "link set wire up"):
            self.inside("ip", *words.split())

    def lets_into_bridges(self):
        if not HELPER.exists():
            self.skipTest(f"no {HELPER} (package qemu-system-common)")
        helped = subprocess.run([*self.enter, "sh", "-c", HELPED, "sh", self.world.directory("mounts")], capture_output=True, text=True)
        if helped.returncode != 0:
            self.skipTest(f"no setuid helper of the test's own: {helped.stderr}")

    def test_tap_of_the_user_and_bridge(self):
        self.lets_into_bridges()
        tap = '[net.wire]\ntype = "tap"\nifname = "wire"\n'
        self.boot(tap)
        self.reaches("eth0", 3)
        self.apply(tap + '[net.lan]\ntype = "bridge"\nbridge = "br0"\n')
        harness.wait_until(lambda: len(self.interfaces()) == 2, lambda: f"two, not {self.interfaces()}")
        self.guest_sees("ls /sys/class/net", "eth1")
        self.reaches("eth1")
        self.leave()
        self.world.run("kill", "guest")
        self.expect_interfaces("wire")

    def test_what_is_wrong_is_said(self):
        refused = self.check('net.n = { type = "tap", ifname = "none" }\n')
        self.assertIn("there is no interface 'none', and only root can make one", refused)
        self.assertIn(f"`ip tuntap add dev none mode tap user {self.world.uid} && ip link set none up`", refused)
        self.assertIn("only root can make a macvtap over 'wall'", self.check('net.n = { type = "macvtap", parent = "wall" }\n'))
        if not HELPER.exists() or not HELPER.stat().st_mode & 0o4000:
            refused = self.check('net.n = { type = "bridge", bridge = "br0" }\n')
            self.assertIn("only root can put an interface into a bridge", refused)
        self.lets_into_bridges()
        named = self.check('net.n = { type = "bridge", bridge = "br0", ifname = "x" }\n')
        self.assertIn("names it itself", named)
        self.inside("sh", "-c", f"echo deny br0 >{BRIDGE_CONF}")
        file = self.world.write("plain/vm.toml", 'memory = "64M"\nmachine.accel = "tcg"\nnet.n = { type = "bridge", bridge = "br0" }\n')
        failed = self.world.run("up", file, status=9).stderr
        self.assertIn("access denied by acl file", failed)
        self.assertIn("a line `allow br0` in /etc/qemu/bridge.conf", failed)


if __name__ == "__main__":
    harness.main()
