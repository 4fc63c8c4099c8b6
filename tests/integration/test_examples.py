# SPDX-License-Identifier: GPL-3.0-or-later
"""Each file of examples/ boots, as it stands in the repository, with the guest beside it."""
import harness

FIRMWARE = {"hello": "kernel firmware=bios", "disk": "disk disk firmware=bios", "raw": "disk disk firmware=bios",
            "uefi": "disk disk firmware=uefi", "cloud": "disk disk firmware=bios"}


class Examples(harness.TestCase):
    def test_each(self):
        for name in ("vmlinuz", "initrd.gz", "disk.qcow2", "data.qcow2"):
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

    def test_demo_without_a_terminal_reaches_the_guests_shell(self):
        for name in ("vmlinuz", "initrd.gz"):
            self.world.copy(harness.GUEST / name, f"project/build/guest/{name}")
        self.world.copy(harness.SOURCE / "examples/hello.toml", "project/examples/hello.toml")
        demo = self.world.copy(harness.SOURCE / "tools/demo", "project/tools/demo")
        done = self.world.run("--with", self.world.qvm, program=["bash", demo], timeout=240)
        self.assertIn("guest: cpus 1", done.stdout)
        self.assertIn("/ # ", done.stdout)
        self.assertRegex(done.stdout, r"hello: (stopped|the guest powered off)")
        self.assertIn("What to try next", done.stdout)


if __name__ == "__main__":
    harness.main()
