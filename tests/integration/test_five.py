#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Five VMs, from the smallest to a server's: each reads well, and every QEMU takes it."""
import json

import harness

FIVE = {
    "tiny": """
memory = "256M"
kernel = { image = "vmlinuz", initrd = "initrd.gz", append = "console=ttyS0" }
""",
    "cloud": """
extends = "linux-cloud"
cpus = 2
memory = "2G"
[disk.root]
base = "~/images/debian-13-generic-amd64.qcow2"
size = "20G"
[net.lan]
type = "user"
forward = ["2222 -> 22"]
[cloud-init]
user = "me"
ssh-keys = ["~/.ssh/id_ed25519.pub"]
""",
    "win11": """
extends = "windows-11"
cpus = { cores = 4, threads = 2 }
memory = "8G"
firmware = { type = "uefi", secure-boot = true }
tpm = true
display = "window"
disk.system = { file = "win11.qcow2", size = "80G" }
cdrom.install = { file = "Win11_x64.iso", boot = 1 }
cdrom.drivers = { file = "virtio-win.iso" }
net.lan = { type = "user" }
""",
    "storage": """
cpus = 8
memory = "16G"
iothread = { io0 = {}, io1 = { poll-max-ns = 32768 } }
secret.vault = { file = "/etc/qvm/keys/vault.key" }
throttle.gold = { iops = { total = 20_000, total-max = 40_000 }, bytes = { write = "400M" } }
disk.sys = { file = "/srv/vm/sys.qcow2", iothread = "io0", throttle = "gold", cache = "none", aio = "native" }
[disk.data]
iothread = "io1"
queues = 8
[disk.data.blockdev]
driver = "throttle"
throttle-group = "gold"
[disk.data.blockdev.file]
driver = "qcow2"
l2-cache-size = "8M"
encrypt = { format = "luks", key-secret = "vault" }
file = { driver = "host_device", filename = "/dev/vg0/data", aio = "native", cache.direct = true }
backing = { driver = "qcow2", file = { driver = "file", filename = "/srv/vm/golden.qcow2" }, backing = "base-raw" }
[blockdev.base-raw]
driver = "raw"
read-only = true
file = { driver = "file", filename = "/srv/vm/base.img" }
""",
    "server": """
machine = { type = "q35", kernel-irqchip = "split" }
cpu = { model = "host", invtsc = true }
cpus = { sockets = 2, cores = 8 }
memory = { size = "64G", max = "256G", hugepages = "1G", prealloc = true }
numa.0 = { cpus = "0-7", memory = "32G", host-nodes = [0], pin = "8-15" }
numa.1 = { cpus = "8-15", memory = "32G", host-nodes = [1], pin = "40-47" }
net.mgmt = { type = "bridge", bridge = "br0" }
host-device.gpu = { pci = "0000:41:00.0" }
device.iommu = { driver = "intel-iommu", intremap = "on", caching-mode = true }
hotplug = { pcie-ports = 8 }
""",
}
# Nobody has what these name: the disk's image, the key.
WITHOUT_HOST = ("--no-host", "--set", "machine.accel=tcg")


class Five(harness.TestCase):
    def test_every_qemu_takes_them(self):
        for version, table in harness.each_qemu():
            if table is None:
                print(f"skipped: QEMU {version}: not fetched (tools/fetch-qemu), or not readable")
                continue
            for name, text in FIVE.items():
                with self.subTest(qemu=version, vm=name):
                    file = self.world.write(f"vms/{name}.toml", text.lstrip())
                    checked = self.world.run("check", *WITHOUT_HOST, file, *table)
                    self.assertNotIn("error", checked.stdout + checked.stderr)
                    plan = json.loads(self.world.run("plan", "--json", *WITHOUT_HOST, file, *table).stdout)
                    self.assertGreater(len(plan["steps"]), 5)
                    # What it all becomes is a file, too, and the same VM.
                    raw = self.world.write(f"vms/{name}-raw.toml", self.world.run("show", "--compiled", *WITHOUT_HOST[1:], file, *table).stdout)
                    again = json.loads(self.world.run("plan", "--json", "--no-host", raw, *table).stdout)
                    for step in plan["steps"] + again["steps"]:
                        for place in ("origin", "from"):
                            step.pop(place, None)
                    self.assertEqual(plan["steps"], again["steps"])


if __name__ == "__main__":
    harness.main()
