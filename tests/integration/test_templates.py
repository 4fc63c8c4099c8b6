# SPDX-License-Identifier: GPL-3.0-or-later
"""`qvm new`, and the templates that come with qvm: each file it writes is one that every QEMU takes, and the two
that the small guest can stand for boot."""
import harness

TEMPLATES = sorted(path.stem for path in (harness.SOURCE / "templates").glob("*.toml"))
TCG = ("--set", "machine.accel=tcg")


class Templates(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.mine = self.world.directory("mine")

    def new(self, *arguments, **options):
        return self.world.run("new", *arguments, **{"cwd": self.mine, **options})

    def test_each_is_listed_and_has_a_starter(self):
        listed = self.new().stdout.splitlines()
        self.assertEqual([line.split()[0] for line in listed], TEMPLATES)
        for line in listed:
            self.assertTrue(line.endswith(".") and len(line) <= 80, line)
        for name in TEMPLATES:
            self.new(name, "-o", f"{name}.toml")
            text = (self.mine / f"{name}.toml").read_text()
            self.assertIn(f'extends = "{name}"', text)
            self.assertEqual(self.world.run("fmt", "--check", self.mine / f"{name}.toml", status=None).returncode, 0)

    def test_every_qemu_takes_them(self):
        for name in TEMPLATES:
            self.new(name, "-o", f"{name}.toml")
        for version, table in harness.each_qemu():
            if table is None:
                print(f"skipped: QEMU {version}: not fetched (tools/fetch-qemu), or not readable")
                continue
            for name in TEMPLATES:
                with self.subTest(qemu=version, template=name):
                    for verb in ("check", "plan"):
                        self.world.run(verb, "--no-host", *TCG, self.mine / f"{name}.toml", *table)

    def test_a_cloud_image(self):
        self.world.copy(harness.GUEST / "disk.qcow2", "web/debian-13-generic-amd64.qcow2")
        self.world.write("home/.ssh/id_ed25519.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@home\n")
        directory = self.world.base / "web"
        said = self.new("linux-cloud", cwd=directory).stdout
        self.assertIn("vm.toml: made from the template linux-cloud", said)
        # A port of one's own: another VM of this machine may have 2222.
        up = self.world.run("up", *TCG, "--unset", "net.lan.forward", "--set", "disk.root.size=1G", "--set", "memory=256M", "--set", "cpus=1",
                            cwd=directory).stdout
        self.assertIn("qcow2 of 1G over", up)
        report = self.world.report("web")
        self.assertEqual(sorted(disk["bytes"] for disk in report.disks.values())[0], str(1 << 30))
        self.assertEqual(len(report.disks), 2)
        self.world.run("kill", "web")

    def test_a_kernel(self):
        directory = self.world.directory("k")
        self.new("direct-kernel", cwd=directory)
        (directory / "bzImage").symlink_to(self.world.kernel)
        (directory / "initrd.gz").symlink_to(self.world.initrd)
        self.world.run("up", *TCG, cwd=directory)
        self.assertEqual(self.world.report("k").words["boot"], "kernel firmware=bios")
        self.world.run("kill", "k")

    def test_ones_own(self):
        self.world.write("home/.config/qvm/templates/house.toml", "# What all of ours have.\nmemory = \"1G\"\n")
        self.assertIn("house", self.new().stdout)
        self.assertEqual(self.new("house", "-o", "-").stdout,
                         '# What all of ours have.\nextends = "house"\n')
        self.assertIn("did you mean 'house'?", self.new("huose", status=1).stderr)
        self.new("house")
        self.assertIn("'vm.toml' is there already", self.new("server", status=1).stderr)
        self.assertIn("house", (self.mine / "vm.toml").read_text())


if __name__ == "__main__":
    harness.main()
