# SPDX-License-Identifier: GPL-3.0-or-later
"""Images stay usable outside: QEMU knows them by descriptors, and what block jobs write into headers are names."""
import json
import shutil
import subprocess
import time

import harness


class Images(harness.TestCase):
    def chain(self, qemu=()):
        """base <- mid <- top, each on a node of its own that may be written; no guest is needed."""
        if shutil.which("qemu-img") is None:
            self.skipTest("needs qemu-img")
        names = ("base", "mid", "top")
        self.paths = {}
        for name, below in zip(names, (None, *names)):
            path = self.paths[name] = self.world.base / f"{name}.qcow2"
            path.unlink(missing_ok=True)
            backing = ["-b", str(self.paths[below]), "-F", "qcow2"] if below else []
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(path), "4M"], check=True)
            harness.os.chown(path, self.world.uid, self.world.uid)
        text = 'memory = "64M"\nmachine.accel = "tcg"\n'
        for name, below in zip(names, (None, *names)):
            text += (f'[blockdev.{name}]\ndriver = "qcow2"\nfile = {{ driver = "file", filename = "{self.paths[name]}" }}\nread-only = false\n'
                     + (f'backing = "{below}"\n' if below else ""))
        text += '[device.disk]\ndriver = "virtio-blk-pci"\ndrive = "top"\n'
        self.file = self.world.write("guest/vm.toml", text)
        self.world.run("up", self.file, *qemu)

    def job(self, command, arguments):
        self.world.qmp("guest", command, {"job-id": "work", **arguments})
        end = time.monotonic() + 60
        while time.monotonic() < end:
            jobs = self.world.qmp("guest", "query-jobs")
            if not jobs:
                return
            if jobs[0]["status"] == "ready":
                self.world.qmp("guest", "job-complete", {"id": "work"})
            time.sleep(0.05)
        raise AssertionError(f"the job does not end: {jobs}")

    def backing(self, name):
        told = subprocess.run(["qemu-img", "info", "-U", "--output=json", str(self.paths[name])], check=True, capture_output=True)
        return json.loads(told.stdout).get("backing-filename")

    def opens_outside(self, name):
        self.world.run("kill", "guest")
        subprocess.run(["qemu-img", "info", "--backing-chain", str(self.paths[name])], check=True, stdout=subprocess.DEVNULL)

    def test_stream_over_a_base(self):
        def check(version, qemu):
            self.chain(qemu)
            self.job("block-stream", {"device": "top", "base-node": "base"})
            self.assertEqual(self.backing("top"), str(self.paths["base"]))
            self.opens_outside("top")
        self.on_each_qemu(check)

    def test_opened_for_writing_at_once(self):
        """auto-read-only, as libvirt says it of each disk: QEMU gets one descriptor, and has no lock of its own in its way."""
        def check(version, qemu):
            below = self.world.base / "below.raw"
            below.unlink(missing_ok=True)
            above = self.world.base / "above.qcow2"
            subprocess.run(["qemu-img", "create", "-q", "-f", "raw", str(below), "4M"], check=True)
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(below), "-F", "raw", str(above)], check=True)
            for path in (below, above):
                harness.os.chown(path, self.world.uid, self.world.uid)
            nodes = "".join(f'[blockdev.{name}]\ndriver = "file"\nfilename = "{path}"\nauto-read-only = true\n'
                            for name, path in (("below-file", below), ("above-file", above)))
            self.world.run("up", self.world.write("guest/vm.toml", f"""
memory = "64M"
machine.accel = "tcg"
{nodes}
[blockdev.below]
driver = "raw"
file = "below-file"
[blockdev.above]
driver = "qcow2"
file = "above-file"
backing = "below"
[device.disk]
driver = "virtio-blk-pci"
drive = "above"
"""), *qemu)
            self.world.qmp("guest", "block_resize", {"node-name": "above", "size": 8 << 20})
            self.job("block-commit", {"device": "above"})
            self.assertEqual(below.stat().st_size, 8 << 20)
            self.world.run("kill", "guest")
        self.on_each_qemu(check)

    def test_stream_to_the_bottom(self):
        self.chain()
        self.job("block-stream", {"device": "top", "bottom": "mid"})
        self.assertEqual(self.backing("top"), str(self.paths["base"]))
        self.opens_outside("top")

    def test_stream_of_all(self):
        self.chain()
        self.job("block-stream", {"device": "top"})
        self.assertIsNone(self.backing("top"))
        self.opens_outside("top")

    def test_commit_of_the_middle(self):
        def check(version, qemu):
            for more in ({"base-node": "base"}, {}):
                self.chain(qemu)
                self.job("block-commit", {"device": "top", "top-node": "mid", **more})
                self.assertEqual(self.backing("top"), str(self.paths["base"]))
                self.opens_outside("top")
        self.on_each_qemu(check)

    def test_commit_of_the_top(self):
        """The active layer: no header is written."""
        self.chain()
        self.job("block-commit", {"device": "top", "base-node": "mid"})
        self.assertEqual(self.backing("mid"), str(self.paths["base"]))
        self.opens_outside("mid")

    def test_an_image_without_a_name(self):
        """A node that a client has made of a descriptor of its own: nobody knows what it is called."""
        self.chain()
        if self.world.uid != harness.os.geteuid():
            self.skipTest("the attach socket of another user; runs as root's own")
        other = self.world.base / "other.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(other), "4M"], check=True)
        client = harness.QmpClient(self.world.status("guest")["attach-socket"])
        self.addCleanup(client.close)
        with open(other, "rb+") as file:
            self.assertIn("return", client.execute("add-fd", {"fdset-id": 100001}, fd=file.fileno()))
        for name, more in (("other", {}), ("over", {"backing": "other"})):
            answer = client.execute("blockdev-add", {"driver": "qcow2", "node-name": name, **more,
                                                     "file": {"driver": "file", "filename": "/dev/fdset/100001"}}
                                    if name == "other" else {"driver": "copy-on-read", "node-name": name, "file": "other"})
            self.assertIn("return", answer)
        answer = client.execute("block-stream", {"device": "top", "base-node": "other", "job-id": "work"})
        self.assertIn("is not known here", answer["error"]["desc"])


if __name__ == "__main__":
    harness.main()
