#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the jail costs, in one run: QEMU's greeting jailed, bare and below bubblewrap, and a system call.

The clock of a greeting runs from the start of the process to the first line of QMP. A system call is measured by dd,
which reads and writes single bytes: the ratio is of what dd itself says, so that no start is in it. Rounds are
interleaved, the ratio is that of the medians.

usage: jail.py QVM [--rounds R] [--qemu BINARY]
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import time

BYTES = 300_000


def greeting(command):
    begun = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        line = process.stdout.readline()
        took = time.monotonic() - begun
        process.kill()
    if not line.startswith(b'{"QMP"'):
        raise SystemExit(f"no greeting from: {' '.join(command)}")
    return took


def copying(command):
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "LC_ALL": "C"}, check=True)
    return float(re.search(r"([\d.]+) s, ", done.stderr).group(1))


def compare(measure, commands, rounds):
    times = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            times[name].append(measure(command))
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("qvm")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--qemu", default=shutil.which("qemu-system-x86_64"))
    arguments = parser.parse_args()
    jail = [arguments.qvm, "jail", "--profile", "qemu"] + ([] if os.geteuid() else ["--uid", "1879048192"]) + ["--"]

    qemu = [arguments.qemu, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-accel", "tcg", "-S",
            "-qmp", "stdio"]
    commands = {"bare": qemu, "jailed": jail + qemu}
    if bwrap := shutil.which("bwrap"):
        commands["bwrap"] = [bwrap, "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr",
                             "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--dev", "/dev", *qemu]
    took = compare(greeting, commands, arguments.rounds)
    for name in list(commands)[1:]:
        print(f"greeting: {name}/bare = {took[name] / took['bare']:.2f}")
    if not bwrap:
        print("greeting below bwrap: not measured (package bubblewrap)")

    dd = [shutil.which("dd"), "if=/dev/urandom", "of=/dev/null", "bs=1", f"count={BYTES}"]
    took = compare(copying, {"bare": dd, "jailed": jail + dd}, max(3, arguments.rounds // 3))
    more = (took["jailed"] - took["bare"]) / (2 * BYTES) * 1e9
    print(f"a system call: jailed/bare = {took['jailed'] / took['bare']:.2f}, {more:+.0f} ns each")


if __name__ == "__main__":
    main()
