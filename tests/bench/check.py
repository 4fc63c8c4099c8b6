#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`qvm check` of growing files: time a resource must not grow with their number.

usage: check.py QVM [--rounds R]
"""
import argparse
import pathlib
import statistics
import subprocess
import tempfile
import time


def text(count):
    lines = ['memory = "256M"', 'machine = { accel = "tcg" }', "hotplug = { pcie-ports = 0 }"]
    for i in range(count):
        lines += [f"[object.o{i}]", 'qom-type = "iothread"', f"poll-max-ns = {i}"]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("qvm")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qvm-bench-") as name:
        files = {}
        for count in (1, 250, 500, 1000):
            files[count] = pathlib.Path(name) / f"f{count}.toml"
            files[count].write_text(text(count))
        times = {count: [] for count in files}
        for round_number in range(arguments.rounds + 1):
            for count, file in files.items():
                begun = time.monotonic()
                subprocess.run([arguments.qvm, "check", str(file)], check=True, stdout=subprocess.DEVNULL)
                if round_number > 0:
                    times[count].append(time.monotonic() - begun)
        medians = {count: statistics.median(values) * 1000 for count, values in times.items()}
        base = medians[1]
        for count, ms in medians.items():
            print(f"check of {count:4} resources: {ms:6.1f} ms, {ms / base:.2f}x of one resource")
        print(f"linear: ratio of the second 500 to the first 500 = "
              f"{(medians[1000] - medians[500]) / (medians[500] - base):.2f}")


if __name__ == "__main__":
    main()
