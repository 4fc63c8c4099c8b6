# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients of the attach socket may do (attach.allow), and what becomes of the descriptors they pass."""
import json
import os
import socket

import harness

# What owning QMP means on a plain QEMU.
ATTACKS = [
    ("migrate", {"uri": "exec:id > /tmp/owned"}),
    ("chardev-add", {"id": "c", "backend": {"type": "file", "data": {"out": "/tmp/owned"}}}),
    ("blockdev-add", {"driver": "file", "node-name": "n", "filename": "/etc/passwd", "read-only": True}),
    ("blockdev-add", {"driver": "raw", "node-name": "n", "file.driver": "file", "file.filename": "/etc/passwd"}),
    ("screendump", {"filename": "/tmp/owned"}),
    ("dump-guest-memory", {"paging": False, "protocol": "file:/tmp/owned"}),
    ("object-add", {"qom-type": "secret", "id": "s", "file": "/etc/passwd"}),
    ("object-add", {"qom-type": "memory-backend-file", "id": "m", "mem-path": "/tmp/owned", "size": 4096}),
    ("human-monitor-command", {"command-line": "logfile /tmp/owned"}),
]


class Attach(harness.TestCase):
    def start(self, head=""):
        if self.world.uid != os.geteuid():
            self.skipTest("the attach socket of another user; runs as root's own")
        file = self.world.write("vm/vm.toml", f'memory = "64M"\nmachine.accel = "tcg"\n{head}\n')
        self.world.run("up", file)

    def client(self):
        client = harness.QmpClient(self.world.status("vm")["attach-socket"])
        self.addCleanup(client.close)
        return client

    def file(self, name):
        path = self.world.image(name, "1M")
        fd = os.open(path, os.O_RDWR)
        self.addCleanup(os.close, fd)
        return fd

    def assert_refused(self, answer, *words):
        self.assertEqual(answer["error"]["class"], "GenericError", answer)
        for word in ("attach.allow", *words):
            self.assertIn(word, answer["error"]["desc"])

    def test_operate(self):
        self.start()
        self.assertEqual(self.world.status("vm")["attach"], "operate")
        self.assertRegex(self.world.run("status", "vm").stdout, r"attach +operate")
        client = self.client()
        for command, arguments in ATTACKS:
            with self.subTest(command=command, arguments=arguments):
                self.assert_refused(client.execute(command, arguments), command)
        self.assertEqual(client.execute("query-block-jobs")["return"], [])
        self.assertIn("return", client.execute("human-monitor-command", {"command-line": "info status"}))
        self.assertIn("return", client.execute("object-add", {"qom-type": "rng-builtin", "id": "r"}))
        refused = self.world.run("qmp", "vm", "screendump", '{"filename": "/tmp/owned"}', status=1)
        self.assertIn("attach.allow", refused.stderr)
        self.world.run("pause", "vm")
        self.world.run("resume", "vm")

    def test_observe(self):
        self.start('attach.allow = "observe"')
        client = self.client()
        self.assertEqual(client.execute("query-status")["return"]["status"], "running")
        self.assertIn("return", client.execute("qom-list", {"path": "/machine"}))
        self.assert_refused(client.execute("stop"), "observe")
        self.assert_refused(client.execute("add-fd", fd=self.file("a.raw")), "observe")
        self.assertIn("attach.allow", self.world.run("pause", "vm", status=None).stderr)
        self.assertEqual(self.world.status("vm")["attach"], "observe")
        self.world.run("stop", "--timeout", "1s", "vm")  # the owner's way out stays open

    def test_all(self):
        self.start('attach.allow = "all"')
        client = self.client()
        answer = client.execute("screendump", {"filename": "/nowhere/owned"})
        self.assertNotIn("attach.allow", answer["error"]["desc"])  # QEMU's own words: the jail is the boundary
        self.assertIn("return", client.execute("human-monitor-command", {"command-line": "boot_set c"}))

    def test_watch(self):
        self.start()
        watcher, other = self.client(), self.client()
        error = watcher.execute("__org.qvm_watch", {"enable": "yes"})["error"]["desc"]
        self.assertIn("'enable'", error)
        self.assertEqual(watcher.execute("__org.qvm_watch", {"enable": True})["return"], {})
        other.execute("query-name", request_id="mine")
        said, told = (watcher.wait_event("__ORG.QVM_TRAFFIC")["data"] for _ in range(2))
        self.assertEqual((said["direction"], told["direction"]), ("client", "server"))
        self.assertEqual(said["message"], {"execute": "query-name", "id": "mine"})
        self.assertEqual(told["message"], {"return": {"name": "vm"}, "id": "mine"})
        self.assertRegex(said["client"], rf"^\S.* {os.getpid()}$")
        self.assertEqual((said["client"], said["number"]), (told["client"], told["number"]))
        # A verb of qvm's, and a refusal.
        self.world.run("status", "vm")
        self.assertRegex(watcher.wait_event("__ORG.QVM_TRAFFIC")["data"]["client"], r"^qvm \d+$")
        self.assert_refused(other.execute("screendump", {"filename": "/tmp/owned"}))
        watcher.wait_event("__ORG.QVM_TRAFFIC")
        watcher.execute("__org.qvm_watch", {"enable": False})
        watcher.events.clear()
        other.execute("query-name")
        watcher.execute("query-name")
        self.assertEqual([event for event in watcher.events if "QVM" in event["event"]], [])

    def test_watch_shows_no_secret(self):
        """Neither what makes one nor the reply that has it."""
        self.start('attach.allow = "all"')
        watcher, other = self.client(), self.client()
        watcher.execute("__org.qvm_watch", {"enable": True})
        other.execute("object-add", {"qom-type": "secret", "id": "s", "data": "hunter2"})
        self.assertEqual(other.execute("qom-get", {"path": "/objects/s", "property": "data"})["return"], "hunter2")
        seen = json.dumps([watcher.wait_event("__ORG.QVM_TRAFFIC") for _ in range(4)])
        self.assertNotIn("hunter2", seen)
        self.assertIn('"***"', seen)

    def test_a_secret_is_not_told(self):
        self.start()
        client = self.client()
        client.execute("object-add", {"qom-type": "secret", "id": "s", "data": "hunter2"})
        self.assert_refused(client.execute("qom-get", {"path": "/objects/s", "property": "data"}), "secret")

    def test_watch_ends_with_the_right_to(self):
        self.start()
        watcher, other = self.client(), self.client()
        watcher.execute("__org.qvm_watch", {"enable": True})
        file = self.world.write("vm/vm.toml", 'memory = "64M"\nmachine.accel = "tcg"\nattach.allow = "observe"\n')
        self.world.run("apply", "--yes", file)
        watcher.execute("query-name")
        watcher.events.clear()
        other.execute("query-name")
        refused = watcher.execute("__org.qvm_watch", {"enable": True})
        self.assert_refused(refused, "__org.qvm_watch", "observe")
        self.assertEqual(watcher.events, [])

    def test_own_disk(self):
        self.start()
        client, other = self.client(), self.client()
        number = client.execute("add-fd", {"opaque": "rw:/mine"}, fd=self.file("mine.raw"))["return"]["fdset-id"]
        name = f"/dev/fdset/{number}"
        node = {"driver": "file", "node-name": "mine", "filename": name}
        self.assert_refused(other.execute("blockdev-add", node), "did not make")
        self.assert_refused(other.execute("remove-fd", {"fdset-id": number}), "fdset-id")
        self.assertEqual(client.execute("blockdev-add", node)["return"], {})
        devices = client.execute("qom-list", {"path": "/machine/peripheral"})["return"]
        port = next(device["name"] for device in devices if device["type"] == "child<pcie-root-port>")
        disk = {"driver": "virtio-blk-pci", "id": "disk", "drive": "mine", "bus": port}
        self.assertEqual(client.execute("device_add", disk), {"return": {}, "id": "1"})
        client.close()
        # QEMU keeps the number of a set for as long as something of it is open, here by the disk.
        harness.wait_until(lambda: not any(s["fds"] for s in other.execute("query-fdsets")["return"]), "the client's set to be emptied")
        nodes = {node["node-name"] for node in other.execute("query-named-block-nodes")["return"]}
        self.assertIn("mine", nodes)

    def test_own_numbers(self):
        self.start()
        client, other = self.client(), self.client()
        fd = self.file("a.raw")
        self.assertEqual(client.execute("add-fd", {"fdset-id": 100000}, fd=fd)["return"]["fdset-id"], 100000)
        self.assert_refused(other.execute("add-fd", {"fdset-id": 100000}, fd=fd), "fdset-id")
        self.assert_refused(client.execute("add-fd", {"fdset-id": 5}, fd=fd), "100000")
        self.assertEqual(client.execute("remove-fd", {"fdset-id": 100000})["return"], {})

    def test_own_names(self):
        self.start()
        client, other = self.client(), self.client()
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        self.assertEqual(client.execute("getfd", {"fdname": "wire"}, fd=theirs.fileno())["return"], {})
        netdev = {"type": "stream", "id": "n", "addr": {"type": "fd", "str": "wire"}}
        self.assert_refused(other.execute("netdev_add", netdev), "wire")
        self.assert_refused(other.execute("closefd", {"fdname": "wire"}), "wire")
        self.assertEqual(client.execute("netdev_add", netdev)["return"], {})
        left, kept = socket.socketpair()
        self.addCleanup(kept.close)
        self.assertEqual(client.execute("getfd", {"fdname": "left"}, fd=left.fileno())["return"], {})
        left.close()
        client.close()
        kept.settimeout(30)
        self.assertEqual(kept.recv(1), b"")  # QEMU has closed what the client left


if __name__ == "__main__":
    harness.main()
