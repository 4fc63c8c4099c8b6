# SPDX-License-Identifier: GPL-3.0-or-later
"""Each file of examples/ boots, as it stands in the repository, with the guest beside it."""
import harness

FIRMWARE = {"hello": "kernel firmware=bios", "disk": "disk disk firmware=bios", "raw": "disk disk firmware=bios",
            "uefi": "disk disk firmware=uefi"}


class Examples(harness.TestCase):
    def test_each(self):
        for name in ("vmlinuz", "initrd.gz", "disk.qcow2", "data.qcow2", "OVMF_VARS.fd"):
            if (harness.GUEST / name).exists():
                self.world.copy(harness.GUEST / name, f"project/build/guest/{name}")
        examples = sorted((harness.SOURCE / "examples").glob("*.toml"))
        self.assertEqual({example.stem for example in examples} - FIRMWARE.keys(), set(), "what does it boot?")
        for example in examples:
            with self.subTest(example=example.name):
                file = self.world.copy(example, f"project/examples/{example.name}")
                self.world.run("check", file)
                self.world.run("up", file)
                report = self.world.report(example.stem, seconds=180)
                self.assertEqual(report.words["boot"], FIRMWARE[example.stem])
                if example.stem in ("disk", "raw"):
                    self.assertEqual(report.serials().get("DATA01"), "virtio")
                self.world.run("kill", example.stem)


if __name__ == "__main__":
    harness.main()
