#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`qvm apply`: a VM that runs is changed by changing its file; what the guest sees of it, and what is undone when it fails."""
import itertools
import json
import os
import re
import signal

import harness

THROTTLE_GROUP = """
[object.slow]
qom-type = "throttle-group"
limits = {{ iops-total = {iops} }}
"""


class Apply(harness.TestCase):
    """A guest that has booted, its shell at hand."""

    def boot(self, more="", qemu=(), **options):
        self.more, self.options = more, options
        self.qemu = qemu
        self.numbers = itertools.count(1)
        self.file = self.start_guest("guest", more, up=qemu, **options)
        self.world.report("guest")
        self.console = self.world.console("console", "guest")

    console = None

    def leave(self):
        if self.console is not None:
            self.console.close()
            self.console = None

    def tearDown(self):
        self.leave()
        super().tearDown()

    def on_each_qemu(self, check):
        def with_end(version, qemu):
            try:
                check(version, qemu)
            finally:
                self.leave()
                self.world.run("kill", "guest", status=None)
        super().on_each_qemu(with_end)

    def write(self, more, **options):
        self.world.write("guest/vm.toml", self.world.guest_toml(more, **(options or self.options)))

    def apply(self, more=None, *words, status=0, **options):
        """Writes the file anew and applies it."""
        if more is not None:
            self.write(more, **options)
        return self.world.run("apply", "--yes", self.file, *self.qemu, *words, status=status)

    def unchanged(self, status=0):
        """The second apply finds nothing to do, and does nothing."""
        before = self.operations()
        result = self.world.run("apply", "--yes", self.file, *self.qemu, status=status)
        self.assertEqual(self.operations(), before)
        return result.stdout

    def operations(self):
        """What the supervisor has done for applies."""
        return re.findall(r"apply: (?!asking)(.*)", self.world.run("log", "guest").stdout)

    def ask(self, command):
        """The output of a command in the guest."""
        mark = f"end-of-{next(self.numbers)}"
        self.console.seen = b""
        self.console.send(f"\n{command}; echo {mark[:3]}''{mark[3:]}\n")
        text = ""

        def answered():
            nonlocal text
            self.console.read()
            text = self.console.seen.decode(errors="replace").replace("\r", "")
            return f"\n{mark}" in text
        harness.wait_until(answered, lambda: f"the guest's answer to {command}; seen: {text}", 60, 0)
        return text

    def guest_sees(self, command, text, wanted=True):
        harness.wait_until(lambda: (text in self.ask(command)) == wanted,
                           f"the guest to see {'' if wanted else 'no '}{text!r} in the output of {command!r}", 60, 0.2)

    def nodes(self):
        return {node["node-name"] for node in self.world.qmp("guest", "query-named-block-nodes")}

    def fdsets(self):
        return {fd["opaque"] for fdset in self.world.qmp("guest", "query-fdsets") for fd in fdset["fds"]}

    def image(self, name, size="8M"):
        path = self.world.base / name
        return path if path.exists() else self.world.image(name, size)

    def disk(self, name, more=""):
        return f'[disk.{name}]\nfile = "{self.image(name + ".raw")}"\nserial = "{name.upper()}"\n{more}\n'


class Devices(Apply):
    def test_come_and_go(self):
        """A disk and a nic: in the guest and out again, on each QEMU; nothing of them is left."""
        def check(version, qemu):
            self.boot(qemu=qemu)
            nodes, fdsets = self.nodes(), self.fdsets()
            out = self.apply(self.disk("data") + '[net.lan]\ntype = "user"\nmac = "52:54:00:00:00:77"\n').stdout
            self.assertIn("guest: applied", out)
            self.guest_sees("grep . /sys/block/*/serial", "DATA")
            self.guest_sees("cat /sys/class/net/*/address", "52:54:00:00:00:77")
            self.assertEqual(self.unchanged(), "guest: nothing to change\n")
            self.assertIn("runs already", self.world.run("up", self.file, *qemu).stdout)
            self.assertEqual(self.world.status("guest")["helpers"], {"host.lan.passt": "running"})
            self.apply("")
            self.guest_sees("grep . /sys/block/*/serial", "DATA", False)
            self.guest_sees("cat /sys/class/net/*/address", "52:54:00:00:00:77", False)
            self.assertEqual((self.nodes(), self.fdsets()), (nodes, fdsets))
            self.assertEqual(self.world.status("guest")["helpers"], {})
            self.unchanged()
        self.on_each_qemu(check)

    def test_helper_is_jailed_limited_and_ends_with_the_vm(self):
        self.boot()
        self.apply('[net.lan]\ntype = "user"\n')
        self.leave()
        self.world.run("kill", "guest")
        harness.wait_until(lambda: not self.world.processes(), lambda: f"no process left: {self.world.leftovers()}", 15)

    def test_places_stay(self):
        """An edit moves no other device, and what is taken out leaves its port free."""
        self.boot(self.disk("a") + self.disk("b") + self.disk("c"))
        where = self.ask("ls -l /sys/block")
        self.apply(self.disk("c") + self.disk("a"))
        self.guest_sees("grep . /sys/block/*/serial", "B", False)
        for line in self.ask("ls -l /sys/block").splitlines():
            if "virtio" in line:
                self.assertIn(re.sub(r".*-> ", "", line), where)
        self.apply(self.disk("c") + self.disk("d") + self.disk("a"))
        self.guest_sees("grep . /sys/block/*/serial", "D")
        self.unchanged()

    def test_no_port_is_free(self):
        self.boot(head="hotplug.pcie-ports = 0")
        more = "".join(self.disk(f"d{i}") for i in range(9))
        result = self.apply(more, head="hotplug.pcie-ports = 0", status=2)
        self.assertIn("in the running VM: all of its 8 ports are taken [bus-full]", result.stderr)
        self.assertEqual(self.operations(), [])

    def test_replug(self):
        self.boot(self.disk("data"))
        more = self.disk("data", more="device = { num-queues = 2 }")
        result = self.apply(more, status=4)
        self.assertIn("-/+ device.data", result.stdout)
        self.assertIn("`apply --replug`", result.stdout)
        self.assertEqual(self.operations(), [])
        self.apply(None, "--replug")
        self.guest_sees("grep . /sys/block/*/serial", "DATA")
        self.unchanged()

    def test_image_exchanged(self):
        """Another file under the same name takes the device along."""
        self.boot(self.disk("data"))
        other = self.disk("data").replace("data.raw", "other.raw")
        self.world.image("other.raw", "12M")
        self.apply(other, "--replug")
        self.guest_sees("cat /sys/block/vda/size", str(12 * 2048))
        self.unchanged()


class InPlace(Apply):
    def test_boot_order(self):
        """A new disk takes the first place in the boot order, and the old one makes room for it."""
        self.boot(self.disk("a", more="boot = 1"))
        self.apply(self.disk("b", more="boot = 1") + self.disk("a", more="boot = 2"))
        orders = {device: self.world.qmp("guest", "qom-get", {"path": f"/machine/peripheral/{device}", "property": "bootindex"})
                  for device in "ab"}
        self.assertEqual(orders, {"a": 2, "b": 1})
        self.unchanged()

    def test_throttle(self):
        """Put under a disk that is in use, changed, and taken out again."""
        def check(version, qemu):
            self.boot(self.raw("root"), qemu=qemu)
            filtered = self.raw("slow") + '[blockdev.slow]\ndriver = "throttle"\nthrottle-group = "slow"\nfile = "root"\n'
            self.apply(filtered + THROTTLE_GROUP.format(iops=100))
            self.assertIn("slow", self.nodes())
            self.guest_sees("dd if=/dev/vda of=/dev/null bs=4096 count=2 && echo re''ad", "read")
            self.apply(filtered + THROTTLE_GROUP.format(iops=50))
            self.assertEqual(self.limits()["iops-total"], 50)
            self.unchanged()
            self.apply(filtered + THROTTLE_GROUP.format(iops=50).replace("iops-total", "bps-read"))
            self.assertEqual((self.limits()["iops-total"], self.limits()["bps-read"]), (0, 50))
            self.apply(self.raw("root"))
            self.assertNotIn("slow", self.nodes())
            self.guest_sees("dd if=/dev/vda of=/dev/null bs=4096 count=2 && echo re''ad", "read")
            self.unchanged()
        self.on_each_qemu(check)

    def limits(self):
        return self.world.qmp("guest", "qom-get", {"path": "/objects/slow", "property": "limits"})

    def raw(self, drive):
        return (f'[blockdev.root]\ndriver = "raw"\nfile = {{ driver = "file", filename = "{self.image("root.raw")}" }}\n'
                f'[device.root]\ndriver = "virtio-blk-pci"\ndrive = "{drive}"\n')

    def test_medium(self):
        """A CD is exchanged, taken out and put in."""
        def check(version, qemu):
            self.boot(self.cd("one"), qemu=qemu)
            self.guest_sees("cat /sys/block/sr0/size", self.size(2))
            self.apply(self.cd("two"))
            self.guest_sees("dd if=/dev/sr0 of=/dev/null bs=1M 2>&1; cat /sys/block/sr0/size", self.size(3))
            self.assertEqual(self.fdsets(), {"blockdev.cd0.file.filename"})
            self.unchanged()
            self.apply('[cdrom.cd0]\nbus = "scsi"\n')
            self.assertNotIn("cd0", self.nodes())
            self.unchanged()
            self.apply(self.cd("one"))
            self.guest_sees("dd if=/dev/sr0 of=/dev/null bs=1M 2>&1; cat /sys/block/sr0/size", self.size(2))
            self.unchanged()
        self.on_each_qemu(check)

    def cd(self, name):
        with open(self.world.base / (name + ".iso"), "wb") as file:
            file.truncate({"one": 2, "two": 3}[name] << 20)
        return f'[cdrom.cd0]\nbus = "scsi"\nfile = "{self.world.base / (name + ".iso")}"\n'

    @staticmethod
    def size(mebibytes):
        return f"{mebibytes * 2048}"

    def test_medium_that_fails_is_undone(self):
        self.boot(self.cd("one"))
        self.world.run("up", self.world.write("other/vm.toml", self.world.guest_toml(self.disk("shared"))))
        result = self.apply(f'[cdrom.cd0]\nbus = "scsi"\nfile = "{self.world.base / "shared.raw"}"\n', status=6)
        self.assertIn("failed: ", result.stderr)
        self.assertIn("guest is as it was", result.stderr)
        self.guest_sees("dd if=/dev/sr0 of=/dev/null bs=1M 2>&1; cat /sys/block/sr0/size", self.size(2))
        self.write(self.cd("one"))
        self.unchanged()

    def test_link(self):
        self.boot('[net.lan]\ntype = "user"\n')
        self.ask("ip link set eth0 up")
        self.guest_sees("cat /sys/class/net/eth0/carrier", "\n1\n")
        self.apply('[net.lan]\ntype = "user"\nlink = false\n')
        self.guest_sees("cat /sys/class/net/eth0/carrier", "\n0\n")
        self.unchanged()
        self.apply('[net.lan]\ntype = "user"\n')
        self.guest_sees("cat /sys/class/net/eth0/carrier", "\n1\n")

    def test_settings(self):
        self.boot()
        self.apply('[lifecycle]\nstop-timeout = "7s"\non-reboot = "stop"\n[attach]\nallow = "observe"\n')
        self.assertEqual(self.world.status("guest")["attach"], "observe")
        self.unchanged()
        refused = self.world.run("qmp", "guest", "system_reset", status=None)
        self.assertNotEqual(refused.returncode, 0)
        self.console.send("\nreboot\n")
        harness.wait_until(lambda: self.world.status("guest")["state"] == "stopped", "the VM to end", 60)

    def test_iothread(self):
        self.boot("[iothread.io]\n")
        self.apply("[iothread.io]\npoll-max-ns = 4321\n")
        got = self.world.qmp("guest", "qom-get", {"path": "/objects/io", "property": "poll-max-ns"})
        self.assertEqual(got, 4321)
        self.unchanged()


class Drift(Apply):
    def test_taken_away_and_added_beside_qvm(self):
        self.boot(self.disk("data"), head='attach.allow = "all"')
        self.world.run("qmp", "guest", "device_del", '{"id": "data"}')
        self.guest_sees("grep . /sys/block/*/serial", "DATA", False)
        self.world.run("qmp", "guest", "blockdev-add", '{"driver": "null-co", "node-name": "foreign"}')
        result = self.world.run("plan", "--exit-code", self.file)
        self.assertIn("guest: device.data is not there any more", result.stderr)
        self.assertIn("guest: blockdev.foreign is there, and no file says so", result.stderr)
        self.assertNotIn("blockdev.data", result.stderr)
        self.unchanged()
        result = self.apply(None, "--fix-drift")
        self.assertIn("+ device.data", result.stdout)
        self.guest_sees("grep . /sys/block/*/serial", "DATA")
        self.assertNotIn("device.data", self.world.run("plan", self.file).stderr)


class Refusals(Apply):
    def test_a_step_that_fails_is_undone(self):
        """QEMU refuses the last device: what was added before is taken away, and the VM is as it was."""
        def check(version, qemu):
            self.boot(qemu=qemu)
            before = (self.nodes(), self.fdsets(), self.world.qmp("guest", "qom-list", {"path": "/machine/peripheral"}))
            bad = self.disk("good") + self.disk("zbad", more="device = { logical_block_size = 1000 }") + "[iothread.io]\n"
            result = self.apply(bad, status=6)
            self.assertRegex(result.stderr, r"vm.toml:\d+:\d+: guest: device_add device.zbad failed: .*block.size")
            self.assertIn("everything was undone", result.stderr)
            after = (self.nodes(), self.fdsets(), self.world.qmp("guest", "qom-list", {"path": "/machine/peripheral"}))
            self.assertEqual(after, before)
            self.write("")
            self.unchanged()
        self.on_each_qemu(check)

    def test_an_image_in_use(self):
        self.boot()
        other = self.world.write("other/vm.toml", self.world.guest_toml(self.disk("shared")))
        self.world.run("up", other)
        result = self.apply(self.disk("shared"), status=6)
        self.assertIn("lock", result.stderr)
        self.write("")
        self.unchanged()

    def test_a_missing_file(self):
        self.boot()
        result = self.apply('[disk.data]\nfile = "/nowhere/data.raw"\n', status=2)
        self.assertIn("[file-missing]", result.stderr)
        self.assertEqual(self.operations(), [])

    def test_needs_yes(self):
        self.boot()
        self.write(self.disk("data"))
        result = self.world.run("apply", self.file, status=1)
        self.assertIn("nothing was changed", result.stderr)
        self.assertIn("--yes", result.stderr)
        self.assertEqual(self.operations(), [])

    def test_not_running(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml())
        result = self.world.run("apply", "--yes", file, status=8)
        self.assertIn("guest is not running", result.stderr)
        self.assertIn("qvm up", result.stderr)

    def test_at_the_next_start(self):
        """What takes a new QEMU is told, kept apart, and done by a new start."""
        self.boot()
        result = self.apply(self.disk("data"), memory="208M", status=4)
        self.assertIn("  ! memory", result.stdout)
        self.guest_sees("grep . /sys/block/*/serial", "DATA")
        self.unchanged(status=4)
        self.assertEqual(self.world.run("plan", "--exit-code", self.file, status=4).stderr, "")
        self.assertIn("qvm apply", self.world.run("up", self.file, status=3).stderr)
        self.leave()
        self.stop_by_button("guest")
        self.world.run("up", self.file)
        self.assertIn("nothing to change", self.world.run("plan", "--exit-code", self.file).stdout)

    def test_restart(self):
        """What waits for the next start comes with it; a broken file does not cost the VM that runs."""
        self.boot()
        self.leave()
        self.write("", memory="208M")
        self.world.run("apply", "--yes", self.file, status=4)
        broken = self.world.run("restart", "--set", "memory=many", self.file, status=2)
        self.assertIn("[bad-size]", broken.stderr)
        self.assertEqual(self.world.status("guest")["state"], "running")
        other = self.world.write("other/vm.toml", self.world.guest_toml(head='name = "guest"'))
        self.assertIn("name 'guest' belongs to", self.world.run("restart", other, status=2).stderr)
        self.assertEqual(self.world.status("guest")["state"], "running")
        result = self.world.run("restart", self.file)
        self.assertRegex(result.stdout, r"guest: stopped: .*\nguest: running")
        self.assertIn("nothing to change", self.world.run("plan", "--exit-code", self.file).stdout)

    def test_a_moved_project(self):
        """Its VM runs on, and its file is found where it is now; another's file of the same name changes nothing."""
        self.boot()
        moved = self.world.write("moved/vm.toml", self.world.guest_toml(self.disk("data"), head='name = "guest"'))
        self.assertIn("name 'guest' belongs to", self.world.run("apply", "--yes", moved, status=2).stderr)
        self.assertEqual(self.operations(), [])
        self.file.unlink()
        self.assertIn("+ device.data", self.world.run("plan", moved).stdout)
        result = self.world.run("apply", "--yes", moved)
        self.assertIn("which is gone", result.stderr)
        self.assertEqual(self.world.status("guest")["file"], str(moved))
        self.assertIn("nothing to change", self.world.run("plan", "guest").stdout)

    def test_plan_as_json(self):
        self.boot()
        self.write(self.disk("data"))
        plan = json.loads(self.world.run("plan", "--json", "--exit-code", self.file, status=3).stdout)
        self.assertEqual([change["resource"] for change in plan["changes"]], ["blockdev.data", "device.data"])
        self.assertEqual({change["action"] for change in plan["changes"]}, {"add"})


class Unplug(Apply):
    def test_a_paused_guest(self):
        """It is not asked while it cannot answer; when it runs again the disk goes, and what it stood on."""
        def check(version, qemu):
            self.boot(self.disk("data"), qemu=qemu)
            self.world.run("pause", "guest")
            result = self.apply("", status=5)
            self.assertIn("the guest does not run", result.stdout)
            self.assertIn("data", self.nodes())
            self.assertIn("when it runs", self.world.run("status", "guest").stdout)
            self.assertIn("device.data", self.world.run("plan", self.file, *qemu).stdout)
            self.world.run("resume", "guest")
            harness.wait_until(lambda: "data" not in self.nodes(), "the disk to go")
            harness.wait_until(lambda: self.world.status("guest")["pending"] == [], "nothing to be pending")
            self.assertEqual(self.fdsets(), set())
            self.unchanged()
        self.on_each_qemu(check)

    def test_a_guest_that_does_not_listen(self):
        """In the firmware nobody lets a device go: it is pending, says so, and goes with a reset."""
        base = 'machine.accel = "tcg"\nmemory = "128M"\n'
        file = self.world.write("guest/vm.toml", base + self.disk("data"))
        self.world.run("up", file)
        self.world.write("guest/vm.toml", base)
        result = self.world.run("apply", "--yes", "--unplug-timeout", "1s", file, status=5)
        self.assertIn("has not let it go yet", result.stdout)
        self.assertEqual(self.world.status("guest")["pending"], [{"resource": "device.data", "asked": True}])
        again = self.world.run("apply", "--yes", "--unplug-timeout", "1s", file, status=5)
        self.assertIn("device.data", again.stdout)
        self.assertIn("data", self.nodes())
        self.world.run("reset", "guest")
        harness.wait_until(lambda: self.world.status("guest")["pending"] == [], "the disk to go with the reset")
        self.assertNotIn("data", self.nodes())
        self.assertIn("nothing to change", self.world.run("apply", "--yes", file).stdout)

    def test_asked_too_early(self):
        """A guest that was asked before it could hear is asked again."""
        self.file = self.start_guest("guest", self.disk("data"))
        self.world.write("guest/vm.toml", self.world.guest_toml())
        self.world.run("apply", "--yes", "--unplug-timeout", "100ms", self.file, status=None)
        self.world.report("guest")
        self.world.run("apply", "--yes", "--unplug-timeout", "60s", self.file)
        self.assertNotIn("data", self.nodes())

    def test_qemu_dies_meanwhile(self):
        base = 'machine.accel = "tcg"\nmemory = "128M"\n'
        file = self.world.write("guest/vm.toml", base + self.disk("data"))
        self.world.run("up", file)
        self.world.write("guest/vm.toml", base)
        process = self.world.start("apply", "--yes", "--unplug-timeout", "60s", file, stdout=harness.subprocess.DEVNULL,
                                   stderr=harness.subprocess.PIPE)
        harness.wait_until(lambda: "apply: asking" in self.world.run("log", "guest").stdout, "the guest to be asked")
        os.kill(self.world.status("guest")["qemu-pid"], signal.SIGKILL)
        words = process.communicate()[1].decode()
        harness.reaper.forget(process)
        self.assertEqual(process.returncode, 12, words)
        self.assertRegex(words, "QEMU went away|ended while it was changed")

    def test_a_replug_that_waits(self):
        """What has not gone is not added a second time."""
        base = 'machine.accel = "tcg"\nmemory = "128M"\n'
        file = self.world.write("guest/vm.toml", base + self.disk("data"))
        self.world.run("up", file)
        self.world.write("guest/vm.toml", base + self.disk("data", more="device = { num-queues = 2 }"))
        result = self.world.run("apply", "--yes", "--replug", "--unplug-timeout", "1s", file, status=5)
        self.assertIn("has not let it go yet", result.stdout)
        self.assertIn("stays in the file, but it is being unplugged", self.world.run("apply", "--yes", file, status=4).stderr)
        self.world.run("reset", "guest")
        harness.wait_until(lambda: self.world.status("guest")["pending"] == [], "the disk to go with the reset")
        self.assertIn("+ device.data", self.world.run("apply", "--yes", file).stdout)
        self.assertIn("nothing to change", self.world.run("plan", "--exit-code", file).stdout)

    def test_scsi_disk_of_a_paused_guest(self):
        """Its bus needs nobody's consent."""
        self.boot(self.disk("data", more='bus = "scsi"') + self.disk("more", more='bus = "scsi"'))
        self.world.run("pause", "guest")
        self.apply(self.disk("data", more='bus = "scsi"'))
        self.assertNotIn("more", self.nodes())


if __name__ == "__main__":
    harness.main()
