# SPDX-License-Identifier: GPL-3.0-or-later
"""qvm explain: the language's words without a QEMU, QEMU's with the one that is there."""
import json

import harness


class Explain(harness.TestCase):
    def explain(self, *words, status=0, **options):
        return self.world.run("explain", *words, status=status, **options)

    def test_words_of_the_language(self):
        text = self.explain("disk.root.cache").stdout
        self.assertTrue(text.startswith("disk.root.cache\n"))
        for word in ("writethrough", "cache.direct", "write-cache", "example disk.root"):
            self.assertIn(word, text)
        self.assertIn("did you mean 'disk.X.cache'?", self.explain("disk.cahce", status=1).stderr)

    def test_everything(self):
        text = self.explain("--all").stdout
        self.assertNotIn("\x1b", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        words = json.loads(self.explain("--all", "--json").stdout)
        paths = [word["path"] for word in words]
        self.assertEqual(len(paths), len(set(paths)))
        self.assertIn("throttle.X.iops.total-max", paths)
        for path in paths:
            self.assertIn(f"\n{path}\n", "\n" + text)
        self.explain(status=1)
        self.explain("--all", "disk", status=1)

    def test_words_of_qemu(self):
        driver = json.loads(self.explain("--json", "virtio-blk-pci").stdout)
        self.assertEqual(driver["path"], "device.virtio-blk-pci")
        self.assertIn("num-queues", [part["name"] for part in driver["groups"][0]["parts"]])
        self.assertRegex(driver["qemu"], r"^QEMU \d+\.\d+\.\d+ \(/")
        ats = json.loads(self.explain("--json", "device", "virtio-blk-pci.ats").stdout)
        self.assertEqual((ats["takes"], ats["default"]), ("true or false", "false"))
        for path in ("machine.vmport", "cpu.max", "netdev.stream.addr.inet.host", "option.boot", "blockdev.qcow2.file"):
            self.assertIn("says.", self.explain(path).stdout)
        self.assertIn("qcow2", self.explain("blockdev").stdout)
        self.assertIn("did you mean 'blockdev.qcow2.l2-cache-size'?", self.explain("blockdev.qcow2.l2-cach-size", status=1).stderr)
        self.assertIn("did you mean", self.explain("virtoi-blk-pci", status=1).stderr)

    def test_without_a_qemu(self):
        bare = ["/usr/bin/env", "PATH=/nonexistent", self.world.qvm]
        self.assertIn("netdev X", self.explain("netdev", program=bare).stdout)
        self.assertIn("did you mean 'disk'?", self.explain("dsik", status=1, program=bare).stderr)
        self.explain("blockdev.qcow2", status=9, program=bare)
        self.explain("blockdev", "--qemu", "/nonexistent/qemu", status=9)

    def test_the_qemu_of_a_file(self):
        file = self.world.write("vm.toml", 'qemu = "/nonexistent/qemu"\n')
        self.assertIn("/nonexistent/qemu", self.explain("--vm", file, "virtio-blk-pci", status=9).stderr)


if __name__ == "__main__":
    harness.main()
