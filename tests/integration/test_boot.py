# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests boot, see the devices of their file, and boot from the right disk."""
import os
import pathlib
import subprocess

import harness


class Boot(harness.TestCase):
    def test_kernel(self):
        self.start_guest("hello", head="cpus = 2")
        report = self.world.report("hello")
        self.assertEqual(report.words["boot"], "kernel firmware=bios")
        self.assertEqual(report.words["cpus"], "2")
        self.assertEqual(report.disks, {})
        self.stop_by_button("hello")

    def test_disks_on_three_buses(self):
        for name, size in (("a.qcow2", "16M"), ("b.raw", "17M"), ("c.qcow2", "18M"), ("d.qcow2", "19M")):
            self.world.image(f"guest/{name}", size)
        self.start_guest("guest", """
            disk.a = { file = "a.qcow2", serial = "on-virtio" }
            disk.b = { file = "b.raw", serial = "on-scsi", bus = "scsi" }
            disk.c = { file = "c.qcow2", serial = "on-nvme", bus = "nvme" }
            disk.d = { file = "d.qcow2", serial = "locked", read-only = true }
        """)
        report = self.world.report("guest")
        self.assertEqual(report.serials(), {"on-virtio": "virtio", "on-scsi": "scsi", "on-nvme": "nvme", "locked": "virtio"})
        by_serial = {disk["serial"]: disk for disk in report.disks.values()}
        self.assertEqual([int(by_serial[s]["bytes"]) >> 20 for s in ("on-virtio", "on-scsi", "on-nvme", "locked")], [16, 17, 18, 19])
        self.assertEqual([by_serial[s]["ro"] for s in ("on-virtio", "locked")], ["0", "1"])

    def test_32_disks(self):
        lines = []
        for i in range(32):
            self.world.image(f"guest/{i}.raw", "1M")
            lines.append(f'disk.d{i} = {{ file = "{i}.raw", serial = "s{i}" }}')
        self.start_guest("guest", "\n".join(lines), memory="256M")
        report = self.world.report("guest")
        self.assertEqual(report.serials(), {f"s{i}": "virtio" for i in range(32)})

    def test_network_of_a_user(self):
        self.start_guest("guest", 'net.lan = { type = "user", mac = "52:54:00:00:00:07" }')
        report = self.world.report("guest")
        self.assertEqual(report.nics["eth0"]["mac"], "52:54:00:00:00:07")
        self.assertNotEqual(report.nics["eth0"]["address"], "none")

    def test_qemu_versions(self):
        for name in ("data", "more"):
            self.world.image(f"guest/{name}.qcow2")

        def check(version, table):
            self.start_guest("guest", """
                disk.data = { file = "data.qcow2", serial = "data", boot = 1 }
                disk.more = { file = "more.qcow2", bus = "scsi" }
            """, up=table)
            self.assertEqual(self.world.report("guest").disks["vda"]["serial"], "data")
            if version != "installed":
                said = self.world.qmp("guest", "query-version")["qemu"]
                self.assertEqual(f"{said['major']}.{said['minor']}", version)
            self.stop_by_button("guest")

        self.on_each_qemu(check)


class BootOrder(harness.TestCase):
    """Two bootable disks: `boot` decides, not the order of the tables; in both firmwares."""

    def make_disk(self, name):
        disk = harness.GUEST / f"order-{name}.qcow2"
        initrd = harness.GUEST / "initrd.gz"
        if not disk.exists() or disk.stat().st_mtime < initrd.stat().st_mtime:
            subprocess.run([harness.SOURCE / "tools/make-guest", "--disk", name, disk], check=True,
                           env={**os.environ, "QVM_GUEST_DIR": str(harness.GUEST)}, stdout=subprocess.DEVNULL)
        return self.world.copy(disk, f"guest/{name}.qcow2")

    def boot(self, firmware, first, bus, more=""):
        for name in ("alpha", "beta"):
            self.make_disk(name)
        second = {"alpha": "beta", "beta": "alpha"}[first]
        flash, machine = "", '{ type = "q35", accel = "tcg" }'
        if firmware == "uefi":
            code = next((p for p in ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd") if pathlib.Path(p).exists()), None)
            if code is None or not (harness.GUEST / "OVMF_VARS.fd").exists():
                self.skipTest("OVMF is not installed (package ovmf)")
            self.world.copy(harness.GUEST / "OVMF_VARS.fd", "guest/vars.fd")
            machine = '{ type = "q35", accel = "tcg", pflash0 = "code", pflash1 = "vars" }'
            flash = f"""
                [blockdev.code]
                driver = "raw"
                read-only = true
                file = {{ driver = "file", filename = "{code}" }}
                [blockdev.vars]
                driver = "raw"
                file = {{ driver = "file", filename = "vars.fd" }}
            """
        file = self.world.write("guest/vm.toml", f"""
            memory = "512M"
            machine = {machine}
            disk.alpha = {{ file = "alpha.qcow2", bus = "{bus}", boot = {1 if first == "alpha" else 2} }}
            disk.beta = {{ file = "beta.qcow2", bus = "{bus}", boot = {1 if first == "beta" else 2} }}
            {more}
            {flash}
        """)
        plan = self.world.run("plan", file).stdout
        self.world.run("up", file)
        report = self.world.report("guest", seconds=180)
        self.assertEqual(report.words["boot"], f"disk {first} firmware={firmware}", f"{second} was booted instead")
        self.world.run("kill", "guest")
        self.world.run("rm", "--yes", "guest")
        return plan

    def test_seabios(self):
        self.boot("bios", "beta", "virtio")
        self.boot("bios", "alpha", "virtio")

    def test_seabios_of_many_devices(self):
        """So many that they come by QMP, and the boot order with a reset."""
        more = "\n".join(f'device.more{i} = {{ driver = "virtio-rng-pci", rng = "rng0" }}' for i in range(40))
        plan = self.boot("bios", "beta", "virtio", more)
        self.assertIn("device_add", plan)

    def test_seabios_scsi(self):
        self.boot("bios", "beta", "scsi")

    def test_ovmf(self):
        self.boot("uefi", "beta", "virtio")

    def test_ovmf_nvme(self):
        self.boot("uefi", "alpha", "nvme")


if __name__ == "__main__":
    harness.main()
