#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sugar that makes a device or two, all of it at once; disks that are throttled in words, and encrypted ones."""
import os
import pathlib
import re
import socket
import subprocess

import harness
from test_apply import Apply

GADGETS = """
agent = true
balloon = { deflate-on-oom = true }
rtc = "2031-05-06T07:08:09"
watchdog = { action = "pause" }
input = { mouse = true }
video = { model = "vga", memory = "32M" }
"""
KEY = "correct horse battery staple"


class Gadgets(Apply):
    def test_all_at_once(self):
        def check(version, qemu):
            self.boot(qemu=qemu, head=GADGETS)
            self.as_qemu_has_them()
            self.as_the_guest_sees_them()
            self.unchanged()
        self.on_each_qemu(check)

    def as_qemu_has_them(self):
        actual = self.world.qmp("guest", "query-balloon")["actual"]
        self.assertEqual(actual, 192 << 20)
        for device, name, value in (("balloon0", "deflate-on-oom", True), ("video0", "vgamem_mb", 32),
                                    ("watchdog0", "type", "i6300esb"), ("keyboard0", "type", "usb-kbd")):
            got = self.world.qmp("guest", "qom-get", {"path": f"/machine/peripheral/{device}", "property": name})
            self.assertEqual(got, value, device)
        mice = {mouse["name"] for mouse in self.world.qmp("guest", "query-mice")}
        self.assertLessEqual({"QEMU HID Tablet", "QEMU HID Mouse"}, mice)
        self.assertIn("watchdog=pause", self.command_line())

    def as_the_guest_sees_them(self):
        uuid = self.world.qmp("guest", "query-uuid")["UUID"]
        self.assertRegex(uuid, "-8...-[89ab]")
        self.guest_sees("cat /sys/class/dmi/id/product_uuid", uuid)
        self.guest_sees("date -u +%Y-%m-%d", "2031-05-06")
        self.guest_sees("cat /sys/bus/virtio/devices/*/device", "0x0005")  # a balloon
        self.guest_sees("cat /sys/bus/pci/devices/*/device", "0x25ab")  # 6300ESB
        self.guest_sees("cat /sys/bus/pci/devices/*/class", "0x030000")
        self.guest_sees("cat /sys/class/virtio-ports/*/name", "org.qemu.guest_agent.0")
        # What an agent there says comes out here.
        path, = self.world.runtime.rglob("agent.sock")
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(60)
            agent.connect(str(path))
            self.ask("echo he''llo > /dev/$(basename $(dirname $(grep -l guest_agent /sys/class/virtio-ports/*/name)))")
            self.assertEqual(agent.recv(6), b"hello\n")

    def command_line(self):
        pid, = self.world.qemus()
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")

    def test_the_port_of_the_agent_comes_and_goes(self):
        self.boot()
        refused = self.world.run("attach", "--agent", "guest", status=1)
        self.assertIn("agent = true", refused.stderr)
        self.apply(head="agent = true", more="")
        self.guest_sees("cat /sys/class/virtio-ports/*/name", "org.qemu.guest_agent.0")
        self.apply("")
        self.unchanged()

    def test_without_vsock_on_this_host(self):
        if pathlib.Path("/dev/vhost-vsock").exists():
            self.skipTest("it is there")
        file = self.world.write("guest/vm.toml", self.world.guest_toml(head="vsock = true"))
        self.assertIn("modprobe vhost_vsock", self.world.run("plan", file, status=2).stderr)


class Throttle(Apply):
    def test_in_words(self):
        """Disks come under it, it changes, and they go out from under it, while the guest uses them."""
        def check(version, qemu):
            (self.world.base / "data.raw").unlink(missing_ok=True)
            self.boot(self.disk("data"), qemu=qemu)
            gold = "[throttle.gold]\niops = {{ total = {} }}\n"
            self.apply(gold.format(1000) + self.disk("data", 'throttle = "gold"'))
            self.assertIn("data.thr", self.nodes())
            self.read_disk()
            plan = self.plan_of(gold.format(500) + self.disk("data", 'throttle = "gold"'))
            self.assertIn("~ object.gold.limits", plan)
            self.apply()
            self.assertEqual(self.limits("gold")["iops-total"], 500)
            self.unchanged()
            silver = '[throttle.silver]\nbytes = { read = "64M", read-max = "128M" }\n'
            self.apply(silver + self.disk("data", 'throttle = "silver"\nsize = "12M"'))
            self.assertEqual((self.limits("silver")["bps-read"], self.limits("silver")["bps-read-max"]), (64 << 20, 128 << 20))
            self.guest_sees("cat /sys/block/vda/size", f"\n{12 * 2048}\n")
            self.read_disk()
            self.unchanged()
            self.apply(self.disk("data", 'size = "12M"'))
            self.assertNotIn("data.thr", self.nodes())
            self.read_disk()
            self.unchanged()
        self.on_each_qemu(check)

    def read_disk(self):
        self.guest_sees("dd if=/dev/vda of=/dev/null bs=4096 count=4 && echo re''ad", "read")

    def plan_of(self, more):
        self.write(more)
        return self.world.run("plan", self.file, *self.qemu).stdout

    def limits(self, group):
        return self.world.qmp("guest", "qom-get", {"path": f"/objects/{group}", "property": "limits"})


class Encryption(Apply):
    MARK = "a text that nobody is to read"

    def test_disks(self):
        """At the start and while it runs: what the guest writes is encrypted, and the key is nowhere."""
        def check(version, qemu):
            self.key = self.world.write("vault.key", KEY)
            self.images()
            secret = f'[secret.vault]\nfile = "{self.key}"\n'
            self.boot(secret + self.encrypted("one.raw"), qemu=qemu)
            late = secret.replace("vault", "late", 1) + self.encrypted("two.qcow2", 'throttle = "gold"', "late") + "[throttle.gold]\n"
            self.apply(secret + self.encrypted("one.raw") + late)
            for disk in ("vda", "vdb"):
                self.ask(f"echo '{self.MARK}' | dd of=/dev/{disk} conv=sync,fsync bs=4096 && sync")
            self.nowhere()
            self.unchanged()
            self.apply(secret + self.encrypted("one.raw"))
            self.leave()
            self.world.run("kill", "guest")
            for image, more in (("one.raw", "driver=luks,key-secret=k"), ("two.qcow2", "driver=qcow2,encrypt.format=luks,encrypt.key-secret=k")):
                self.assertNotIn(self.MARK.encode(), (self.world.base / image).read_bytes())
                self.assertIn(self.MARK.encode(), self.plain(image, more))
        self.on_each_qemu(check)

    def plain(self, image, more):
        out = self.world.base / "plain.raw"
        subprocess.run(["qemu-img", "convert", "--object", f"secret,id=k,file={self.key}", "--image-opts", "-O", "raw",
                        f"{more},file.filename={self.world.base / image}", out], check=True)
        return out.read_bytes()

    def images(self):
        for image, words in (("one.raw", ["-f", "luks", "-o", "key-secret=k,iter-time=10"]),
                             ("two.qcow2", ["-f", "qcow2", "-o", "encrypt.format=luks,encrypt.key-secret=k,encrypt.iter-time=10"])):
            path = self.world.base / image
            path.unlink(missing_ok=True)
            create = ["qemu-img", "create", "-q", "--object", f"secret,id=k,file={self.key}", *words, path, "4M"]
            # It measures how fast this machine is, and gives up where others are at work.
            harness.wait_until(lambda: subprocess.run(create, capture_output=True).returncode == 0, lambda: f"{image} to be made")
            os.chown(path, self.world.uid, self.world.uid)

    def encrypted(self, image, more="", secret="vault"):
        name = image.split(".")[0]
        return f'[disk.{name}]\nfile = "{self.world.base / image}"\nencrypt = {{ secret = "{secret}" }}\n{more}\n'

    def nowhere(self):
        """Not in what is shown, written down or seen in the list of processes; in either of the forms in which it goes."""
        shown = [self.world.run(*words, self.file, *self.qemu).stdout
                 for words in (("plan", "--json"), ("plan",), ("show", "--compiled"))]
        shown += [self.world.run("log", "guest").stdout, self.world.run("status", "--json", "guest").stdout]
        shown += [path.read_text(errors="replace") for path in (self.world.base / "state").rglob("*") if path.is_file()]
        shown += [pathlib.Path(f"/proc/{pid}/{what}").read_bytes().decode(errors="replace")
                  for pid in self.world.processes() for what in ("cmdline", "environ")]
        for form in (KEY, "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ"):
            self.assertFalse([text for text in shown if form in text])

    def test_of_the_environment_and_systemd(self):
        self.key = self.world.write("credentials/disk", KEY)
        self.images()
        disk = self.encrypted("one.raw")
        file = self.world.write("guest/vm.toml", self.world.guest_toml('[secret.vault]\nenv = "DISK_KEY"\n' + disk))
        self.assertIn("there is no variable DISK_KEY", self.world.run("up", file, status=2).stderr)
        self.world.run("up", file, env={"DISK_KEY": KEY})
        self.world.run("kill", "guest")
        self.world.write("guest/vm.toml", self.world.guest_toml('[secret.vault]\ncredential = "disk"\n' + disk))
        self.assertIn("CREDENTIALS_DIRECTORY is not set", self.world.run("up", file, status=2).stderr)
        self.world.run("up", file, env={"CREDENTIALS_DIRECTORY": str(self.key.parent)})
        self.world.run("kill", "guest")
        # A wrong one is QEMU's to refuse, and nothing is left.
        self.key.write_text("wrong")
        refused = self.world.run("up", file, env={"CREDENTIALS_DIRECTORY": str(self.key.parent)}, status=6)
        self.assertRegex(refused.stderr, re.compile("blockdev-add|blockdev.one"))


if __name__ == "__main__":
    harness.main()
