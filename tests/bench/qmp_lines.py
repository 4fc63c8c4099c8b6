#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`qvm qmp -` against a socket loop: rate and latency of query-status, one at a time and many ahead, on one QEMU
with two monitors that take turns.

usage: qmp_lines.py QVM [--qemu QEMU] [--turns N] [--python-client]

With --python-client the official client (qemu.qmp) takes its turns, too, if it is installed.
"""
import argparse
import asyncio
import pathlib
import socket
import statistics
import subprocess
import tempfile
import time

TRIPS = 200
COMMAND = b'{"execute": "query-status"}\n'


class Raw:
    """Sends, and looks for the line's end."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile("rb")
        self.stream.readline()
        self.ask(b'{"execute": "qmp_capabilities"}\n')

    def ask(self, line=COMMAND):
        self.socket.sendall(line)
        return self.stream.readline()

    def ask_many(self, count):
        ahead = min(count, 7)  # QEMU stops reading at 8
        self.socket.sendall(COMMAND * ahead)
        for done in range(count):
            self.stream.readline()
            if done + ahead < count:
                self.socket.sendall(COMMAND)


class Lines:
    """The same through pipes to qvm."""

    def __init__(self, qvm, path):
        self.process = subprocess.Popen([qvm, "qmp", "--socket", str(path), "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self):
        self.process.stdin.write(b"query-status\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert b"return" in line, line
        return line

    def ask_many(self, count):
        self.process.stdin.write(b"query-status\n" * count)
        self.process.stdin.flush()
        for _ in range(count):
            self.process.stdout.readline()


class Python:
    """qemu.qmp."""

    def __init__(self, path):
        from qemu.qmp import QMPClient  # pylint: disable=import-outside-toplevel
        self.loop = asyncio.new_event_loop()
        self.client = QMPClient("bench")
        self.loop.run_until_complete(self.client.connect(str(path)))

    def ask(self):
        return self.loop.run_until_complete(self.client.execute("query-status"))

    def ask_many(self, count):
        async def many():
            for begin in range(0, count, 7):
                await asyncio.gather(*(self.client.execute("query-status") for _ in range(min(7, count - begin))))
        self.loop.run_until_complete(many())


def measure(clients, turns):
    """Name -> (times of single round trips in microseconds, rates of many)."""
    times = {name: ([], []) for name in clients}
    for turn in range(-1, turns):  # the first only warms up
        for name, client in clients.items():
            singles = []
            for _ in range(TRIPS):
                begun = time.perf_counter()
                client.ask()
                singles.append((time.perf_counter() - begun) * 1e6)
            begun = time.perf_counter()
            client.ask_many(TRIPS)
            rate = TRIPS / (time.perf_counter() - begun)
            if turn >= 0:
                times[name][0].extend(singles)
                times[name][1].append(rate)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("qvm")
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    parser.add_argument("--turns", type=int, default=25)
    parser.add_argument("--python-client", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qvm-bench-") as name:
        paths = [pathlib.Path(name) / f"{which}.sock" for which in ("raw", "lines", "python")]
        words = [word for path in paths for word in ("-qmp", f"unix:{path},server,nowait")]
        qemu = subprocess.Popen([arguments.qemu, "-M", "none", "-nodefaults", "-display", "none", "-S", *words])
        try:
            while not all(path.exists() for path in paths):
                time.sleep(0.01)
            clients = {"raw": Raw(paths[0]), "qvm qmp -": Lines(arguments.qvm, paths[1])}
            if arguments.python_client:
                try:
                    clients["qemu.qmp"] = Python(paths[2])
                except ModuleNotFoundError:
                    print("skipped: qemu.qmp, which is not installed")
            times = measure(clients, arguments.turns)
            clients["qvm qmp -"].process.stdin.close()
            clients["qvm qmp -"].process.wait()
        finally:
            qemu.kill()
            qemu.wait()
    base = {}
    for name, (singles, rates) in times.items():
        singles.sort()
        numbers = {"rate": 1e6 / statistics.median(singles), "p99": singles[len(singles) * 99 // 100], "ahead": statistics.median(rates)}
        base = base or numbers
        print(f"{name:10} one at a time {numbers['rate']:6.0f}/s ({numbers['rate'] / base['rate']:.2f} of raw), "
              f"p99 {numbers['p99']:5.0f} us ({numbers['p99'] / base['p99']:.2f}x); "
              f"many ahead {numbers['ahead']:6.0f}/s ({numbers['ahead'] / base['ahead']:.2f})")


if __name__ == "__main__":
    main()
