#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other processes serve in the guest's memory: nics of a vhost-user switch, directories of virtiofsd."""
import array
import contextlib
import mmap
import os
import pathlib
import socket
import shutil
import struct
import threading
import unittest

import harness
from test_apply import Apply

VERSION, REPLY = 1, 4
# Those of DPDK: merged buffers, the control queue (which is QEMU's own), many queues, indirect descriptors, protocol features, 1.0.
FEATURES = sum(1 << bit for bit in (15, 17, 18, 21, 22, 28, 30, 32))
MANY_QUEUES = 1
WITH_ANSWER = {1: FEATURES, 15: MANY_QUEUES, 17: 2}  # GET_FEATURES, GET_PROTOCOL_FEATURES, GET_QUEUE_NUM
OWNER = 4711  # as root: of the shared directory
SET_MEM_TABLE, GET_VRING_BASE, SET_VRING_KICK = 5, 11, 12


class Switch:
    """The other end of vhost-user nics, which moves no packets. It listens on a socket and answers one QEMU after the other."""

    def __init__(self, path):
        self.path, self.seen, self.memory = path, [], b""
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        path.chmod(0o666)
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError, EOFError):
                self.connection = connection
                while True:
                    self._answer(connection)

    def _read(self, connection, size):
        data, ancillary, _, _ = connection.recvmsg(size, socket.CMSG_SPACE(8 * 4))
        while 0 < len(data) < size:
            more = connection.recv(size - len(data))
            data = data + more if more else b""
        if len(data) < size:
            raise EOFError
        fds = array.array("i")
        for _, _, sent in ancillary:
            fds.frombytes(sent[:len(sent) // 4 * 4])
        return data, list(fds)

    def _answer(self, connection):
        header, fds = self._read(connection, 12)
        request, _, size = struct.unpack("<III", header)
        payload = self._read(connection, size)[0] if size else b""
        if request == SET_MEM_TABLE:
            self._look_at(payload, fds)
        answer = None
        if request in WITH_ANSWER:
            answer = struct.pack("<Q", WITH_ANSWER[request])
        if request == GET_VRING_BASE:
            answer = struct.pack("<II", struct.unpack("<I", payload[:4])[0], 0)
        if answer is not None:
            connection.sendall(struct.pack("<III", request, VERSION | REPLY, len(answer)) + answer)
        self.seen.append(request)
        for fd in fds:
            os.close(fd)

    def _look_at(self, payload, fds):
        """The lowest part of the guest's memory, where Linux keeps its command line."""
        regions = [struct.unpack_from("<QQQQ", payload, 8 + 32 * i) for i in range(len(fds))]
        (_, size, _, offset), fd = min(zip(regions, fds))
        with mmap.mmap(fd, offset + size, mmap.MAP_SHARED, mmap.PROT_READ) as memory:
            self.memory = memory[offset:offset + (1 << 20)]


class ConnectingSwitch(Switch):
    """One that connects to its socket, where QEMU listens: again and again, as Open vSwitch does."""

    def __init__(self, path):
        self.path, self.seen, self.memory, self.ended = path, [], b"", threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.ended.set()

    def drop(self):
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _serve(self):
        while not self.ended.wait(0.1):
            with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError, EOFError):
                connection.connect(str(self.path))
                self.connection = connection
                while True:
                    self._answer(connection)


class VhostUser(Apply):
    def switch(self):
        if not hasattr(self, "made"):
            self.made = Switch(self.world.directory("switch") / "vm5.sock")
            self.addCleanup(self.made.close)
        return self.made

    # With emulated processors, QEMU 7.2 dies of the message interrupts of such a nic (of a vector_irqfd that is null).
    OLD = "device.vectors = 0\n"

    def nic(self, more=""):
        return f'[net.fast]\ntype = "vhost-user"\nsocket = "{self.switch().path}"\nmac = "52:54:00:00:00:55"\n{more}\n'

    def test_switch(self):
        """The guest has the nic, and the switch the guest's memory; QEMU is in its jail with nothing more than the socket."""
        def check(version, qemu):
            self.switch().seen.clear()
            self.boot(self.nic("queues = 2\n" + (self.OLD if version == "installed" else "")), qemu, append="word-4711")
            self.guest_sees("cat /sys/class/net/*/address", "52:54:00:00:00:55")
            self.ask("for i in /sys/class/net/*; do ip link set $(basename $i) up; done")
            harness.wait_until(lambda: SET_VRING_KICK in self.switch().seen, lambda: f"a queue that runs: {self.switch().seen}")
            self.assertIn(b"word-4711", self.switch().memory)
            verdict = self.world.run("status", "--jail", "guest").stdout
            self.assertNotIn("NO", verdict.split())
            self.assertEqual(self.unchanged(), "guest: nothing to change\n")
        self.on_each_qemu(check)

    def served(self, more=""):
        self.place = self.world.directory("sockets")
        self.listened = self.place / "vm6.sock"
        return f'[net.fast]\ntype = "vhost-user"\nmode = "server"\nsocket = "{self.listened}"\nmac = "52:54:00:00:00:55"\n{more}\n'

    def connecting(self):
        self.made = ConnectingSwitch(self.listened)
        self.addCleanup(self.made.close)
        return self.made

    def give(self, *paths):
        """To whom runs qvm."""
        for path in paths:
            if harness.as_user():
                os.chown(path, self.world.uid, self.world.uid)

    def test_server(self):
        """QEMU listens; the switch may come, go and come back; the socket goes with the VM."""
        def check(version, qemu):
            more = self.served(self.OLD if version == "installed" else "")
            switch = self.connecting()
            self.boot(more, qemu, append="word-4712")
            self.guest_sees("cat /sys/class/net/*/address", "52:54:00:00:00:55")
            self.ask("for i in /sys/class/net/*; do ip link set $(basename $i) up; done")
            harness.wait_until(lambda: SET_VRING_KICK in switch.seen, lambda: f"a queue that runs: {switch.seen}")
            self.assertIn(b"word-4712", switch.memory)
            self.assertEqual(os.listdir(self.place), ["vm6.sock"])
            status = self.listened.stat()
            self.assertEqual((status.st_uid, status.st_mode & 0o7777), (self.place.stat().st_uid, 0o600))
            verdict = self.world.run("status", "--jail", "guest").stdout
            self.assertNotIn("NO", verdict.split())
            self.assertEqual(self.unchanged(), "guest: nothing to change\n")
            switch.seen.clear()
            switch.drop()
            harness.wait_until(lambda: SET_VRING_KICK in switch.seen, lambda: f"the queue runs again: {switch.seen}")
            self.leave()
            switch.close()
            self.world.run("kill", "guest")
            harness.wait_until(lambda: os.listdir(self.place) == [], lambda: f"the socket is gone: {os.listdir(self.place)}")
        self.on_each_qemu(check)

    def test_server_without_jail(self):
        more = self.served(self.OLD)
        self.connecting()
        self.boot('jail.mode = "off"\n' + more)
        self.guest_sees("cat /sys/class/net/*/address", "52:54:00:00:00:55")
        self.assertEqual(os.listdir(self.place), ["vm6.sock"])

    def test_server_alone(self):
        """Nobody connects: that is told, and nothing stays. What is left of a killed VM is no hindrance, a live one is."""
        file = self.write_vm(self.served(self.OLD))
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(self.listened))
        left.close()
        pathlib.Path(f"{self.listened}.qvm").mkdir()
        self.give(self.listened, f"{self.listened}.qvm")
        refused = self.world.run("up", file, status=6)
        self.assertIn(f"nobody connected to '{self.listened}' within 30 seconds", refused.stderr)
        self.assertIn("vm.toml:", refused.stderr)
        self.assertEqual(os.listdir(self.place), [])
        with socket.socket(socket.AF_UNIX) as taken:
            taken.bind(str(self.listened))
            taken.listen()
            self.give(self.listened)
            self.assertIn("another process listens on it", self.world.run("up", file, status=1).stderr)
        self.listened.unlink()
        self.assertEqual(os.listdir(self.place), [])
        file = self.write_vm(f'jail.mode = "reduced"\n{self.served()}')
        self.assertIn('jail.mode = "strict"', self.world.run("check", file, status=2).stderr)
        file = self.write_vm(self.served().replace("/sockets/", "/nothing/"))
        self.assertIn("there is no directory", self.world.run("check", file, status=2).stderr)
        self.assertEqual(self.world.processes(), [])

    def test_while_it_runs(self):
        """A nic of a switch waits for the next start, with the reason; one that is there can go."""
        self.boot()
        out = self.apply(self.nic(self.OLD), status=4).stdout
        self.assertIn("the memory that the VM was started with is not shared", out)
        self.leave()
        self.world.run("kill", "guest")
        self.world.run("up", self.file)
        self.world.report("guest")
        self.console = self.world.console("console", "guest")
        self.guest_sees("cat /sys/class/net/*/address", "52:54:00:00:00:55")
        out = self.apply(self.nic(self.OLD) + self.nic().replace("net.fast", "net.more").replace(":55", ":56"), status=4).stdout
        self.assertIn("its socket gets into the jail before QEMU starts", out)

    def test_refused(self):
        """What cannot work is told before anything is started."""
        file = self.write_vm('[net.fast]\ntype = "vhost-user"\nsocket = "nothing.sock"\n')
        self.assertIn("there is no socket", self.world.run("up", file, status=2).stderr)
        file = self.write_vm(f'jail.mode = "reduced"\n{self.nic()}')
        self.assertIn('jail.mode = "strict" shows QEMU this socket alone', self.world.run("check", file, status=2).stderr)
        file = self.write_vm(self.nic(), share="false")
        self.assertIn("which is not shared with any", self.world.run("check", file, status=2).stderr)
        if not harness.as_user():
            self.switch().path.chmod(0o600)
            refused = self.world.run("up", self.write_vm(self.nic()), status=9)
            self.assertIn("as the VM's uid", refused.stderr)
            self.assertIn("setfacl -m u:", refused.stderr)
        self.assertEqual(self.world.processes(), [])

    def write_vm(self, more, share=None):
        text = self.world.guest_toml(more)
        if share is not None:
            text = text.replace('memory = "192M"', f'memory = {{ size = "192M", share = {share} }}')
        return self.world.write("guest/vm.toml", text)


class Share(Apply):
    """A directory of the host, served by a virtiofsd that tools/fetch-qemu fetched."""

    def share(self, more="", name="src"):
        root = harness.fetched_root("usr/libexec/virtiofsd", self)
        libraries = root / "usr/lib/x86_64-linux-gnu"
        self.directory = self.world.directory(f"shared/{name}")
        if not harness.as_user():
            os.chown(self.directory, OWNER, OWNER)
        where = f'{{ binary = "{root}/usr/libexec/virtiofsd", loader = "{libraries}/ld-linux-x86-64.so.2", library-path = "{libraries}" }}'
        return f'[share.{name}]\npath = "../shared/{name}"\nvirtiofsd = {where}\n{more}\n'

    def mount(self, tag="src"):
        self.ask(f"mkdir -p /mnt/{tag}; mount -t virtiofs {tag} /mnt/{tag}")

    def test_both_ways(self):
        """The guest reads what the host wrote and the other way round, and the files are the user's."""
        def check(version, qemu):
            more = self.share()
            (self.directory / "of-host").write_text("written by the host\n")
            (self.directory / "of-host").chmod(0o644)
            self.boot(more, qemu)
            self.mount()
            self.guest_sees("cat /mnt/src/of-host", "written by the host")
            self.ask("echo written by the guest >/mnt/src/of-guest; mkdir /mnt/src/d; mv /mnt/src/of-guest /mnt/src/d/file; sync")
            file = self.directory / "d/file"
            self.assertEqual(file.read_text(), "written by the guest\n")
            self.assertEqual(file.stat().st_uid, self.world.uid if harness.as_user() else OWNER)
            self.assertEqual(self.world.status("guest")["helpers"], {"host.src.virtiofsd": "running"})
            verdict = self.world.run("status", "--jail", "guest").stdout
            self.assertNotIn("NO", verdict.split())
            self.assertEqual(self.unchanged(), "guest: nothing to change\n")
            self.leave()
            self.world.run("kill", "guest")
            harness.wait_until(lambda: not self.world.leftovers(), lambda: f"nothing left: {self.world.leftovers()}", 15)
            file.unlink()
            file.parent.rmdir()
        self.on_each_qemu(check)

    def test_read_only(self):
        more = self.share("read-only = true\ntag = \"other\"")
        (self.directory / "of-host").write_text("written by the host\n")
        self.boot(more)
        self.mount("other")
        self.guest_sees("cat /mnt/other/of-host", "written by the host")
        self.assertIn("Read-only file system", self.ask("echo x >/mnt/other/new"))
        self.assertEqual(os.listdir(self.directory), ["of-host"])

    @unittest.skipIf(harness.as_user(), "only root may become other users of the host")
    def test_users(self):
        """Files keep their owners, those that the map names; of all others nothing can be had or become."""
        def check(version, qemu):
            more = self.share('uid-map = ["0:200000:1000", "5000:300000:1"]\ngid-map = ["0:400000:1000"]')
            os.chown(self.directory, 200000, 400000)
            for name, owner in ("of-three", 200003), ("of-root", 0), ("of-other", OWNER):
                (self.directory / name).write_text(f"{name}\n")
                (self.directory / name).chmod(0o600)
                os.chown(self.directory / name, owner, 400003 if owner == 200003 else owner)
            self.boot(more, qemu)
            self.mount()
            self.guest_sees("cat /mnt/src/of-three", "of-three")
            self.guest_sees("stat -c %u:%g /mnt/src/of-three", "3:3")
            self.guest_sees("stat -c %u:%g /mnt/src/of-root", "65534:65534")
            self.assertIn("denied", self.ask("cat /mnt/src/of-root"))
            self.assertIn("denied", self.ask("cat /mnt/src/of-other"))
            self.ask("echo x >/mnt/src/of-guests-root")
            status = (self.directory / "of-guests-root").stat()
            self.assertEqual((status.st_uid, status.st_gid), (200000, 400000))
            self.guest_sees("stat -c %u:%g /mnt/src/of-guests-root", "0:0")
            self.assertRegex(self.ask("chown 4294967294 /mnt/src/of-guests-root"), "chown: .*: ")
            self.ask("echo x >/mnt/src/new; chown 5000:7 /mnt/src/new; mkdir /mnt/src/d; chown 12:13 /mnt/src/d; sync")
            for name, owner in ("new", (300000, 400007)), ("d", (200012, 400013)):
                status = (self.directory / name).stat()
                self.assertEqual((status.st_uid, status.st_gid), owner)
            self.assertRegex(self.ask("chown 1000 /mnt/src/new"), "chown: .*: ")
            self.assertRegex(self.ask("chown 0 /mnt/src/of-root"), "chown: .*: ")
            self.assertEqual((self.directory / "of-root").stat().st_uid, 0)
            verdict = self.world.run("status", "--jail", "guest").stdout
            self.assertNotIn("NO", verdict.split())
            self.assertIn("CapEff 00000000000000db", verdict)
            self.assertEqual(self.unchanged(), "guest: nothing to change\n")
            self.leave()
            self.world.run("kill", "guest")
            shutil.rmtree(self.directory)
        self.on_each_qemu(check)

    def test_users_of_a_user(self):
        more = self.share('uid-map = ["0:200000:1000"]')
        file = self.world.write("guest/vm.toml", self.world.guest_toml(more))
        if harness.as_user():
            self.assertIn("only root may become other users", self.world.run("check", file, status=2).stderr)
        file = self.world.write("guest/vm.toml", self.world.guest_toml(more.replace("0:200000", "0:0")))
        self.assertIn("the host's root", self.world.run("check", file, status=2).stderr)

    def test_comes_and_goes(self):
        """A second share while the VM runs: its memory is shared already."""
        def check(version, qemu):
            first = self.share()
            self.boot(first, qemu)
            second = self.share("", "more")
            (self.directory / "there").write_text("of the second\n")
            self.apply(first + second)
            harness.wait_until(lambda: "of the second" in self.ask("mkdir -p /mnt/more; mount -t virtiofs more /mnt/more; cat /mnt/more/there"),
                               "the second share", 30, 0.5)
            self.ask("umount /mnt/more")
            self.apply(first)
            self.assertEqual(self.world.status("guest")["helpers"], {"host.src.virtiofsd": "running"})
            self.unchanged()
        self.on_each_qemu(check)

    def test_missing(self):
        more = self.share().replace("path = \"../shared/src\"", 'path = "../nothing"')
        self.world.write("guest/vm.toml", self.world.guest_toml(more))
        refused = self.world.run("up", self.world.base / "guest/vm.toml", status=2)
        self.assertIn("there is no directory", refused.stderr)


if __name__ == "__main__":
    harness.main()
