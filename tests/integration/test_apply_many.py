#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply again and again, for as long as a VM lives: nothing grows."""
import os

import harness
from test_apply import Apply


class Many(Apply):
    def test_many_times(self):
        """A hundred times in and out, and nothing grows: in QEMU, in the supervisor, on the host."""
        self.boot()
        more = self.disk("data") + '[iothread.io]\n[net.lan]\ntype = "user"\n'
        before = places = None
        for round_number in range(100):
            self.apply(more)
            if places is None:
                places = self.places()
            self.assertEqual(self.places(), places, f"round {round_number}")
            self.apply("")
            if before is None:
                self.settle()
                before = self.kept(), self.open_files()
            # A connection that was closed, a helper that was ended may be there for a moment.
            harness.wait_until(lambda: self.kept() == before[0], lambda: f"round {round_number}: {before[0]}, but there is {self.kept()}", 5)
            harness.wait_until(lambda: all(more <= few for more, few in zip(self.open_files(), before[1])),
                               lambda: f"round {round_number}: {before[1]} descriptors, but there are {self.open_files()}", 5)
        self.unchanged()

    def settle(self):
        """Twice the same."""
        harness.wait_until(lambda: (self.kept(), self.open_files()) == (self.kept(), self.open_files()), "the VM to settle")

    def places(self):
        """Which port each device of the apply has."""
        ports = [entry["name"] for entry in self.world.qmp("guest", "qom-list", {"path": "/machine/peripheral"})]
        return {device: self.world.qmp("guest", "qom-get", {"path": f"/machine/peripheral/{device}", "property": "parent_bus"})
                for device in ports if device in ("data", "lan")}

    def open_files(self):
        """Of the supervisor and of QEMU."""
        status = self.world.status("guest")
        return [len(os.listdir(f"/proc/{status[process]}/fd")) for process in ("supervisor-pid", "qemu-pid")]

    def kept(self):
        """All that an apply makes, by its number or name."""
        status = self.world.status("guest")
        objects, devices, chardevs = (sorted(entry["name"] for entry in self.world.qmp("guest", "qom-list", {"path": path}))
                                      for path in ("/objects", "/machine/peripheral", "/chardevs"))
        files = sorted(path.name for directory in (self.world.runtime, self.world.home) for path in directory.rglob("*")
                       if path.suffix != ".1")
        ours = [group for group in self.world.cgroups() if str(status["qemu-pid"]) in self.world.cgroup_members(group)]
        groups = sorted(leaf.name for group in ours for leaf in [group, *group.rglob("*")] if leaf.is_dir())
        return (self.nodes(), self.fdsets(), objects, devices, chardevs, files, groups, len(self.world.processes()),
                status["limits"]["in-force"] if "limits" in status else None)


if __name__ == "__main__":
    harness.main()
