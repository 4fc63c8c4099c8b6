# SPDX-License-Identifier: GPL-3.0-or-later
"""qvm schema: the JSON Schema takes what `qvm check` takes and refuses wrong keys and types; a saved QEMU does for a real one."""
import json
import pathlib
import re
import shutil
import subprocess
import tomllib

import harness

try:
    import jsonschema
except ImportError:
    jsonschema = None

GOLDEN = harness.SOURCE / "tests/golden"
# Each is refused by the schema and by `qvm check`.
BAD = {
    "top-level key": 'memroy = "1G"',
    "top-level table": '[dsik.root]\nfile = "a.raw"',
    "memory: unit": 'memory = "20GB"',
    "memory: type": "memory = true",
    "cpus: key": "cpus = { core = 2 }",
    "cpus: type": 'cpus = "two"',
    "cpus: range": "cpus = 0",
    "machine: type": 'machine = "q53"',
    "machine: property": 'machine = { type = "q35", vmprot = true }',
    "machine: property without type": "machine.vmprot = true",
    "machine: value": 'machine = { type = "q35", vmport = "maybe" }',
    "machine: accelerator": 'machine.accel = "kmv"',
    "machine: what is said elsewhere": 'machine = { type = "q35", append = "quiet" }',
    "cpu: model": 'cpu = "maxx"',
    "cpu: property": 'cpu = { model = "max", avx22 = true }',
    "cpu: dotted feature": 'cpu = { model = "max", sse4.1 = true }',
    "disk: key": 'disk.root = { file = "a.raw", read_only = true }',
    "disk: enum": 'disk.root = { file = "a.raw", cache = "nonne" }',
    "disk: type": 'disk.root = { file = "a.raw", boot = "1" }',
    "disk: id": 'disk.Root = { file = "a.raw" }',
    "disk: inner table": 'disk.root = { file = "a.raw", encrypt = { secrt = "x" } }',
    "disk.blockdev: member": 'disk.root = { file = "a.qcow2", blockdev = { l2-cach-size = "1M" } }',
    "disk.blockdev: member of the file": 'disk.root = { file = "a.qcow2", blockdev = { file = { driver = "file", aoi = "native" } } }',
    "disk.device: property": 'disk.root = { file = "a.raw", device = { queue-szie = 64 } }',
    "disk.device: value": 'disk.root = { file = "a.raw", device = { queue-size = "many" } }',
    "net: type": 'net.lan.type = "usr"',
    "net: list": 'net.lan = { type = "user", forward = "2222 -> 22" }',
    "net.netdev: member": 'net.lan = { type = "user", netdev = { type = "hubport", hubbid = 0 } }',
    "net.device: property": 'net.lan = { type = "user", device = { rx_queue_sze = 1024 } }',
    "console: word": 'console = "seriall"',
    "rng: type": "rng = 1",
    "throttle: key": "throttle.t = { iops = { totl = 1 } }",
    "iothread: property": "iothread.io0 = { poll-max-nss = 1 }",
    "lifecycle: duration": 'lifecycle.stop-timeout = "30"',
    "limits: processors": 'limits.cpu = "much"',
    "vars: table": "[vars.a]\nb = 1",
    "blockdev: driver": 'blockdev.node = { driver = "raww" }',
    "blockdev: member": 'blockdev.node = { driver = "raw", offst = 1, file = "other" }',
    "blockdev: nested member": 'blockdev.q = { driver = "qcow2", file = { driver = "raw", file = { driver = "file", filname = "/x" } } }',
    "blockdev: member of a list": 'blockdev.q = { driver = "quorum", vote-threshold = 1, children = [{ driver = "null-co", sze = 1 }] }',
    "blockdev: member of another driver": 'blockdev.q = { driver = "raw", l2-cache-size = 1, file = "x" }',
    "blockdev: its own name": 'blockdev.q = { node-name = "a", driver = "null-co" }',
    "blockdev: enum": 'blockdev.q = { driver = "null-co", discard = "yes" }',
    "blockdev: true for null": 'blockdev.q = { driver = "qcow2", file = "x", backing = true }',
    "object: type": 'object.o = { qom-type = "rng-randomm" }',
    "object: member": 'object.o = { qom-type = "rng-random", file = "/dev/urandom" }',
    "chardev: without its backend": 'chardev.c = { type = "null" }',
    "chardev: member of data": 'chardev.c.backend = { type = "ringbuf", data = { sise = 1 } }',
    "netdev: member": 'netdev.n = { type = "hubport", hubid = 0, hub = 1 }',
    "device: driver": 'device.d.driver = "edo"',
    "device: property": 'device.d = { driver = "edu", dma_mas = 1 }',
    "device: integer": 'device.d = { driver = "edu", dma_mask = true }',
    "device: boolean": 'device.d = { driver = "virtio-balloon-pci", deflate-on-oom = "yes" }',
    "device: address": 'device.d = { driver = "edu", addr = "33" }',
    "device: MAC": 'net.x.type = "none"\ndevice.d = { driver = "e1000e", mac = "52:54" }',
    "global: property": 'global."virtio-blk-pci" = { serail = "x" }',
    "global: type": 'global."virtio-blk" = { x = 1 }',
    "option: name": "option.boots.menu = true",
    "option: parameter": "option.boot.menus = true",
    "option: parameter of one of many": 'option.boot = [{ menus = true }]',
    "host: kind": 'host.h = { kind = "files", path = "x" }',
    "host: key": 'host.h = { kind = "file", pth = "x" }',
}
# What only the language makes good: short forms, variables, sizes as text, parts of a VM.
GOOD = {
    "short forms": 'machine = "q35"\nmemory = "4G"\ncpus = 4\ncpu = "max"\nconsole = "none"\nrng = false\nballoon = true\nqemu = "/usr/bin/qemu-system-x86_64"',
    "variables": 'memory = "${m}"\ncpus.count = "${n}"\ndisk.root = { file = "${d}/a.raw", boot = "${n}", cache = "${c}", read-only = "${r}" }\nrng = "${r}"\n'
                 '[vars]\nm = "1G"\nn = 1\nc = "none"\nr = true\nd = "/srv"\n',
    "variables of QEMU's keys": 'vars = { t = true, n = 255, s = "off" }\nmachine.vmport = "${s}"\ncpu.kvm = "${t}"\n'
                                'device.d = { driver = "edu", dma_mask = "${n}" }\ndevice.b = { driver = "virtio-balloon-pci", deflate-on-oom = "${t}" }\n'
                                'blockdev.z = { driver = "null-co", size = "${n}", read-only = "${t}" }\ndevice.z = { driver = "virtio-blk-pci", drive = "z" }\n',
    "sizes": 'blockdev.z = { driver = "null-co", size = "1.5G" }\ndevice.z = { driver = "virtio-blk-pci", drive = "z", logical_block_size = "4K" }\n'
             'memory = 536870912\nlimits.memory = "4 GiB"',
    "numbers as text": 'device.d = { driver = "edu", dma_mask = "0xff", addr = "0x1f.7" }\nblockdev.z = { driver = "null-co", size = "1024" }\n'
                       'device.z = { driver = "virtio-blk-pci", drive = "z" }',
    "switches": 'machine.vmport = true\ndevice.b = { driver = "virtio-balloon-pci", deflate-on-oom = "on" }\ndevice.no = false\ndisk.no = false\nkernel = false',
    "false for null": 'blockdev.q = { driver = "qcow2", file = { driver = "null-co", size = "1M" }, backing = false }\ndevice.q = { driver = "virtio-blk-pci", drive = "q" }',
    "overrides in part": 'disk.root = { file = "a.qcow2", blockdev = { l2-cache-size = "1M", file = { locking = "off" } }, device = { queue-size = 64 } }\n'
                         'net.lan = { type = "none", device = { rx_queue_size = 512 } }',
    "options": 'option.boot = { menu = true, splash-time = 5 }\n[[option.smbios]]\ntype = "0"\nvendor = "x"',
    "bases of devices": '[global."virtio-device"]\nany_layout = true',
    "what qvm adds": 'blockdev.z = { driver = "null-co", size = "1M", grow-to = "2M" }\ndevice.z = { driver = "virtio-blk-pci", drive = "z" }',
}
# Only with other files these are a VM.
PARTS = {
    "a device": 'extends = "base.toml"\n[device.d]\ndma_mask = 255',
    "a node": '[blockdev.q]\nl2-cache-size = "1M"',
    "a disk": '[disk.root]\ncache = "none"',
    "what is taken out": 'unset = ["disk.data"]\ninclude = ["a.toml", "b.toml"]',
}


def page_blocks():
    """The examples of the manual page that are whole lines of TOML."""
    page = (harness.SOURCE / "man/qvm.toml.5").read_text()
    for block in re.findall(r"^\.EX\n(.*?)^\.EE", page, flags=re.M | re.S):
        text = re.sub(r"\\\(dq|\\\(aq", '"', block)
        text = re.sub(r"\\f\(?[A-Z]", "", text).replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
        yield text


def messages(errors):
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in errors]


class Schema(harness.TestCase):
    def schema(self, *words):
        text = self.world.run("schema", *words).stdout
        self.assertLess(len(text), 4 << 20)
        return json.loads(text)

    def validator(self, schema):
        if jsonschema is None:
            self.skipTest("python3-jsonschema is not installed")
        jsonschema.Draft7Validator.check_schema(schema)
        return jsonschema.Draft7Validator(schema)

    def refused_by_check(self, text):
        file = self.world.write("check/vm.toml", text)
        return self.world.run("check", "--no-host", file, status=None).returncode == 2

    def assert_takes(self, validator, text):
        """The schema takes it, or `qvm check` refuses it, too."""
        found = messages(validator.iter_errors(tomllib.loads(text)))
        if found and not self.refused_by_check(text):
            self.fail(f"the schema refuses what qvm check takes: {found}\n{text}")

    def test_good_files(self):
        validator = self.validator(self.schema())
        files = sorted((harness.SOURCE / "examples").glob("*.toml"))
        for folder in ("check", "lower", "plan", "import"):
            for file in sorted((GOLDEN / folder).glob("*.toml")):
                said = file.with_suffix(".txt")
                if not said.exists() or "error:" not in said.read_text():
                    files.append(file)
        self.assertGreater(len(files), 60)
        words = json.loads(self.world.run("explain", "--all", "--json").stdout)
        texts = {word["path"]: word["example"] for word in words if "example" in word}
        self.assertGreater(len(texts), 150)
        blocks = list(page_blocks())
        self.assertGreaterEqual(len(blocks), 3)
        texts |= {str(file): file.read_text() for file in files} | {f"qvm.toml(5), {n}": text for n, text in enumerate(blocks)}
        for name, text in texts.items():
            with self.subTest(name):
                self.assert_takes(validator, text)

    def test_good_values(self):
        validator = self.validator(self.schema())
        for name, text in (GOOD | PARTS).items():
            with self.subTest(name):
                self.assertEqual(messages(validator.iter_errors(tomllib.loads(text))), [])
        for name, text in GOOD.items():
            with self.subTest(name):
                self.world.run("check", "--no-host", self.world.write("good/vm.toml", text))

    def test_bad_files(self):
        validator = self.validator(self.schema())
        self.assertGreater(len(BAD), 50)
        for name, text in BAD.items():
            with self.subTest(name):
                self.assertFalse(validator.is_valid(tomllib.loads(text)), "the schema takes it")
                self.assertTrue(self.refused_by_check(text), "qvm check takes it")

    def test_each_qemu(self):
        tested = 0
        for version, table in harness.each_qemu():
            with self.subTest(qemu=version):
                if table is None:
                    print(f"skipped: QEMU {version}: not fetched (tools/fetch-qemu), or not readable")
                    continue
                schema = self.schema(*table[1:])
                self.assertGreater(len(schema["definitions"]), 300)
                validator = self.validator(schema)
                for example in sorted((harness.SOURCE / "examples").glob("*.toml")):
                    self.assertEqual(messages(validator.iter_errors(tomllib.loads(example.read_text()))), [], example.name)
                tested += 1
        self.assertGreaterEqual(tested, 1)

    def test_taplo(self):
        taplo = shutil.which("taplo")
        if taplo is None:
            self.skipTest("taplo is not installed (npm install -g @taplo/cli)")
        out = self.world.directory("taplo") / "qvm-schema.json"
        self.assertIn("#:schema", self.world.run("schema", "-o", out).stdout)

        def lint(name, text):
            file = self.world.write(f"taplo/{name}.toml", f"#:schema ./qvm-schema.json\n{text}\n")
            return subprocess.run([taplo, "lint", "--no-auto-config", file], cwd=file.parent, capture_output=True, text=True,
                                  timeout=120, stdin=subprocess.DEVNULL)

        for example in sorted((harness.SOURCE / "examples").glob("*.toml")):
            with self.subTest(example.name):
                result = lint(example.stem, example.read_text())
                self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        for name in ("disk: enum", "blockdev: nested member", "device: property"):
            with self.subTest(name):
                result = lint("bad", BAD[name])
                self.assertNotEqual(result.returncode, 0)
                self.assertRegex(result.stdout + result.stderr, "is not one of|unexpected")

    def test_files_it_writes(self):
        out = self.world.directory("out") / "schema.json"
        self.world.run("schema", "-o", out)
        self.assertEqual(out.read_text(), self.world.run("schema").stdout)
        self.assertIn("--force replaces it", self.world.run("schema", "-o", out, status=1).stderr)
        self.world.run("schema", "-o", out, "--force")
        self.world.run("schema", "-o", out, "--save", out, status=1)
        self.world.run("schema", "--qemu", "/nonexistent/qemu", status=9)


class SavedQemu(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.saved = self.world.directory("saved") / "here.qemu"
        self.assertIn("is saved", self.world.run("schema", "--save", self.saved).stdout)
        self.bare = ["/usr/bin/env", "PATH=/nonexistent", self.world.qvm]

    def test_verbs_without_a_qemu(self):
        text = 'disk.root = { file = "root.qcow2", bus = "scsi" }\nnet.lan.type = "user"\nmachine.vmport = true\n'
        file = self.world.write("web/vm.toml", text)
        checked = self.world.run("check", "--schema", self.saved, file, program=self.bare).stdout
        self.assertIn(f"(saved in {self.saved}); what only this host can tell was left out", checked)
        self.world.run("check", file, status=9, program=self.bare)
        for words in (["show", "--compiled"], ["plan", "--json"]):
            with self.subTest(words):
                saved = self.world.run(*words, "--schema", self.saved, file, program=self.bare).stdout
                self.assertEqual(saved, self.world.run(*words, *(["--no-host"] if words[0] == "plan" else []), file).stdout)
        self.assertIn("num-queues", self.world.run("explain", "--schema", self.saved, "virtio-blk-pci", program=self.bare).stdout)
        self.assertEqual(self.world.run("schema", "--schema", self.saved, program=self.bare).stdout, self.world.run("schema").stdout)
        self.world.run("show", "--schema", self.saved, file, status=1)

    def test_mistakes_are_found(self):
        for name in ("device: property", "cpu: property", "machine: property", "blockdev: nested member", "object: member", "option: parameter"):
            with self.subTest(name):
                found = self.world.run("check", "--schema", self.saved, self.world.write("bad/vm.toml", BAD[name]), status=2, program=self.bare)
                self.assertIn(str(self.saved), found.stderr)

    def test_what_is_no_saved_qemu(self):
        whole = self.saved.read_text()
        file = self.world.write("web/vm.toml", "memory = \"1G\"\n")
        other = whole.replace('"form": 1', '"form": 77', 1)
        self.assertNotEqual(other, whole)
        for text, said in ((whole[:len(whole) // 2], "is damaged"), (re.sub(r'"machines": .*', '"machines": 7,', whole), "is damaged"),
                           (other, "was saved by qvm"), ("memory = 1\n", "is not a saved QEMU"), ("[]", "is not a saved QEMU"),
                           ("", "is not a saved QEMU"), ('{"$schema": "x"}', "is a JSON Schema")):
            with self.subTest(said=said, begin=text[:20]):
                wrong = self.world.write("wrong.qemu", text)
                found = self.world.run("check", "--schema", wrong, file, status=2).stderr
                self.assertIn(f"'{wrong}' {said}", found)
                self.assertIn("qvm schema --save", found)
        self.assertIn("cannot be read", self.world.run("explain", "--schema", "none.qemu", "edu", status=2).stderr)


if __name__ == "__main__":
    harness.main()
