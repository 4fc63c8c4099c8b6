#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""`qvm check` of a small and of a large file, with what is known of QEMU in the cache and without, in one run.

The peer is virt-xml-validate (libvirt-clients), where it is installed: it holds a domain against libvirt's own
grammar, and asks no QEMU. Both do it once for a VM of five lines and once for one of 1000 resources (qvm: iothreads;
libvirt: as many disks). Then qvm alone with growing files: the time of one more resource must not grow with their number.

usage: check.py QVM [--rounds R]
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

FIVE_LINES = """memory = "256M"
cpus = 2
machine.accel = "tcg"
device.balloon.driver = "virtio-balloon-pci"
object.io.qom-type = "iothread"
"""
DOMAIN = """<domain type='qemu'><name>d</name><memory unit='MiB'>256</memory><vcpu>2</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>{}</devices></domain>
"""
DISK = "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/d{0}'/><target dev='vd{1}' bus='virtio'/></disk>\n"


def resources(count):
    lines = ['memory = "256M"', 'machine = { accel = "tcg" }', "hotplug = { pcie-ports = 0 }"]
    for i in range(count):
        lines += [f"[object.o{i}]", 'qom-type = "iothread"', f"poll-max-ns = {i}"]
    return "\n".join(lines) + "\n"


def letters(number):
    word = ""
    while number >= 0:
        word, number = chr(ord("a") + number % 26) + word, number // 26 - 1
    return word


def domain(disks):
    return DOMAIN.format("".join(DISK.format(i, letters(i)) for i in range(disks)))


class Bench:
    def __init__(self, qvm, directory, rounds):
        self.qvm, self.directory, self.rounds = qvm, directory, rounds
        self.runs = {}

    def add(self, name, command, cold=False):
        self.runs[name] = (command, cold)

    def qvm_check(self, name, text, cold=False):
        file = self.directory / f"vm{len(self.runs)}.toml"
        file.write_text(text)
        self.add(name, [self.qvm, "check", str(file)], cold)

    def validate(self, name, text):
        file = self.directory / f"domain{len(self.runs)}.xml"
        file.write_text(text)
        self.add(name, ["virt-xml-validate", str(file), "domain"])

    def medians(self):
        """Milliseconds; the rounds of all are interleaved, and the first is not counted."""
        times = {name: [] for name in self.runs}
        for number in range(self.rounds + 1):
            for name, (command, cold) in self.runs.items():
                cache = self.directory / ("cold" if cold else "cache")
                if cold:
                    shutil.rmtree(cache, ignore_errors=True)
                begun = time.monotonic()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, "XDG_CACHE_HOME": str(cache)})
                if number > 0:
                    times[name].append((time.monotonic() - begun) * 1000)
        return {name: statistics.median(values) for name, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("qvm")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qvm-bench-") as name:
        bench = Bench(arguments.qvm, pathlib.Path(name), arguments.rounds)
        for size, text in (("five lines", FIVE_LINES), ("1000 resources", resources(1000))):
            bench.qvm_check(f"{size}, warm", text)
            bench.qvm_check(f"{size}, cold", text, cold=True)
        peer = shutil.which("virt-xml-validate")
        if peer:
            bench.validate("five lines, virt-xml-validate", domain(1))
            bench.validate("1000 resources, virt-xml-validate", domain(1000))
        for count in (1, 250, 500, 1000):
            bench.qvm_check(f"{count} growing", resources(count))
        ms = bench.medians()
        for size in ("five lines", "1000 resources"):
            print(f"check of {size}: warm {ms[f'{size}, warm']:.1f} ms, cold {ms[f'{size}, cold']:.1f} ms "
                  f"({ms[f'{size}, cold'] / ms[f'{size}, warm']:.1f}x)")
            if peer:
                other = ms[f"{size}, virt-xml-validate"]
                print(f"  virt-xml-validate: {other:.1f} ms; warm check takes {ms[f'{size}, warm'] / other:.2f}x of it")
        if not peer:
            print("skipped: virt-xml-validate is not installed (package libvirt-clients)")
        print(f"linear: ratio of the second 500 resources to the first 500 = "
              f"{(ms['1000 growing'] - ms['500 growing']) / (ms['500 growing'] - ms['1 growing']):.2f}")


if __name__ == "__main__":
    main()
