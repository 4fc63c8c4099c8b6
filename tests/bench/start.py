#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start to running: `qvm up`, jailed, against bare QEMU with the equivalent arguments, in one run.

Both sides boot no kernel and have the same machine: q35, tcg, 256 MiB, N virtio disks of 1 MiB, a serial port, an rng,
and as many root ports. The clock runs from the start of
the process until the guest's processors run: for QEMU until the reply to `cont`, for qvm until `up` has returned.
Rounds are interleaved; the ratio of the medians is printed for each N, and where qvm's time goes.

usage: start.py QVM [--rounds R] [--disks 0,1,8,32] [--qemu BINARY] [--extra TOML]
"""
import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time


def disks(directory, count):
    paths = []
    for i in range(count):
        path = directory / f"d{i}.raw"
        if not path.exists():
            with open(path, "wb") as file:
                file.truncate(1 << 20)
        paths.append(path)
    return paths


class Bare:
    """What a careful script would run: everything on the command line, then one QMP command."""

    def __init__(self, qemu, directory, paths):
        self.qemu, self.paths = qemu, paths
        self.socket = directory / "bare.sock"

    def arguments(self):
        words = [self.qemu, "-nodefaults", "-no-user-config", "-display", "none", "-S", "-machine", "q35",
                 "-accel", "tcg", "-cpu", "max", "-m", "256", "-smp", "1",
                 "-chardev", f"socket,id=mon,path={self.socket},server=on,wait=off", "-mon", "chardev=mon,mode=control",
                 "-chardev", "null,id=console", "-device", "isa-serial,chardev=console"]
        spare = 4
        for i in range((len(self.paths) + 1 + spare + 7) // 8 * 8):
            slot, function = 4 + i // 8, i % 8
            words += ["-device", json.dumps({"driver": "pcie-root-port", "id": f"p{i}", "bus": "pcie.0",
                                             "chassis": i + 1, "addr": f"0x{slot:x}.{function}",
                                             "multifunction": function == 0})]
        for i, path in enumerate(self.paths):
            words += ["-blockdev", json.dumps({"driver": "raw", "node-name": f"d{i}",
                                               "file": {"driver": "file", "filename": str(path)}}),
                      "-device", json.dumps({"driver": "virtio-blk-pci", "drive": f"d{i}", "bus": f"p{i}"})]
        words += ["-device", json.dumps({"driver": "virtio-rng-pci", "bus": f"p{len(self.paths)}"})]
        return words

    def run(self):
        self.socket.unlink(missing_ok=True)
        begun = time.monotonic()
        process = subprocess.Popen(self.arguments(), stdin=subprocess.DEVNULL)
        while True:
            client = socket.socket(socket.AF_UNIX)
            try:
                client.connect(str(self.socket))
                break
            except OSError:
                client.close()
                time.sleep(0.0005)
        stream = client.makefile("rw")
        stream.readline()
        for command in ("qmp_capabilities", "cont"):
            stream.write(json.dumps({"execute": command}) + "\n")
            stream.flush()
            while "return" not in json.loads(stream.readline()):
                pass
        took = time.monotonic() - begun
        process.kill()
        process.wait()
        return took


class Qvm:
    def __init__(self, qvm, directory, paths, extra):
        self.qvm = qvm
        self.file = directory / "bench.toml"
        text = 'memory = "256M"\nmachine = { type = "q35", accel = "tcg" }\n'
        for i, path in enumerate(paths):
            text += f'disk.d{i} = {{ file = "{path}" }}\n'
        text += extra
        self.file.write_text(text)
        self.environment = dict(os.environ, XDG_STATE_HOME=str(directory / "state"),
                                QVM_RUNTIME_DIR=str(directory / "run"))

    def run(self):
        begun = time.monotonic()
        subprocess.run([self.qvm, "up", str(self.file)], env=self.environment, check=True, stdout=subprocess.DEVNULL,
                       stdin=subprocess.DEVNULL)
        took = time.monotonic() - begun
        subprocess.run([self.qvm, "kill", str(self.file)], env=self.environment, check=True,
                       stdout=subprocess.DEVNULL)
        return took

    def check(self):
        begun = time.monotonic()
        subprocess.run([self.qvm, "check", str(self.file)], env=self.environment, check=True,
                       stdout=subprocess.DEVNULL)
        return time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("qvm")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--disks", default="0,1,8,32")
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    parser.add_argument("--extra", default="", help="further TOML for qvm's file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qvm-bench-") as name:
        directory = pathlib.Path(name)
        for count in map(int, arguments.disks.split(",")):
            paths = disks(directory, count)
            bare, ours = Bare(arguments.qemu, directory, paths), Qvm(arguments.qvm, directory, paths, arguments.extra)
            bare.run(), ours.run()
            times = {"bare": [], "qvm": [], "check": []}
            for _ in range(arguments.rounds):
                times["bare"].append(bare.run())
                times["qvm"].append(ours.run())
                times["check"].append(ours.check())
            bare_ms, qvm_ms, check_ms = (statistics.median(times[k]) * 1000 for k in ("bare", "qvm", "check"))
            print(f"{count:3} disks: ratio qvm/bare = {qvm_ms / bare_ms:.2f}   "
                  f"(bare {bare_ms:.1f} ms, qvm up {qvm_ms:.1f} ms, of which reading and checking {check_ms:.1f} ms)")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
