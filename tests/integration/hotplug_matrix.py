# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a client can have a running QEMU do, by a kind of thing: what test_syscalls.py has traced."""
import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import termios

import harness

MIB = 1 << 20
DEADLINE = 300  # seconds; each wait takes less than one on an idle machine, even traced
# An ARP request to all for the address of slirp's router.
BROADCAST = bytes.fromhex("ffffffffffff 525400123456 0806 0001 0800 0604 0001 525400123456 0a00020f 000000000000 0a000202") + bytes(22)
# Ports for what stays plugged in a VM without a guest; a display for what paints; each kind of descriptor from the start.
VM = """
name = "{name}"
hotplug.pcie-ports = 24
attach.allow = "all"
cpus = {{ count = 1, max = 2 }}
device.video = {{ driver = "VGA", bus = "pcie.0" }}
device.serial-bus = {{ driver = "virtio-serial-pci", bus = "pcie.0" }}
option.vnc = {{ vnc = "none" }}
iothread.first = {{}}
disk.system = {{ file = "{directory}/system.qcow2", format = "qcow2", iothread = "first" }}
cdrom.tools = {{ file = "{directory}/tools.raw" }}
host.wire = {{ kind = "socket", mode = "connect", path = "{directory}/wire" }}
netdev.lan = {{ type = "stream", addr = {{ type = "fd", str = "@wire" }} }}
device.lan = {{ driver = "virtio-net-pci", netdev = "lan" }}
memory = "64M"
"""


def write_vm(world, name, more=""):
    """The file of a VM for Matrix, and the listener that its network connects to."""
    directory = world.directory(f"matrix/{name}")
    for image in ("system.qcow2", "tools.raw"):
        world.image(f"matrix/{name}/{image}", "4M")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(directory / "wire"))
    listener.listen()
    return world.write(f"{name}/vm.toml", f"{more}\n" + VM.format(name=name, directory=directory)), listener


class Matrix:
    """`does` is for commands that must work here, `tries` for those whose refusal is of interest, too."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.opened = contextlib.ExitStack()
        self.qmp = harness.QmpClient(world.status(name)["attach-socket"])
        self.qmp.socket.settimeout(DEADLINE)
        self.opened.callback(self.qmp.close)
        self.sets = 100
        self.ports = [item["name"] for item in self.does("qom-list", {"path": "/machine/peripheral"}) if item["type"] == "child<pcie-root-port>"]

    def close(self):
        self.opened.close()

    def tries(self, command, arguments=None, fd=None):
        return self.qmp.execute(command, arguments, fd=fd)

    def does(self, command, arguments=None, fd=None):
        answer = self.tries(command, arguments, fd)
        assert "return" in answer, f"{command} {arguments}: {answer}"
        return answer["return"]

    def monitor(self, line):
        return self.does("human-monitor-command", {"command-line": line})

    def plug(self, driver, name, **more):
        """A device on a free port."""
        self.does("device_add", {"driver": driver, "id": name, "bus": self.ports.pop(), **more})

    # Descriptors.

    def open(self, path, flags):
        fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
        self.opened.callback(os.close, fd)
        return fd

    def fdset(self, path, *modes):
        """The name in the jail of a file of the host, with a descriptor for each of `modes`."""
        self.sets += 1
        for mode in modes:
            self.does("add-fd", {"fdset-id": self.sets}, fd=self.open(path, mode))
        return f"/dev/fdset/{self.sets}"

    def file(self, name, size="4M"):
        return self.world.image(f"matrix/{self.name}/{name}", size)

    def empty(self, name):
        return self.world.write(f"matrix/{self.name}/{name}", "")

    def give(self, name, sock):
        self.does("getfd", {"fdname": name}, fd=sock.fileno())
        return name

    def pair(self, name, kind=socket.SOCK_STREAM):
        """Our end of a pair of connected sockets; the other one is QEMU's as `name`."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        self.opened.callback(ours.close)
        ours.settimeout(DEADLINE)
        self.give(name, theirs)
        theirs.close()
        return ours

    def listener(self, name, family=socket.AF_UNIX):
        """A listening socket that QEMU has as `name`, and where it listens."""
        sock = socket.socket(family)
        sock.bind(str(self.world.base / f"{self.name}.{name}") if family == socket.AF_UNIX else ("127.0.0.1", 0))
        sock.listen()
        where = sock.getsockname()
        self.give(name, sock)
        sock.close()
        return where

    def wait_job(self, job):
        def over():
            jobs = {entry["id"]: entry["status"] for entry in self.does("query-jobs")}
            return jobs.get(job) in ("ready", "concluded", "null", "pending", None)

        harness.wait_until(over, lambda: f"the end of the job {job}: {self.does('query-jobs')}", DEADLINE)

    # The parts.

    def objects(self):
        self.does("object-add", {"qom-type": "rng-builtin", "id": "rng1"})
        self.does("object-add", {"qom-type": "rng-random", "id": "rng2", "filename": "/dev/urandom"})
        for name in ("rng1", "rng2"):
            self.plug("virtio-rng-pci", f"{name}-device", rng=name)
        self.does("object-add", {"qom-type": "iothread", "id": "io"})
        self.does("qom-set", {"path": "/objects/io", "property": "poll-max-ns", "value": 0})
        self.does("object-add", {"qom-type": "thread-context", "id": "placed", "cpu-affinity": [0]})
        self.does("object-add", {"qom-type": "throttle-group", "id": "slow", "limits": {"iops-total": 1000}})
        self.tries("object-add", {"qom-type": "secret", "id": "secret", "file": "/etc/shadow"})
        self.tries("object-add", {"qom-type": "can-bus", "id": "can"})
        self.tries("object-add", {"qom-type": "can-host-socketcan", "id": "can0", "if": "can0", "canbus": "can"})
        self.tries("object-add", {"qom-type": "cryptodev-backend-builtin", "id": "crypto"})

    def memory(self):
        for i, (kind, more) in enumerate((("ram", {"prealloc": True}), ("memfd", {"seal": True, "share": True}),
                                          ("ram", {"merge": False, "dump": False, "policy": "bind", "host-nodes": [0]}))):
            self.does("object-add", {"qom-type": f"memory-backend-{kind}", "id": f"mem{i}", "size": 64 * MIB, **more})
        self.plug("ivshmem-plain", "shared", memdev="mem1", master="on")
        self.tries("object-add", {"qom-type": "memory-backend-file", "id": "file", "size": MIB, "mem-path": "/tmp/x", "share": True})
        self.tries("object-add", {"qom-type": "memory-backend-file", "id": "file", "size": MIB, "mem-path": "/usr", "share": True})
        self.tries("object-add", {"qom-type": "memory-backend-memfd", "id": "huge", "size": 2 * MIB, "hugetlb": True})
        self.tries("object-add", {"qom-type": "memory-backend-shm", "id": "shm", "size": 2 * MIB})
        self.tries("object-add", {"qom-type": "memory-backend-epc", "id": "epc", "size": 2 * MIB})
        self.does("query-memory-devices")

    def processors(self):
        for cpu in self.does("query-hotpluggable-cpus"):
            if "qom-path" not in cpu:
                self.does("device_add", {"driver": cpu["type"], "id": "cpu1", **cpu["props"]})
        self.does("query-cpus-fast")

    def disk(self, name, path, driver, *, read_only=False, direct=False, aio="threads", locking="on", drive="virtio-blk-pci", **device):
        modes = (os.O_RDONLY,) if read_only else (os.O_RDWR, os.O_RDONLY)
        flags = os.O_DIRECT if direct else 0
        node = {"driver": driver, "node-name": name, "read-only": read_only, "discard": "unmap", "detect-zeroes": "unmap",
                "cache": {"direct": direct}, "file": {
                    "driver": "file", "node-name": f"{name}.file", "filename": self.fdset(path, *(mode | flags for mode in modes)),
                    "aio": aio, "discard": "unmap", "cache": {"direct": direct}, "locking": locking}}
        answer = self.tries("blockdev-add", node)
        if "return" not in answer:
            return answer
        if drive is not None:
            self.plug(drive, f"{name}-device", drive=name, **device)
        return answer

    def io(self, node, *commands):
        for command in commands:
            self.monitor(f'qemu-io {node} "{command}"')

    def disks(self):
        self.disk("raw", self.file("a.raw"), "raw", iothread="io")
        self.disk("native", self.file("b.raw"), "raw", direct=True, aio="native")
        self.disk("cow", self.file("c.qcow2"), "qcow2", direct=True)
        self.disk("ring", self.file("d.raw"), "raw", aio="io_uring")
        self.disk("ro", self.file("e.raw"), "raw", read_only=True)
        self.tries("blockdev-add", {"driver": "file", "node-name": "no", "filename": "/etc/shadow"})
        self.tries("blockdev-add", {"driver": "host_device", "node-name": "no", "filename": "/dev/vda"})
        self.tries("blockdev-add", {"driver": "file", "node-name": "no", "filename": self.fdset(self.file("f.raw"), os.O_RDONLY)})
        self.tries("blockdev-create", {"job-id": "no", "options": {"driver": "file", "filename": "/tmp/owned", "size": MIB}})
        self.does("blockdev-add", {"driver": "throttle", "node-name": "throttled", "throttle-group": "slow", "file": "cow"})
        for node in ("raw", "native", "cow"):
            self.io(node, "write -P 5 0 128k", "write -f 0 4k", "writev -P 6 256k 4k 8k", "read 0 64k", "readv 128k 4k 4k", "write -z 512k 64k",
                    "write -z -u 640k 64k", "discard 768k 64k", "flush", "map", "alloc 0 1M", "info", "aio_write 0 64k", "aio_flush",
                    "sigraise 0")
        self.does("block_resize", {"node-name": "raw", "size": 8 * MIB})
        self.does("block_resize", {"node-name": "cow", "size": 8 * MIB})
        for node, read_only in (("ro", False), ("cow", True), ("cow", False)):
            self.tries("blockdev-reopen", {"options": [{"driver": "qcow2" if node == "cow" else "raw", "node-name": node, "read-only": read_only,
                                                        "file": f"{node}.file"}]})
        self.does("query-block")
        self.does("query-named-block-nodes")
        self.does("query-blockstats")

    def jobs(self):
        """Each kind of block job, over a chain of qcow2 nodes."""
        for i in range(6):
            self.disk(f"n{i}", self.file(f"n{i}.qcow2"), "qcow2", locking="off" if i == 1 else "on", drive=None)
        self.disk("target", self.file("target.raw"), "raw", drive=None)
        self.disk("copy", self.file("copy.raw"), "raw", drive=None, direct=True)
        self.disk("from", self.file("from.raw"), "raw", drive=None)
        self.io("n0", "write -P 1 0 1M")
        created = self.fdset(self.empty("created"), os.O_RDWR, os.O_RDONLY)
        self.does("blockdev-add", {"driver": "file", "node-name": "created", "filename": created})
        for preallocation in ("off", "falloc", "full", "metadata"):
            self.does("blockdev-create", {"job-id": "create", "options": {"driver": "qcow2", "file": "created", "size": MIB, "preallocation": preallocation}})
            self.wait_job("create")
            self.does("job-dismiss", {"id": "create"})
        self.does("block-dirty-bitmap-add", {"node": "n0", "name": "bits", "persistent": True})
        self.disk("top", self.file("top.qcow2"), "qcow2", drive=None)
        self.does("blockdev-del", {"node-name": "top"})
        self.does("blockdev-add", {"driver": "qcow2", "node-name": "top", "backing": None, "file": {
            "driver": "file", "filename": self.fdset(self.file("top2.qcow2"), os.O_RDWR, os.O_RDONLY)}})
        self.does("blockdev-snapshot", {"node": "n0", "overlay": "top"})
        self.io("top", "write -P 2 1M 1M")
        for job, command, arguments in (
                ("mirror", "blockdev-mirror", {"device": "top", "target": "target", "sync": "full"}),
                ("backup", "blockdev-backup", {"device": "top", "target": "copy", "sync": "full"}),
                ("range", "blockdev-backup", {"device": "from", "target": "copy", "sync": "full", "x-perf": {"use-copy-range": True}}),
                ("stream", "block-stream", {"device": "top"})):
            self.does(command, {"job-id": job, **arguments})
            self.wait_job(job)
            self.tries("block-job-cancel", {"device": job})
        self.does("blockdev-add", {"driver": "qcow2", "node-name": "top3", "backing": None, "file": {
            "driver": "file", "filename": self.fdset(self.file("top3.qcow2"), os.O_RDWR, os.O_RDONLY)}})
        self.does("blockdev-snapshot", {"node": "n1", "overlay": "top3"})
        self.io("top3", "write -P 3 0 1M")
        self.does("block-commit", {"job-id": "commit", "device": "top3"})
        self.wait_job("commit")
        self.tries("job-complete", {"id": "commit"})
        self.tries("blockdev-snapshot-internal-sync", {"device": "n2", "name": "s"})
        self.does("snapshot-save", {"job-id": "save", "tag": "t", "vmstate": "n3", "devices": ["n3"]})
        self.wait_job("save")
        self.tries("snapshot-load", {"job-id": "load", "tag": "t", "vmstate": "n3", "devices": ["n3"]})
        self.wait_job("load")
        self.monitor("savevm x")
        self.does("cont")
        self.does("x-debug-query-block-graph")
        self.tries("x-blockdev-amend", {"job-id": "amend", "node-name": "n4", "options": {"driver": "qcow2", "compat": "v2"}})

    def derivation(self):
        """A new key of an encrypted disk is derived for as long as a second or two."""
        self.does("object-add", {"qom-type": "secret", "id": "new-key", "data": "x"})
        self.disk("new", self.file("new.raw", "8M"), "raw", drive=None)
        self.does("blockdev-create", {"job-id": "luks", "options": {"driver": "luks", "file": "new", "size": MIB, "key-secret": "new-key", "iter-time": 10}})
        self.wait_job("luks")

    def formats(self):
        for driver in ("luks", "vmdk"):
            self.tries("object-add", {"qom-type": "secret", "id": f"key-{driver}", "data": "x"})
            path = self.empty(driver)
            options = ["--object", "secret,id=k,data=x", "-o", "key-secret=k,iter-time=10"] if driver == "luks" else []
            made = subprocess.run(["qemu-img", "create", "-q", "-f", driver, *options, path, "4M"], capture_output=True)
            if made.returncode != 0:
                continue
            more = {"key-secret": f"key-{driver}"} if driver == "luks" else {}
            self.tries("blockdev-add", {"driver": driver, "node-name": driver, **more, "file": {
                "driver": "file", "filename": self.fdset(path, os.O_RDWR, os.O_RDONLY)}})
            self.io(driver, "write 0 64k", "flush")

    def buses(self):
        """Disks on other controllers, and USB."""
        self.plug("virtio-scsi-pci", "scsi")
        self.disk("scsi-disk", self.file("s.raw"), "raw", drive=None)
        self.does("device_add", {"driver": "scsi-hd", "id": "scsi-disk-device", "drive": "scsi-disk", "bus": "scsi.0"})
        self.plug("nvme", "nvme", drive="n5", serial="1")
        self.plug("qemu-xhci", "usb")
        for kind in ("usb-tablet", "usb-kbd"):
            self.does("device_add", {"driver": kind, "id": kind, "bus": "usb.0"})
        self.refusals()

    def refusals(self):
        """Stopped: a device_add that fails waits for RCU, and QEMU 7.2 may wait for ever while an emulated processor spins in guest code."""
        self.does("stop")
        for device in ({"driver": "vfio-pci", "host": "0000:00:00.0"}, {"driver": "virtio-mem-pci", "memdev": "mem1"},
                       {"driver": "vhost-vsock-pci", "guest-cid": 3}):
            self.tries("device_add", {"id": "refused", "bus": self.ports[-1], **device})
        self.does("cont")

    def networks(self):
        stream = self.pair("wire")
        self.does("netdev_add", {"type": "socket", "id": "stream", "fd": "wire"})
        self.plug("virtio-net-pci", "stream-device", netdev="stream")
        datagrams = self.pair("datagrams", socket.SOCK_DGRAM)
        self.does("netdev_add", {"type": "dgram", "id": "dgram", "local": {"type": "fd", "str": "datagrams"}})
        self.plug("e1000e", "dgram-device", netdev="dgram")
        datagrams.send(bytes(64))
        self.does("netdev_add", {"type": "stream", "id": "server", "server": True, "addr": {"type": "fd", "str": self.listening("net-server")}})
        self.does("netdev_add", {"type": "user", "id": "user"})
        self.send(stream)
        self.hub()
        self.tries("netdev_add", {"type": "user", "id": "forward", "hostfwd": [{"str": "tcp:127.0.0.1:0-:22"}]})
        self.tries("netdev_add", {"type": "tap", "id": "tap", "ifname": "tap9", "script": "no"})
        self.tries("netdev_add", {"type": "bridge", "id": "bridge"})
        self.tries("netdev_add", {"type": "stream", "id": "path", "addr": {"type": "unix", "path": "/nowhere"}})
        self.tries("netdev_add", {"type": "stream", "id": "tcp", "addr": {"type": "inet", "host": "127.0.0.1", "port": "1"}})
        self.tries("netdev_add", {"type": "l2tpv3", "id": "l2", "src": "127.0.0.1", "dst": "127.0.0.1", "txsession": 1})
        self.tries("set_link", {"name": "stream", "up": False})
        self.does("object-add", {"qom-type": "filter-buffer", "id": "buffer", "netdev": "stream", "interval": 1000})
        self.tries("object-add", {"qom-type": "filter-dump", "id": "dump", "netdev": "stream", "file": self.fdset(self.empty("pcap"), os.O_WRONLY)})

    @staticmethod
    def send(stream, frame=BROADCAST):
        stream.sendall(struct.pack(">I", len(frame)) + frame)

    def hub(self):
        """What one of its networks gets all of them send, without a guest."""
        stream = self.pair("hub-wire")
        datagrams = self.pair("hub-datagrams", socket.SOCK_DGRAM)
        self.does("netdev_add", {"type": "socket", "id": "hub-stream", "fd": "hub-wire"})
        self.does("netdev_add", {"type": "dgram", "id": "hub-dgram", "local": {"type": "fd", "str": "hub-datagrams"}})
        self.does("netdev_add", {"type": "user", "id": "hub-user"})
        for netdev in ("stream", "dgram", "user"):
            self.does("netdev_add", {"type": "hubport", "id": f"port-{netdev}", "hubid": 1, "netdev": f"hub-{netdev}"})
        self.send(stream)
        while datagrams.recv(2048) != BROADCAST:
            pass

    def listening(self, name):
        self.wheres = getattr(self, "wheres", {})
        self.wheres[name] = self.listener(name)
        return name

    def characters(self):
        def add(name, kind, data):
            return self.tries("chardev-add", {"id": name, "backend": {"type": kind, "data": data}})

        ours = self.pair("client")
        add("client", "socket", {"addr": {"type": "fd", "data": {"str": "client"}}, "server": False})
        self.does("device_add", {"driver": "virtserialport", "id": "client-port", "bus": "serial-bus.0", "chardev": "client"})
        ours.sendall(b"x")
        for name, more in (("server", {}), ("telnet", {"telnet": True}), ("websocket", {"websocket": True})):
            where = self.listener(name)
            assert "return" in add(name, "socket", {"addr": {"type": "fd", "data": {"str": name}}, "server": True, "wait": False, **more})
            with socket.socket(socket.AF_UNIX) as peer:
                peer.connect(where)
                peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
                if more:
                    peer.settimeout(DEADLINE)
                    peer.recv(64)
                else:
                    self.wait_connected(name)
        self.descriptors_by_message()
        where = self.listener("tcp", socket.AF_INET)
        assert "return" in add("tcp", "socket", {"addr": {"type": "fd", "data": {"str": "tcp"}}, "server": True, "wait": False, "nodelay": True})
        with socket.create_connection(where) as peer:
            self.wait_connected("tcp")
        add("inet", "socket", {"addr": {"type": "inet", "data": {"host": "127.0.0.1", "port": "1"}}, "server": False})
        add("unix", "socket", {"addr": {"type": "unix", "data": {"path": "/nowhere"}}, "server": False})
        add("abstract", "socket", {"addr": {"type": "unix", "data": {"path": "here", "abstract": True}}, "server": True, "wait": False})
        add("bound", "socket", {"addr": {"type": "unix", "data": {"path": "/tmp/here"}}, "server": True, "wait": False})
        add("vsock", "socket", {"addr": {"type": "vsock", "data": {"cid": "2", "port": "1"}}, "server": False})
        add("udp", "udp", {"remote": {"type": "inet", "data": {"host": "127.0.0.1", "port": "1"}}})
        assert "return" in add("file", "file", {"out": self.fdset(self.empty("out"), os.O_WRONLY)})
        self.tries("chardev-change", {"id": "file", "backend": {"type": "null", "data": {}}})
        add("pty", "pty", {})
        add("pipe", "pipe", {"device": "/tmp/pipe"})
        add("tty", "serial", {"device": "/dev/ttyS0"})
        add("ring", "ringbuf", {"size": 4096})
        add("vc", "vc", {})
        add("dbus", "dbus", {"name": "org.qemu"})
        self.tries("ringbuf-write", {"device": "ring", "data": "x"})
        self.does("query-chardev")
        self.terminal(add)
        for name in ("server", "telnet", "file"):
            self.does("chardev-remove", {"id": name})

    def wait_connected(self, chardev):
        def connected():
            return all(not entry["filename"].startswith("disconnected:") for entry in self.does("query-chardev") if entry["label"] == chardev)

        harness.wait_until(connected, f"a connection of {chardev}", DEADLINE)

    def terminal(self, add):
        """A serial line of the host's; a filter on a network reads from it."""
        master, slave = os.openpty()
        for fd in (master, slave):
            self.opened.callback(os.close, fd)
        name = self.fdset(os.ttyname(slave), os.O_RDWR | os.O_NOCTTY)
        assert "return" in add("terminal", "serial", {"device": name})
        self.plug("pci-serial", "terminal-device", chardev="terminal")
        assert "return" in add("line", "serial", {"device": name})
        self.does("object-add", {"qom-type": "filter-redirector", "id": "redirector", "netdev": "dgram", "queue": "rx", "indev": "line"})
        os.write(master, bytes(8))
        harness.wait_until(lambda: fcntl.ioctl(slave, termios.FIONREAD, bytes(4)) == bytes(4), "what comes over the line to be read", DEADLINE)

    def descriptors_by_message(self):
        """A monitor on a socket takes descriptors: our client's. And a vhost-user back end that is not there."""
        self.pair("vhost")
        self.tries("chardev-add", {"id": "vhost", "backend": {"type": "socket", "data": {"addr": {"type": "fd", "data": {"str": "vhost"}}, "server": False}}})

    def exports(self):
        where = self.listener("nbd")
        self.does("nbd-server-start", {"addr": {"type": "fd", "data": {"str": "nbd"}}})
        self.does("block-export-add", {"type": "nbd", "id": "export", "node-name": "n4", "name": "n4", "writable": True})
        subprocess.run(["qemu-io", "-f", "raw", "-c", "write 0 64k", "-c", "read 0 64k", f"nbd+unix:///n4?socket={where}"],
                       check=True, capture_output=True, timeout=DEADLINE)
        self.crowd(where)
        self.does("nbd-server-stop")
        where = self.world.base / f"{self.name}.remote"
        with subprocess.Popen(["qemu-nbd", "-k", where, "-f", "raw", self.file("remote.raw")]) as server:
            harness.wait_until(where.exists, "the NBD server", DEADLINE)
            self.does("blockdev-add", {"driver": "nbd", "node-name": "remote", "server": {"type": "fd", "str": self.connected("nbd-client", str(where))}})
            self.io("remote", "read 0 64k", "write 0 64k", "flush")
            self.does("blockdev-del", {"node-name": "remote"})
            server.wait(DEADLINE)
        self.tries("block-export-add", {"type": "vhost-user-blk", "id": "vu", "node-name": "n4", "addr": {"type": "unix", "path": "/tmp/vu"}})

    def crowd(self, where):
        """More descriptors in one thread than poll(2) is used for."""
        self.does("block-export-add", {"type": "nbd", "id": "crowded", "node-name": "ro", "name": "ro", "iothread": "io"})
        clients = []
        for _ in range(80):
            client = socket.socket(socket.AF_UNIX)
            self.opened.callback(client.close)
            client.settimeout(DEADLINE)
            client.connect(where)
            assert client.recv(18, socket.MSG_WAITALL)[:8] == b"NBDMAGIC"
            # NBD_FLAG_C_FIXED_NEWSTYLE, then NBD_OPT_EXPORT_NAME
            client.sendall(struct.pack(">I", 1) + b"IHAVEOPT" + struct.pack(">II", 1, 2) + b"ro")
            clients.append(client)
        for client in clients:
            client.recv(134, socket.MSG_WAITALL)
            client.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 0, 1, 0, 512))
            client.recv(16 + 512, socket.MSG_WAITALL)

    def connected(self, name, where):
        ours = socket.socket(socket.AF_UNIX)
        self.opened.callback(ours.close)
        ours.connect(where)
        return self.give(name, ours)

    def displays(self):
        for name, ours, encodings in (("viewer", self.pair("viewer"), (0,)), ("tcp-viewer", self.tcp_pair("tcp-viewer"), (7, 16, 6, -223))):
            self.does("add_client", {"protocol": "vnc", "fdname": name, "skipauth": True})
            self.see(ours, encodings)
            ours.close()
        self.tries("display-update", {"type": "vnc", "addresses": [{"type": "inet", "host": "127.0.0.1", "port": "5901"}]})
        self.tries("change-vnc-password", {"password": "x"})
        self.does("screendump", {"filename": self.fdset(self.empty("screen"), os.O_WRONLY)})
        self.tries("screendump", {"filename": "/tmp/owned"})

    def tcp_pair(self, name):
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname())
            theirs, _ = server.accept()
        self.opened.callback(ours.close)
        ours.settimeout(DEADLINE)
        self.give(name, theirs)
        theirs.close()
        return ours

    @staticmethod
    def see(sock, encodings):
        """The RFB handshake, a whole picture and a key."""
        sock.recv(12)
        sock.sendall(b"RFB 003.008\n")
        sock.recv(64)
        sock.sendall(b"\1")
        sock.recv(4)
        sock.sendall(b"\1")
        width, height = struct.unpack(">HH", sock.recv(4096)[:4])
        sock.sendall(struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings))
        sock.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height) + struct.pack(">BBxxI", 4, 1, 0x61))
        with contextlib.suppress(TimeoutError):
            while sock.recv(1 << 20):
                sock.settimeout(1.5)  # for more of the picture, on however busy a machine

    def states(self):
        self.does("dump-guest-memory", {"paging": False, "protocol": f"fd:{self.memory_file('dump')}", "begin": 0, "length": MIB})
        self.does("migrate-set-parameters", {"max-bandwidth": 1 << 30})
        for uri in ("exec:id", "tcp:127.0.0.1:1", "unix:/nowhere", "file:/tmp/owned", "fd:" + self.drain("state"),
                    "file:" + self.fdset(self.empty("state"), os.O_RDWR)):
            answer = self.tries("migrate", {"uri": uri})
            assert "return" in answer or not uri.startswith("fd:"), answer
            if "return" in answer:
                harness.wait_until(lambda: self.does("query-migrate")["status"] in ("completed", "failed", "cancelled"), "the migration's end", DEADLINE)
            self.does("cont")
        self.tries("trace-event-set-state", {"name": "qmp_*", "enable": False})
        for line in ("info registers", "info qtree", "info mtree", "x /4x 0", "info jit", "info numa", "gdbserver tcp::1", "logfile /tmp/l",
                     "info usernet", "info network", "sync-profile on", "sync-profile off"):
            self.monitor(line)
        for query in ("query-migrate", "query-kvm", "query-balloon", "query-vnc", "query-machines", "query-sev", "query-iothreads", "query-uuid"):
            self.tries(query)
        self.tries("query-cpu-model-expansion", {"type": "static", "model": {"name": "max"}})
        self.tries("device-list-properties", {"typename": "virtio-gpu-pci"})
        self.tries("qom-list-types")
        self.tries("set-numa-node", {"type": "node"})
        self.tries("calc-dirty-rate", {"calc-time": 1})
        self.tries("migrate-set-capabilities", {"capabilities": [{"capability": "background-snapshot", "state": True}]})

    def drain(self, name):
        """A pipe that is read to its end."""
        reading, writing = os.pipe()
        reader = subprocess.Popen(["cat"], stdin=reading, stdout=subprocess.DEVNULL)
        os.close(reading)
        self.does("getfd", {"fdname": name}, fd=writing)
        os.close(writing)
        self.opened.callback(reader.wait, DEADLINE)
        return name

    def memory_file(self, name):
        fd = os.memfd_create(name)
        self.opened.callback(os.close, fd)
        self.does("getfd", {"fdname": name}, fd=fd)
        return name

    def removals(self):
        for device in ("rng1-device", "raw-device", "stream-device", "usb", "shared", "client-port"):
            self.tries("device_del", {"id": device})
        self.does("blockdev-del", {"node-name": "throttled"})
        self.does("blockdev-del", {"node-name": "copy"})
        self.does("system_reset")

    def end(self):
        self.does("quit")

    PARTS = (objects, memory, processors, states, disks, jobs, formats, buses, networks, characters, exports, displays, removals, end)

    def run(self):
        for part in self.PARTS:
            part(self)
