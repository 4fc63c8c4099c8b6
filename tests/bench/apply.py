#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing and asking a VM that runs, against a raw QMP client of a bare QEMU, in one run.

disk:   `qvm apply --yes` that adds a disk, against add-fd, blockdev-add and device_add by a client that is connected
        already. It is given whole, and without what `qvm version` takes: the start of a process.
plan:   `qvm plan` of a VM that runs whose file has MANY resources (objects), against one with 10.
virsh:  the same of a disk by `virsh attach-device`, where libvirt can run (aim: apply is 4 times as fast).
status: query-status over the attach socket, against the same over QEMU's own (aim: 1.3).

Rounds are interleaved; the ratios are those of medians. No guest runs in either VM: both boot no kernel.

usage: apply.py QVM [--rounds R] [--trips T] [--many N] [--qemu BINARY] [--only disk,virsh,plan,status]
"""
import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import libvirt


class Client:
    """The least a Python client can do: one line out, lines in until one is no event."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile("rb")
        self.stream.readline()
        self.ask("qmp_capabilities")

    def send(self, line, fd=None):
        if fd is None:
            self.socket.sendall(line)
        else:
            socket.send_fds(self.socket, [line], [fd])
        while True:
            reply = self.stream.readline()
            if b'"event"' not in reply:
                return reply

    def ask(self, command, arguments=None, fd=None):
        reply = json.loads(self.send(json.dumps({"execute": command, "arguments": arguments or {}}).encode() + b"\n", fd))
        if "return" not in reply:
            raise RuntimeError(f"{command}: {reply}")
        return reply["return"]


class Bare:
    """A QEMU with the machine of Qvm's VM and ports enough for all rounds."""

    def __init__(self, qemu, directory, ports):
        path = directory / "bare.sock"
        words = [qemu, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-accel", "tcg", "-cpu", "max",
                 "-m", "256", "-chardev", f"socket,id=mon,path={path},server=on,wait=off", "-mon", "chardev=mon,mode=control",
                 "-chardev", "null,id=console", "-device", "isa-serial,chardev=console"]
        for i in range(ports):
            words += ["-device", json.dumps({"driver": "pcie-root-port", "id": f"p{i}", "bus": "pcie.0", "chassis": i + 1,
                                             "addr": f"0x{4 + i // 8:x}.{i % 8}", "multifunction": i % 8 == 0})]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL)
        while True:
            try:
                self.client = Client(path)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if self.process.poll() is not None:
                    raise RuntimeError("QEMU did not start") from None
                time.sleep(0.01)

    def add_disk(self, i, path):
        begun = time.monotonic()
        fd = os.open(path, os.O_RDWR)
        number = self.client.ask("add-fd", {"opaque": f"rdwr:{path}"}, fd)["fdset-id"]
        os.close(fd)
        self.client.ask("blockdev-add", {"driver": "raw", "node-name": f"d{i}",
                                         "file": {"driver": "file", "filename": f"/dev/fdset/{number}"}})
        self.client.ask("device_add", {"driver": "virtio-blk-pci", "id": f"d{i}", "drive": f"d{i}", "bus": f"p{i}"})
        return time.monotonic() - begun

    def close(self):
        self.process.kill()
        self.process.wait()


class Qvm:
    def __init__(self, qvm, directory, name, qemu):
        self.qvm, self.file = qvm, directory / name / "vm.toml"
        self.head = f'qemu = "{qemu}"\n' if "/" in qemu else ""
        self.file.parent.mkdir()
        self.environment = dict(os.environ, XDG_STATE_HOME=str(directory / "state"), QVM_RUNTIME_DIR=str(directory / "run"))

    def write(self, more):
        self.file.write_text(f'{self.head}name = "{self.file.parent.name}"\nmemory = "256M"\nmachine = {{ type = "q35", accel = "tcg" }}\n'
                             f'{more}')

    def run(self, *words):
        begun = time.monotonic()
        done = subprocess.run([self.qvm, *words], env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        took = time.monotonic() - begun
        if done.returncode not in (0, 3):  # 3: a plan that has changes
            raise RuntimeError(f"qvm {' '.join(map(str, words))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        self.output = done.stdout
        return took

    def __enter__(self):
        self.run("up", self.file)
        return self

    def __exit__(self, *_):
        self.run("kill", self.file)

    def socket(self):
        self.run("status", "--json", self.file.parent.name)
        return json.loads(self.output)["attach-socket"]


def milliseconds(times):
    return statistics.median(times) * 1000


def disk_toml(paths):
    return "".join(f'disk.d{i} = {{ file = "{path}" }}\n' for i, path in enumerate(paths))


def measure_disk(arguments, directory):
    paths = []
    for i in range(2 * arguments.rounds + 2):  # half of them for each side: an image is locked
        paths.append(directory / f"d{i}.raw")
        with open(paths[-1], "wb") as file:
            file.truncate(1 << 20)
    bare = Bare(arguments.qemu, directory, arguments.rounds + 1)
    ours = Qvm(arguments.qvm, directory, "disk", arguments.qemu)
    head = f"hotplug.pcie-ports = {arguments.rounds + 4}\n"
    ours.write(head)
    times = {"bare": [], "apply": [], "process": []}
    try:
        with ours:
            for i in range(arguments.rounds + 1):  # the first only warms up
                times["bare"].append(bare.add_disk(i, paths[2 * i]))
                ours.write(head + disk_toml(paths[1:2 * i + 2:2]))
                times["apply"].append(ours.run("apply", "--yes", ours.file))
                times["process"].append(ours.run("version"))
    finally:
        bare.close()
    raw, apply, process = (milliseconds(times[key][1:]) for key in ("bare", "apply", "process"))
    print(f"disk:   ratio apply/bare = {apply / raw:.2f}, without the start of a process {(apply - process) / raw:.2f}   "
          f"(bare {raw:.1f} ms, qvm apply {apply:.1f} ms, of which a process {process:.1f} ms)")


def domain_xml(qemu, ports):
    bridge = "<controller type='pci' model='pcie-root-port'/>"
    return (f"<domain type='qemu'><name>bench</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>"
            f"<os><type arch='x86_64' machine='q35'>hvm</type></os><devices><emulator>{shutil.which(qemu)}</emulator>"
            f"<controller type='pci' model='pcie-root'/>{bridge * ports}"
            f"<memballoon model='none'/></devices></domain>")


def disk_xml(i, path):
    letters = chr(ord("a") + i // 26) + chr(ord("a") + i % 26)
    return (f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{path}'/>"
            f"<target dev='vd{letters}' bus='virtio'/></disk>")


def measure_virsh(arguments, directory):
    if reason := libvirt.why_not():
        print(f"virsh:  left out: {reason}")
        return
    paths = [directory / f"d{i}.raw" for i in range(2 * arguments.rounds + 2)]
    for path in paths:
        with open(path, "wb") as file:
            file.truncate(1 << 20)
    ours = Qvm(arguments.qvm, directory, "disk", arguments.qemu)
    head = f"hotplug.pcie-ports = {arguments.rounds + 4}\n"
    ours.write(head)
    domain, disk = directory / "domain.xml", directory / "disk.xml"
    domain.write_text(domain_xml(arguments.qemu, arguments.rounds + 4))
    times = {"virsh": [], "apply": []}
    with libvirt.Libvirt(directory) as peer, ours:
        peer.virsh("create", domain)
        try:
            for i in range(arguments.rounds + 1):  # the first only warms up
                disk.write_text(disk_xml(i, paths[2 * i]))
                times["virsh"].append(peer.virsh("attach-device", "bench", disk, "--live"))
                ours.write(head + disk_toml(paths[1:2 * i + 2:2]))
                times["apply"].append(ours.run("apply", "--yes", ours.file))
        finally:
            peer.virsh("destroy", "bench")
    virsh, apply = (milliseconds(times[key][1:]) for key in ("virsh", "apply"))
    print(f"virsh:  ratio virsh/apply = {virsh / apply:.2f}   (virsh attach-device {virsh:.1f} ms, qvm apply {apply:.1f} ms)")


def objects(count):
    return "".join(f'object.o{i} = {{ qom-type = "rng-builtin" }}\n' for i in range(count))


def measure_plan(arguments, directory):
    few, many = (Qvm(arguments.qvm, directory, f"plan{count}", arguments.qemu) for count in (10, arguments.many))
    few.write(objects(10))
    many.write(objects(arguments.many))
    times = {"few": [], "many": []}
    with few, many:
        for _ in range(arguments.rounds + 1):
            times["few"].append(few.run("plan", few.file))
            times["many"].append(many.run("plan", many.file))
    of_few, of_many = (milliseconds(times[key][1:]) for key in ("few", "many"))
    print(f"plan:   ratio {arguments.many}/10 resources = {of_many / of_few:.2f}   "
          f"(10: {of_few:.1f} ms, {arguments.many}: {of_many:.1f} ms, {(of_many - of_few) / (arguments.many - 10) * 1000:.0f} us for each)")


def trips(client, count):
    line = b'{"execute": "query-status", "id": "bench"}\n'
    times = []
    for _ in range(count):
        begun = time.monotonic()
        if b'"return"' not in client.send(line):
            raise RuntimeError("query-status failed")
        times.append(time.monotonic() - begun)
    return times


def measure_status(arguments, directory):
    bare = Bare(arguments.qemu, directory, 1)
    ours = Qvm(arguments.qvm, directory, "status", arguments.qemu)
    ours.write("")
    times = {"bare": [], "attach": []}
    try:
        with ours:
            client = Client(ours.socket())
            trips(bare.client, 200), trips(client, 200)
            for _ in range(arguments.rounds):
                times["bare"] += trips(bare.client, arguments.trips)
                times["attach"] += trips(client, arguments.trips)
    finally:
        bare.close()
    raw, attach = milliseconds(times["bare"]) * 1000, milliseconds(times["attach"]) * 1000
    print(f"status: ratio attach/bare = {attach / raw:.2f}   (bare {raw:.0f} us, attach {attach:.0f} us)")


MEASURES = {"disk": measure_disk, "virsh": measure_virsh, "plan": measure_plan, "status": measure_status}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("qvm")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--trips", type=int, default=200, help="round trips in each round")
    parser.add_argument("--many", type=int, default=1000, help="resources of the larger file")
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    parser.add_argument("--only", default=",".join(MEASURES))
    arguments = parser.parse_args()
    cache = pathlib.Path(arguments.qvm).resolve().parent / "CMakeCache.txt"
    if cache.exists() and "CMAKE_BUILD_TYPE:STRING=Debug" in cache.read_text():
        print("a debug build: the ratios that count are those of the release preset")
    for name in arguments.only.split(","):
        with tempfile.TemporaryDirectory(prefix="qvm-bench-") as directory:
            MEASURES[name](arguments, pathlib.Path(directory))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
