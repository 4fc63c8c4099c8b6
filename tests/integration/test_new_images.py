# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that qvm makes: over a base, of a size, encrypted, forgotten; and the seed of cloud-init."""
import json
import shutil
import subprocess

import harness


def image_info(path):
    return json.loads(subprocess.run(["qemu-img", "info", "-U", "--output=json", str(path)], check=True,
                                     capture_output=True, text=True).stdout)


class Shell:
    """The shell of a guest that has booted."""

    def __init__(self, test, name):
        self.console = test.world.console("console", name)
        test.addCleanup(self.console.close)
        self.console.expect("guest: ready")
        self.count = 0

    def run(self, command):
        """What it printed."""
        self.count += 1
        self.console.send(f"{command}; echo end''ed-{self.count}\n")
        marker = f"ended-{self.count}".encode()
        harness.wait_until(lambda: self.console.read() or marker in self.console.seen, lambda: self.console.seen, 60)
        said, _, self.console.seen = self.console.seen.partition(marker)
        return said.decode(errors="replace").replace("\r", "")


class NewImages(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.base = self.world.copy(harness.GUEST / "data.qcow2", "images/base.qcow2")

    def write(self, *lines, name="made"):
        return self.world.write(f"{name}/vm.toml", self.world.guest_toml("\n".join(lines)))

    def images(self, what):
        return sorted(path.name for path in self.world.base.rglob(what))

    def shell(self, name="made"):
        return Shell(self, name)

    def test_over_a_base(self):
        before = self.base.read_bytes()
        file = self.write('[disk.root]\nbase = "../images/base.qcow2"\nsize = "100M"')
        self.world.run("check", file)
        self.assertEqual(self.images("root.qcow2"), [])
        up = self.world.run("up", file).stdout
        (path,) = self.world.base.rglob("disks/root.qcow2")
        self.assertIn(f"made: made '{path}', qcow2 of 100M over '{self.base}'\n", up)
        info = image_info(path)
        self.assertEqual((info["virtual-size"], info["full-backing-filename"], info["backing-filename-format"]),
                         (100 << 20, str(self.base), "qcow2"))
        report = self.world.report("made")
        self.assertEqual([disk["bytes"] for disk in report.disks.values()], [str(100 << 20)])
        shell = self.shell()
        shell.run("echo kept | dd of=/dev/vda bs=512 seek=100 conv=sync,fsync 2>/dev/null")
        self.assertEqual(self.world.run("plan", file).stdout.count("nothing to change"), 1)
        self.world.run("stop", "made")
        self.assertEqual(self.base.read_bytes(), before)

        again = self.world.run("up", file).stdout
        self.assertNotIn("made '", again)
        shell = self.shell()
        self.assertIn("kept", shell.run("dd if=/dev/vda bs=512 skip=100 count=1 2>/dev/null"))
        self.world.run("kill", "made")

        # It is the VM's: gone with it, unless it is to be kept, and never made anew in secret.
        path.rename(path.with_suffix(".away"))
        gone = self.world.run("up", file, status=2).stderr
        self.assertIn(f"'{path}' is gone: this VM has had it", gone)
        self.assertIn(f"qemu-img create -f qcow2 -F qcow2 -b {self.base} {path}", gone)
        path.with_suffix(".away").rename(path)
        self.assertIn("disks/root.qcow2", self.world.run("rm", "made", status=1).stdout)
        self.assertIn(f"but for {path.parent}", self.world.run("rm", "--yes", "--keep-disks", "made").stdout)
        self.assertEqual(self.world.run("ls", "--json").stdout.strip(), "[]")
        self.assertNotIn("made '", self.world.run("up", file).stdout)
        self.world.run("kill", "made")
        self.world.run("rm", "--yes", "made")
        self.assertEqual(self.images("root.qcow2"), [])

    def test_a_base_that_is_another(self):
        file = self.write('disk.root = { base = "../images/base.qcow2", file = "root.qcow2" }')
        self.world.run("up", file)
        self.world.run("kill", "made")
        other = self.world.copy(self.base, "images/other.qcow2")
        refused = self.world.run("up", "--set", f"disk.root.base={other}", file, status=2).stderr
        self.assertIn(f"says it lies over '{self.base}', the configuration says over '{other}'", refused)
        self.assertIn("[chain-mismatch]", refused)
        small = self.world.run("check", "--set", f"disk.two.base={self.base}", "--set", "disk.two.size=512K", file,
                               status=2).stderr
        self.assertIn(f"the disk cannot be smaller than '{self.base}' below it", small)

    def test_of_a_size(self):
        self.world.write("made/key", "hunter2")
        file = self.write('disk.plain = { file = "plain.raw", size = "3M", serial = "plain" }',
                          'disk.grown = { file = "grown.qcow2", size = "4M", serial = "grown" }',
                          'secret.k.file = "key"',
                          'disk.vault = { file = "vault.qcow2", size = "5M", serial = "vault", encrypt.secret = "k" }',
                          'disk.block = { file = "block.raw", size = "6M", serial = "block", encrypt.secret = "k" }')
        up = self.world.run("up", file).stdout
        self.assertEqual(up.count(": made '"), 4)
        directory = file.parent
        self.assertEqual((directory / "plain.raw").stat().st_size, 3 << 20)
        self.assertEqual((directory / "plain.raw").stat().st_mode & 0o777, 0o600)
        self.assertTrue(image_info(directory / "vault.qcow2")["encrypted"])
        self.assertEqual((directory / "block.raw").read_bytes()[:4], b"LUKS")
        sizes = {disk["serial"]: int(disk["bytes"]) >> 20 for disk in self.world.report("made").disks.values()}
        self.assertEqual(sizes, {"plain": 3, "grown": 4, "vault": 5, "block": 6})
        shell = self.shell()
        text = "a sentence that nobody may read on the host"
        shell.run(f'for d in /dev/vd?; do echo "{text}" | dd of=$d conv=sync,fsync 2>/dev/null; done')
        self.world.run("stop", "made")
        held = {path.name: text.encode() in path.read_bytes() for path in directory.iterdir() if path.suffix != ".toml"}
        self.assertEqual(held, {"plain.raw": True, "grown.qcow2": True, "vault.qcow2": False, "block.raw": False,
                                "key": False})
        # The advice never makes an image that lacks the encryption.
        (directory / "vault.qcow2").rename(directory / "away")
        self.assertIn("--object secret,id=key,file=", self.world.run("check", file, status=2).stderr)
        (directory / "away").rename(directory / "vault.qcow2")
        self.world.run("check", "--set", "disk.plain.size=8M", file)
        self.assertIn("is never shrunk", self.world.run("check", "--set", "disk.plain.size=1M", file, status=2).stderr)

    def test_forgotten(self):
        before = self.base.read_bytes()
        file = self.write('disk.root = { file = "../images/base.qcow2", ephemeral = true }')
        for _ in range(2):
            self.world.run("up", file)
            shell = self.shell()
            self.assertNotIn("kept", shell.run("dd if=/dev/vda bs=512 skip=100 count=1 2>/dev/null"))
            shell.run("echo kept | dd of=/dev/vda bs=512 seek=100 conv=sync,fsync 2>/dev/null")
            self.assertIn("kept", shell.run("dd if=/dev/vda bs=512 skip=100 count=1 2>/dev/null"))
            self.world.run("kill", "made")
        self.assertEqual(self.images("*.qcow2"), ["base.qcow2"])
        self.assertEqual(self.base.read_bytes(), before)

    def test_while_it_runs(self):
        file = self.write()
        self.world.run("up", file)
        self.world.report("made")
        file.write_text(file.read_text() + '[disk.more]\nfile = "more.qcow2"\nsize = "7M"\nserial = "more"\n'
                        '[disk.over]\nbase = "../images/base.qcow2"\n')
        applied = self.world.run("apply", "--yes", file).stdout
        self.assertIn("more.qcow2', qcow2 of 7M\n", applied)
        (over,) = self.world.base.rglob("disks/over.qcow2")
        self.assertIn(f"'{over}', qcow2 over '{self.base}'\n", applied)
        self.assertEqual(self.world.run("plan", file).stdout.count("nothing to change"), 1)
        self.assertEqual(image_info(over)["full-backing-filename"], str(self.base))
        # What cannot be done leaves no image behind.
        refused = file.read_text() + ('[disk.third]\nfile = "third.qcow2"\nsize = "7M"\n'
                                      '[disk.third.device]\nphysical_block_size = 512\nlogical_block_size = 4096\n')
        file.write_text(refused)
        self.world.run("apply", "--yes", file, status=6)
        self.assertFalse((file.parent / "third.qcow2").exists())
        self.world.run("kill", "made")

    def test_a_start_that_fails_leaves_none(self):
        file = self.write('[disk.root]\nbase = "../images/base.qcow2"\n[disk.root.device]\n'
                          'physical_block_size = 512\nlogical_block_size = 4096')
        self.world.run("up", file, status=6)
        self.assertEqual(self.images("root.qcow2"), [])
        self.world.run("up", "--unset", "disk.root.device", file)
        self.world.run("kill", "made")

    def test_what_stands_in_the_way(self):
        file = self.write('disk.root = { file = "nowhere/root.qcow2", size = "1M" }',
                          'disk.base = { base = "../images/missing.qcow2" }')
        refused = self.world.run("up", file, status=2).stderr
        self.assertIn(f"there is no file '{file.parent}/nowhere'", refused)
        self.assertIn("missing.qcow2'", refused)
        self.world.run("check", "--no-host", file)
        qemu = shutil.which("qemu-system-x86_64")
        file = self.write('disk.root = { file = "root.qcow2", size = "1M" }', f'qemu.binary = "{qemu}"')
        without = self.world.run("up", file, status=2,
                                 program=["/usr/bin/env", "PATH=/nowhere", self.world.qvm])
        self.assertIn("apt install qemu-utils", without.stderr)


class CloudInit(harness.TestCase):
    def test_the_guest_reads_it(self):
        self.world.write("cloud/id.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@home\n")
        file = self.world.write("cloud/vm.toml", self.world.guest_toml('''[cloud-init]
user = "me"
ssh-keys = ["id.pub"]
user-data-text = "#cloud-config\\npackages: [vim]\\n"
'''))
        self.world.run("up", file)
        shell = Shell(self, "cloud")
        text = shell.run("mkdir /seed; mount -t iso9660 -o ro /dev/vda /seed; dd if=/dev/vda bs=1 skip=32808 count=6 2>/dev/null; cd /seed; "
                         "for f in *; do echo \"<$f>\"; cat $f; done")
        self.assertIn("CIDATA", text)
        meta = json.loads(text.split("<meta-data>\n")[1].split("<user-data>")[0])
        self.assertEqual(meta["local-hostname"], "cloud")
        self.assertEqual(len(meta["instance-id"]), 36)
        self.assertIn("<user-data>\n#cloud-config\npackages: [vim]\n", text)
        vendor = text.split("<vendor-data>\n#cloud-config\n")[1].split("ended")[0]
        self.assertEqual(json.loads(vendor), {"user": "me", "ssh_authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@home"]})
        self.assertEqual(self.world.run("plan", file).stdout.count("nothing to change"), 1)
        self.world.run("kill", "cloud")

    def test_mistakes(self):
        key = self.world.write("cloud/id", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n")
        file = self.world.write("cloud/vm.toml", '[cloud-init]\nssh-keys = ["id", "id_rsa.pub"]\nuser-data-text = "packages: [vim]"\n')
        said = self.world.run("check", file, status=2).stderr
        self.assertIn(f"vm.toml:2:13: error: '{key}' is a private key, which no guest may have", said)
        self.assertIn("there is no file", said)
        self.assertIn("vm.toml:3:18: warning: cloud-init ignores user-data that does not say what it is", said)


if __name__ == "__main__":
    harness.main()
