#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `qvm apply` changes in place of things that stay: processors, the size of a disk, caches, the other end of a
serial line, limits. The guest sees what it should, and nothing else."""
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
            self.assertIn("with tcg", result.stdout)
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


if __name__ == "__main__":
    harness.main()
