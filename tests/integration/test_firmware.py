# SPDX-License-Identifier: GPL-3.0-or-later
"""firmware = "uefi": OVMF boots the guest, the VM's variables are its own and are kept, Secure Boot refuses what is not signed."""
import harness


class Firmware(harness.TestCase):
    def write(self, firmware, name="uefi"):
        self.world.copy(harness.GUEST / "disk.qcow2", f"{name}/disk.qcow2")
        return self.world.write(f"{name}/vm.toml", f'memory = "512M"\nmachine.accel = "tcg"\nfirmware = {firmware}\n'
                                'disk.root = { file = "disk.qcow2", boot = 1 }\n')

    def variables(self):
        return sorted(path for path in self.world.base.rglob("efivars*.fd"))

    def boot(self, file):
        self.world.run("up", file)
        self.assertEqual(self.world.report("uefi", seconds=180).words["boot"], "disk disk firmware=uefi")

    def test_variables_are_kept(self):
        file = self.write('"uefi"')
        self.world.run("check", file)
        self.assertEqual(self.variables(), [])
        self.boot(file)
        self.world.run("kill", "uefi")
        (path,) = self.variables()
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        first = path.read_bytes()
        self.assertIn("Boot0000".encode("utf-16-le"), first)  # what OVMF wrote
        self.boot(file)
        self.assertEqual(self.world.run("plan", file).stdout.count("nothing to change"), 1)
        self.world.run("kill", "uefi")
        # Were it made anew, nothing but its end would be like the file of the first boot.
        common = sum(before == after for before, after in zip(first, path.read_bytes()))
        self.assertGreater(common, len(first) * 0.99)
        self.assertIn(path.name, self.world.run("rm", "uefi", status=None).stdout)  # asks, and names it

    def test_variables_of_ones_own(self):
        file = self.write('{ type = "uefi", vars = "here/my.fd" }')
        self.boot(file)
        self.world.run("kill", "uefi")
        self.assertIn("Boot0000".encode("utf-16-le"), (file.parent / "here/my.fd").read_bytes())
        self.assertEqual(self.variables(), [])
        (file.parent / "here/my.fd").unlink()
        (file.parent / "here/my.fd").mkdir()
        self.assertIn("is a directory", self.world.run("up", file, status=2).stderr)

    def test_secure_boot(self):
        self.world.run("up", self.write('{ type = "uefi", secure-boot = true }'))
        console = self.world.console("console", "uefi")
        self.addCleanup(console.close)
        console.expect("Access Denied", seconds=180)

    def test_none_fits(self):
        file = self.write('{ type = "uefi", secure-boot = true }')
        refused = self.world.run("up", "--set", "machine.type=microvm", file, status=2).stderr
        self.assertIn("vm.toml:3:1: error: no UEFI firmware with Secure Boot", refused)
        self.assertIn("a microvm boots its kernel by itself", refused)
        self.world.run("check", "--no-host", "--set", "machine.type=pc", file)


if __name__ == "__main__":
    harness.main()
