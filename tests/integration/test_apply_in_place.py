#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `qvm apply` changes in place of things that stay: processors, the size of a disk, caches, the other end of a
serial line, limits. The guest sees what it should, and nothing else."""
import subprocess

import harness
from test_apply import Apply


class Processors(Apply):
    SEEN = "ls -d /sys/devices/system/cpu/cpu[0-9]* | wc -l"

    def test_come_and_go(self):
        def check(version, qemu):
            self.boot(qemu=qemu, head=self.cpus(1, 4))
            out = self.apply("", head=self.cpus(3, 4)).stdout
            self.assertIn("+ device.qvm.cpu1", out)
            self.assertIn("+ device.qvm.cpu2", out)
            self.guest_sees(self.SEEN, "\n3\n")
            self.ask("for i in 1 2; do echo 1 > /sys/devices/system/cpu/cpu$i/online; done")
            self.guest_sees("cat /sys/devices/system/cpu/online", "0-2")
            self.unchanged()
            self.assertIn("runs already", self.file_is_as_it_runs())
            if version == "installed":
                # 7.2 with TCG would die of it, be it later.
                result = self.apply("", head=self.cpus(2, 4), status=4)
                self.assertIn("! device.qvm.cpu2", result.stdout)
                self.assertEqual(self.processors(), 3)
                return
            self.apply("", head=self.cpus(2, 4))
            self.guest_sees(self.SEEN, "\n2\n")
            self.assertEqual(self.processors(), 2)
            self.unchanged()
            # One place has never been used; for the other, TCG has no second processor.
            result = self.apply("", head=self.cpus(4, 4), status=4)
            self.assertIn("+ device.qvm.cpu2", result.stdout)
            self.assertRegex(result.stdout, r"! cpus.count +2 -> 4 .*with tcg")
            self.guest_sees(self.SEEN, "\n3\n")
            self.unchanged(status=4)
        self.on_each_qemu(check)

    def test_those_of_the_start_stay(self):
        """And a start has all of them from the beginning."""
        self.boot(head=self.cpus(2, 3))
        self.assertIn("! cpus.count", self.apply("", head=self.cpus(1, 3), status=4).stdout)
        self.apply("", head=self.cpus(3, 3))
        self.leave()
        self.world.run("restart", self.file)
        self.assertEqual(self.processors(), 3)
        self.assertIn("nothing to change", self.world.run("plan", "--exit-code", self.file).stdout)

    def processors(self):
        return len(self.world.qmp("guest", "query-cpus-fast"))

    def file_is_as_it_runs(self):
        return self.world.run("up", self.file, *self.qemu).stdout

    @staticmethod
    def cpus(count, most):
        return f"cpus = {{ count = {count}, max = {most} }}"


class Growth(Apply):
    def grown(self, name, size, more=""):
        return self.disk(name, more=f'size = "{size}"\n{more}')

    def test_at_the_start_and_while_it_runs(self):
        def check(version, qemu):
            for name in ("data.raw", "more.qcow2"):
                (self.world.base / name).unlink(missing_ok=True)
            self.boot(self.grown("data", "12M"), qemu=qemu)
            self.guest_sees("cat /sys/block/vda/size", f"\n{12 * 2048}\n")
            self.assertIn("~ blockdev.data.size  at least 16M", self.apply(self.grown("data", "16M")).stdout)
            self.guest_sees("cat /sys/block/vda/size", f"\n{16 * 2048}\n")
            self.unchanged()
            # A new one, of a format with a size of its own.
            self.apply(self.grown("data", "16M") + self.qcow2("20M"))
            self.guest_sees("cat /sys/block/vdb/size", f"\n{20 * 2048}\n")
            self.unchanged()
            # Without the key it stays as large as it is.
            self.apply(self.disk("data") + self.qcow2("20M"))
            self.guest_sees("cat /sys/block/vda/size", f"\n{16 * 2048}\n")
            self.unchanged()
        self.on_each_qemu(check)

    def qcow2(self, size):
        return f'[disk.more]\nfile = "{self.image("more.qcow2")}"\nsize = "{size}"\n'

    def test_never_shrinks(self):
        self.boot(self.grown("data", "12M") + self.qcow2("12M"))
        result = self.apply(self.grown("data", "9M") + self.qcow2("10M"), status=2)
        self.assertRegex(result.stderr, r"vm.toml:\d+:8: error: '.*data.raw' has 12M already, and a disk is never shrunk \[bad-size\]")
        self.assertRegex(result.stderr, r"more.qcow2' has 12M already")
        self.assertIn("qemu-img resize --shrink", result.stderr)
        self.assertEqual(self.operations(), [])
        self.leave()
        self.world.run("kill", "guest")
        self.assertIn("never shrunk", self.world.run("up", self.file, status=2).stderr)

    def test_what_cannot_be_undone_is_told(self):
        """QEMU lets no vmdk grow: what grew before it stays so."""
        image = self.world.image("b.vmdk", "8M")
        subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", image, "8M"], check=True)
        vmdk = f'[disk.b]\nfile = "{image}"\n'
        self.boot(self.disk("a") + vmdk)
        result = self.apply(self.grown("a", "16M") + vmdk + 'size = "16M"\n', status=7)
        self.assertRegex(result.stderr, r"vm.toml:\d+:8: guest: block_resize blockdev.b failed: ")
        self.assertIn("not undone: block_resize blockdev.a", result.stderr)
        self.guest_sees("cat /sys/block/vda/size", f"\n{16 * 2048}\n")
        # What was done is known.
        self.write(self.grown("a", "16M") + vmdk)
        self.unchanged()


class Caches(Apply):
    def test_cache_and_discard(self):
        """The node stays, and the guest uses it meanwhile."""
        def check(version, qemu):
            self.boot(self.node("writeback"), qemu=qemu)
            self.assertIn("~ blockdev.data.cache", self.apply(self.node("unsafe", "discard = true")).stdout)
            self.assertTrue(self.cache()["no-flush"])
            self.guest_sees("dd if=/dev/zero of=/dev/vda bs=4096 count=1 conv=fsync && echo writ''ten", "written")
            self.unchanged()
            self.apply(self.node("writeback"))
            self.assertFalse(self.cache()["no-flush"])
            self.unchanged()
            # Another descriptor takes another device.
            self.assertIn("-/+ blockdev.data", self.apply(self.node("none"), status=4).stdout)
        self.on_each_qemu(check)

    def test_qcow2_cache_size(self):
        self.boot(self.qcow2("1M"))
        self.assertIn("~ blockdev.data.l2-cache-size", self.apply(self.qcow2("2M")).stdout)
        self.guest_sees("dd if=/dev/zero of=/dev/vda bs=4096 count=1 conv=fsync && echo writ''ten", "written")
        self.unchanged()

    def node(self, cache, more=""):
        return self.disk("data", f'cache = "{cache}"\n{more}')

    def qcow2(self, size):
        return f'[disk.data]\nfile = "{self.image("data.qcow2")}"\nblockdev = {{ l2-cache-size = "{size}" }}\n'

    def cache(self):
        return next(node["cache"] for node in self.world.qmp("guest", "query-named-block-nodes") if node["node-name"] == "data")


class Chardevs(Apply):
    def test_a_serial_line(self):
        """Its bytes go to another file, and back when something else fails."""
        def check(version, qemu):
            for name in ("a", "b"):
                self.world.write(f"{name}.log", "")
            self.boot(self.serial("a"), qemu=qemu)
            self.ask("echo one > /dev/ttyS1")
            self.assertIn("~ chardev.log.backend", self.apply(self.serial("b")).stdout)
            self.ask("echo two > /dev/ttyS1")
            self.assertEqual((self.text("a"), self.text("b")), ("one\n", "two\n"))
            self.unchanged()
            self.assertEqual(self.fdsets(), {"chardev.log.backend.data.out"})
            # Later than it, QEMU refuses something: the vmdk that cannot grow.
            image = self.world.image("b.vmdk", "8M")
            subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", image, "8M"], check=True)
            vmdk = f'[disk.b]\nfile = "{image}"\n'
            self.apply(self.serial("b") + vmdk)
            self.apply(self.serial("a") + vmdk + 'size = "16M"\n', status=6)
            self.ask("echo three > /dev/ttyS1")
            self.assertEqual((self.text("a"), self.text("b")), ("one\n", "two\nthree\n"))
            self.write(self.serial("b") + vmdk)
            self.unchanged()
        self.on_each_qemu(check)

    def serial(self, name):
        return (f'[chardev.log]\nbackend = {{ type = "file", data = {{ out = "{self.world.base / (name + ".log")}", append = true }} }}\n'
                '[device.log]\ndriver = "isa-serial"\nchardev = "log"\n')

    def text(self, name):
        return (self.world.base / (name + ".log")).read_text().replace("\r", "")


class Limits(Apply):
    def in_force(self):
        return self.world.status("guest")["limits"]["in-force"]

    def boot_limited(self):
        self.boot(self.limits("640M", 1.5, 300))
        missing = self.world.status("guest")["limits"]["missing"]
        if missing:
            result = self.apply(self.limits("700M", 1, 400), status=4)
            self.assertRegex(result.stdout, "! limits.memory .*(no cgroup|without limits of)")
            self.skipTest(missing[0])

    def test_raised_and_lowered(self):
        self.boot_limited()
        out = self.apply(self.limits("700M", 1, 400)).stdout
        self.assertIn("~ limits.memory", out)
        self.assertEqual(self.in_force(), {"memory": 700 << 20, "cpu": 1.0, "pids": 400})
        self.unchanged()
        self.apply("[limits]\nmemory = \"650M\"\n")
        force = self.in_force()
        self.assertEqual((force["memory"], force.get("cpu")), (650 << 20, None))
        self.assertNotEqual(force["pids"], 400)  # the automatic one
        self.unchanged()
        # What has no controller waits, and says why.
        self.assertRegex(self.apply("[limits]\nmemory = \"650M\"\nio.read = \"10M\"\n", status=4).stdout,
                         "! limits.io.read .*without limits of io|~ limits.io.read")

    def test_the_automatic_limit_follows(self):
        """Iothreads and helpers bring threads of their own."""
        self.boot()
        if self.world.status("guest")["limits"]["missing"]:
            self.skipTest(self.world.status("guest")["limits"]["missing"][0])
        harness.wait_until(lambda: "pids" in self.in_force(), "the automatic limit")
        before = self.in_force()["pids"]
        self.apply("[iothread.a]\n[iothread.b]\n")
        self.assertEqual(self.in_force()["pids"], before + 130)
        self.unchanged()
        self.apply("[iothread.a]\n[net.lan]\ntype = \"user\"\n")
        self.assertEqual(self.in_force()["pids"], before + 81)
        # What fails takes it back.
        bad = self.disk("bad", more="device = { logical_block_size = 1000 }")
        self.apply(bad + "[iothread.a]\n[iothread.b]\n[net.lan]\ntype = \"user\"\n", status=6)
        self.assertEqual(self.in_force()["pids"], before + 81)
        self.apply("")
        self.assertEqual(self.in_force()["pids"], before)

    def test_below_what_is_used(self):
        self.boot_limited()
        result = self.apply(self.limits("2M", 1.5, 300), status=6)
        self.assertIn("limits failed: limits.memory cannot be 2M: the VM uses ", result.stderr)
        self.assertEqual(self.in_force()["memory"], 640 << 20)
        self.guest_sees("echo al''ive", "alive")
        self.write(self.limits("640M", 1.5, 300))
        self.unchanged()

    def test_undone(self):
        """Raised for what failed, it is lowered again."""
        self.boot_limited()
        bad = self.disk("bad", more="device = { logical_block_size = 1000 }")
        self.apply(bad + self.limits("800M", 1.5, 300), status=6)
        self.assertEqual(self.in_force()["memory"], 640 << 20)

    @staticmethod
    def limits(memory, cpu, pids):
        return f'[limits]\nmemory = "{memory}"\ncpu = {cpu}\npids = {pids}\n'


if __name__ == "__main__":
    harness.main()
