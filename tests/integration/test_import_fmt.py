# SPDX-License-Identifier: GPL-3.0-or-later
"""import and fmt: verbs that write files and touch no VM."""
import pathlib
import stat
import subprocess
import tomllib

import harness

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden/import"
SCRIPT = """#!/bin/sh
MEM="-m 300M"
exec qemu-system-x86_64 $MEM -M q35 \\
    -drive file=disk.qcow2,if=virtio -nic none -monitor stdio -display none
"""


class Import(harness.TestCase):
    def test_one_word_and_many_words(self):
        line = "qemu-system-x86_64 -M q35 -m 300M -drive file='my disk.qcow2',if=virtio -nic none -display none"
        one = self.world.run("import", "--argv", line)
        many = self.world.run("import", "--", "qemu-system-x86_64", "-M", "q35", "-m", "300M", "-drive", "file=my disk.qcow2,if=virtio", "-nic", "none", "-display", "none")
        self.assertEqual(one.stdout, many.stdout)
        self.assertIn('file = "my disk.qcow2"', one.stdout)
        self.assertEqual(one.stderr, "")
        options = self.world.run("import", "--argv", line.partition(" ")[2])
        self.assertEqual(options.stdout, one.stdout)

    def test_script_to_file(self):
        script = self.world.write("web/run.sh", SCRIPT)
        out = script.parent / "vm.toml"
        result = self.world.run("import", "--argv-file", script, "-o", out)
        self.assertIn("warning: -monitor stdio: ", result.stderr)
        self.assertIn("relative paths", result.stderr)
        self.assertIn('memory = "300M"', out.read_text())
        self.assertIn("# -monitor stdio: ", out.read_text())
        self.world.run("check", "--no-host", out)
        again = self.world.run("import", "--argv-file", script, "-o", out, status=1)
        self.assertIn("is there already", again.stderr)
        out.write_text("memory = 1\n")
        out.chmod(0o640)
        self.world.run("import", "--argv-file", script, "-o", out, "--force")
        self.assertIn('memory = "300M"', out.read_text())
        self.assertEqual(stat.S_IMODE(out.stat().st_mode), 0o640)

    def test_what_is_no_command_line(self):
        self.assertIn("wants one command line", self.world.run("import", status=1).stderr)
        self.assertIn("no command that starts QEMU", self.world.run("import", "--argv", "ls -l", status=2).stderr)
        self.assertIn("lacks its argument", self.world.run("import", "--argv", "qemu-system-x86_64 -m", status=2).stderr)
        self.world.run("import", "--argv", "kvm -S", "--", "kvm", status=1)
        self.world.run("import", "--argv-file", self.world.base / "none.sh", status=2)

    def test_every_golden_checks(self):
        checked = 0
        for golden in sorted(GOLDEN.glob("*.toml")):
            text = golden.read_text()
            if tomllib.loads(text).get("qemu") not in (None, "/usr/bin/qemu-system-x86_64"):
                continue  # a QEMU that need not be here
            with self.subTest(golden.name):
                self.world.run("check", "--no-host", self.world.write(f"vm-{golden.stem}/vm.toml", text))
                checked += 1
        self.assertGreaterEqual(checked, 40)


class Fmt(harness.TestCase):
    UGLY = "a=1\n\n\n\n[ b ]   # why\nc=[1,2,]\n"
    PRETTY = "a = 1\n\n[b]   # why\nc = [1, 2]\n"

    def test_formats_in_place(self):
        file = self.world.write("a/vm.toml", self.UGLY)
        file.chmod(0o640)
        link = file.parent / "link.toml"
        link.symlink_to("vm.toml")
        check = self.world.run("fmt", "--check", file, status=3)
        self.assertEqual(check.stdout, f"{file}\n")
        self.assertEqual(file.read_text(), self.UGLY)
        self.world.run("fmt", link)
        self.assertEqual(file.read_text(), self.PRETTY)
        self.assertTrue(link.is_symlink())
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o640)
        before = file.stat()
        self.assertEqual(self.world.run("fmt", file).stdout, "")
        self.assertEqual(file.stat().st_ino, before.st_ino)
        self.world.run("fmt", "--check", file)
        self.assertEqual(sorted(p.name for p in file.parent.iterdir()), ["link.toml", "vm.toml"])

    def test_what_is_no_toml_stays(self):
        good, bad = self.world.write("a/good.toml", self.UGLY), self.world.write("a/bad.toml", "a=\n")
        result = self.world.run("fmt", bad, good, status=2)
        self.assertIn("bad.toml:1:3: error: ", result.stderr)
        self.assertIn("[toml-syntax]", result.stderr)
        self.assertEqual(bad.read_text(), "a=\n")
        self.assertEqual(good.read_text(), self.PRETTY)
        self.world.run("fmt", "--check", bad, good, status=2)
        self.world.run("fmt", good.parent / "none.toml", status=2)

    def test_standard_input(self):
        process = self.world.start("fmt", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        out, _ = process.communicate(self.UGLY, timeout=60)
        harness.reaper.forget(process)
        self.assertEqual((process.returncode, out), (0, self.PRETTY))


if __name__ == "__main__":
    harness.main()
