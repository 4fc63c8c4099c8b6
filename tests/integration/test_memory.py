#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory and processors: what the guest sees of nodes and of memory that comes and goes, and where the host runs what."""
import os
import pathlib
import re

import harness
from test_apply import Apply


class Memory(Apply):
    HEAD = """
cpus = {{ count = 2, max = 3{pin} }}
numa.0 = {{ cpus = "0,2", memory = "{first}M"{nodes} }}
numa.1 = {{ cpus = 1, memory = "64M", distance = [30, 10] }}
"""

    def given(self, first, pin="", nodes=""):
        """The file's memory: `first` MiB in the first node, 64 in the other."""
        return {"head": self.HEAD.format(first=first, pin=f", pin = {pin}" if pin else "", nodes=nodes),
                "memory": f"{first + 64}M"}

    def test_nodes_and_memory_that_comes_and_goes(self):
        def check(version, qemu):
            room = ["--set", "memory.max=512M", "--set", "memory.share=true"]
            self.boot(qemu=[*qemu, *room], **self.given(128))
            self.guest_sees("cd /sys/devices/system/node; cat node0/cpulist node1/cpulist node1/distance; cd", "\n0\n1\n30 10\n")
            self.ask("echo online_movable > /sys/devices/system/memory/auto_online_blocks")
            before = self.seen()
            out = self.apply("", **self.given(256)).stdout
            self.assertRegex(out, r"~ device.memory.hot.requested-size +0 -> 134217728")
            self.plugged(128)
            self.assertAlmostEqual(self.seen() - before, 128, delta=16)
            self.unchanged()
            self.assertIn("runs already", self.world.run("up", self.file, *self.qemu).stdout)
            # All that there may be; Linux has whole blocks of 128M only, so there is room for one more.
            self.apply("", **self.given(448))
            self.plugged(320)
            self.unchanged()
            self.apply("", **self.given(160))
            self.plugged(32)
            self.unchanged()
            # What it was started with stays until it is started again.
            out = self.apply("", status=4, **self.given(64)).stdout
            self.assertRegex(out, r"! memory.size +192M -> 128M .*it was started with 192M")
            self.plugged(0)
            if version != "installed":
                return
            self.apply("", **self.given(256))
            self.leave()
            self.world.run("restart", self.file, *self.qemu)
            self.assertEqual(self.world.qmp("guest", "query-memory-size-summary"), {"base-memory": 320 << 20, "plugged-memory": 0})
        self.on_each_qemu(check)

    def test_dimms(self):
        """They come and go whole. What the guest is to keep stays the same, whatever comes and goes."""
        def check(version, qemu):
            self.boot(qemu=[*qemu, "--set", "memory.max=2G", "--set", 'memory.via="dimm"'], memory="256M")
            self.ask("echo online_movable > /sys/devices/system/memory/auto_online_blocks")
            before = self.seen()
            self.assertIn("+ device.memory.dimm0", self.apply("", memory="384M").stdout)
            self.apply("", memory="640M")
            harness.wait_until(lambda: self.seen() - before > 368, "the guest to see what came", 60)
            self.unchanged()
            out = self.apply("", status=4, memory="512M").stdout
            self.assertIn("its DIMMs (128M, 256M) go whole, the last one first", out)
            self.apply("", "--unplug-timeout", "60s", memory="384M")
            harness.wait_until(lambda: self.seen() - before < 130, "the guest to have let it go", 60)
            self.unchanged()
            sizes = [dimm["data"]["size"] for dimm in self.world.qmp("guest", "query-memory-devices")]
            self.assertEqual(sizes, [128 << 20])
            balloon = 'balloon = { size = "208M" }\n'
            self.apply(balloon, memory="384M")
            self.keeps(208)
            self.apply(balloon, memory="512M")
            self.keeps(208)
            self.apply(balloon, "--unplug-timeout", "60s", memory="384M")
            self.keeps(208)
            self.unchanged()
        self.on_each_qemu(check)

    def test_balloon(self):
        """What the guest is asked to keep, from the start on and while it runs; a balloon that comes is told, too."""
        def check(version, qemu):
            self.boot('balloon = { size = "128M" }\n', qemu=qemu)
            self.keeps(128)
            self.assertRegex(self.apply('balloon = { size = "96M" }\n').stdout, r"~ balloon.size +128M -> 96M")
            self.keeps(96)
            self.unchanged()
            self.assertRegex(self.apply("balloon = true\n").stdout, r"~ balloon.size +96M -> all")
            self.keeps(192)
            self.apply("")
            self.apply('balloon = { size = "112M" }\n')
            self.keeps(112)
            self.apply('balloon = { size = "104M", deflate-on-oom = true }\n', "--replug")
            self.keeps(104)
            self.unchanged()
        self.on_each_qemu(check)

    def keeps(self, mebibytes):
        def is_so():
            return self.world.qmp("guest", "query-balloon")["actual"] == mebibytes << 20
        harness.wait_until(is_so, f"the guest to keep {mebibytes}M", 60)

    def plugged(self, mebibytes):
        def is_so():
            return self.world.qmp("guest", "query-memory-devices")[0]["data"]["size"] == mebibytes << 20
        harness.wait_until(is_so, f"the guest to have {mebibytes}M of the memory that is offered", 60)

    def seen(self):
        """MiB, as the guest counts them."""
        return int(re.search(r"MemTotal: +(\d+) kB", self.ask("grep MemTotal /proc/meminfo")).group(1)) // 1024

    def test_pins(self):
        """Also of a processor that comes later; and what is not there is refused before anything is done."""
        mine = sorted(os.sched_getaffinity(0))
        first = mine[0]
        if len(mine) < 2:
            self.skipTest("this host has one processor")
        self.boot(**self.given(128, pin=f'["{first}", "any", "{mine[1]}"]'))
        self.assertEqual(self.pins(), [{first}, set(mine)])
        more = self.given(128, pin=f'["any", "{first}", "{mine[1]}"]')
        more["head"] = more["head"].replace("count = 2", "count = 3")
        self.assertIn("~ cpus.pin", self.apply("", **more).stdout)
        self.assertEqual(self.pins(), [set(mine), {first}, {mine[1]}])
        self.unchanged()
        result = self.apply("", status=2, **self.given(128, pin='"4000"'))
        self.assertIn("this host has no CPU 4000", result.stderr)
        self.assertEqual(self.pins(), [set(mine), {first}, {mine[1]}])
        # Those of a node are the same thing.
        more = self.given(128, nodes=f', pin = "{first}"')
        more["head"] = more["head"].replace("count = 2", "count = 3")
        self.apply("", **more)
        self.assertEqual(self.pins(), [{first}, set(mine), {first}])
        self.unchanged()
        # Where QEMU is another user's process in the same namespace.
        self.leave()
        self.world.run("kill", "guest")
        self.world.run("up", self.file, "--set", "jail.mode=reduced")
        self.assertEqual(self.pins(), [{first}, set(mine), {first}])

    def pins(self):
        """Where the host lets each of the guest's processors run."""
        tasks = pathlib.Path(f"/proc/{self.world.status('guest')['qemu-pid']}/task")
        threads = {}
        for task in tasks.iterdir():
            inner = re.search(r"NSpid:.*\t(\d+)\n", (task / "status").read_text()).group(1)
            threads[int(inner)] = os.sched_getaffinity(int(task.name))
        cpus = sorted(self.world.qmp("guest", "query-cpus-fast"), key=lambda cpu: cpu["cpu-index"])
        return [threads[cpu["thread-id"]] for cpu in cpus]

    def test_huge_pages_that_are_not_there(self):
        free = int(pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read_text())
        file = self.world.write("guest/vm.toml", self.world.guest_toml(memory=f"{(free + 100) * 2}M"))
        result = self.world.run("up", file, "--set", "memory.hugepages=2M", status=2)
        self.assertRegex(result.stderr, rf"needs {free + 100} huge pages of 2M, and {free} of this host's are free")
        self.assertRegex(result.stderr, r"as root: `sysctl vm.nr_hugepages=\d+`")

    def test_locked(self):
        """Where the caller may; else it is told before the start."""
        lock = ["--set", "memory.lock=true", "--set", "memory.prealloc=true"]
        file = self.world.write("guest/vm.toml", self.world.guest_toml())
        result = self.world.run("up", file, *lock, status=None)
        if result.returncode != 0:
            self.assertRegex(result.stderr, r"you may lock \w+ of memory, and the VM needs some 704M")
            self.assertEqual(result.returncode, 2)
            self.assertIn("memlock", result.stderr)
            return
        status = pathlib.Path(f"/proc/{self.world.status('guest')['qemu-pid']}/status").read_text()
        self.assertGreater(int(re.search(r"VmLck:\s+(\d+) kB", status).group(1)), 192 << 10)


if __name__ == "__main__":
    harness.main()
