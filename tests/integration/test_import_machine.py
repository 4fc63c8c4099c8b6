# SPDX-License-Identifier: GPL-3.0-or-later
"""What import makes of a command line is the machine that the command line starts: QEMU itself tells, for each of the corpus."""
import json
import os
import re
import subprocess

import harness
import machine_facts

CORPUS = harness.SOURCE / "tests/golden/import"
# Command lines that QEMU itself cannot start here.
UNSTARTABLE = {
    "bridge": "wants a bridge br0", "chardev-socket": "wants a directory in /run", "floppy-sound": "-soundhw is gone", "hugepages": "wants huge pages",
    "kvm-name": "wants a tap", "mux": "waits for a client", "nbd": "wants a server", "net-legacy": "for an i386 QEMU", "numa": "wants two memory nodes",
    "own-build": "a QEMU of one's own", "scsi-cd": "no machine takes if=scsi", "scsi-plain": "no machine takes if=scsi", "tap": "wants a tap",
    "sound": "wants a sound server", "sound-two": "wants a sound server", "spice-unix": "wants a directory in /run", "tpm-share": "wants a swtpm", "unknown": "no options of QEMU's", "user-more": "wants a forward that no slirp takes",
    "usb-host": "wants USB devices", "vhost-user": "waits for a switch",
}
# Here they run on this machine, at its loopback, and on a kernel that is there.
REPLACED = (
    (r"(?<= |=)/(srv|run|var|tmp)/", "{directory}/"),
    (r"accel=kvm(:tcg)?", "accel=tcg"), (r"-accel kvm", "-accel tcg"), (r"-enable-kvm", "-accel tcg"), (r"-cpu host", "-cpu max"),
    (r"(tcp|udp)::", r"\1:127.0.0.1:"), (r"localhost:4555", "127.0.0.1:0"), (r"listen=:1234", "listen=127.0.0.1:0"), (r"\$\{SSH_PORT\}", "2222"),
    (r"/usr/bin/qemu", "qemu"), (r"(bzImage|vmlinuz|vmlinux)\b", "{kernel}"), (r"rootfs.cpio.gz", "{initrd}"), (r"-[dv]nc :1|-display vnc=:3", ""),
)
# The language's own choices, which QEMU's defaults differ from: devices that a VM may have more or fewer of, and why.
MORE = {"pcie-root-port": "each device has one of its own", "virtio-rng-pci": "on by default", "virtio-rng-device": "on by default"}
FEWER = {"ide-cd": "an empty default drive", "floppy": "an empty default drive", "isa-parallel": "a default port that leads nowhere",
         "VGA": "of -nographic: nobody would see it"}


# What a sample loses, and why.
LOST = {"usb-stick": ("scsi-hd.device_id",),  # usb-storage makes its disk itself, and lets nobody name it
        "snapshot": ("blocks",)}  # a warning tells


def is_meant(what, theirs, ours):
    """Whether such a difference is one of how, not of what."""
    if what in MORE and (theirs or 0) < (ours or 0) or what in FEWER and theirs == ours + 1:
        return True
    member = what[1] if isinstance(what, tuple) else what.partition(".")[2]
    return any((
        member == "mac" and theirs.startswith('"52:54:00:12:34:5'),  # from the VM's name, stable
        member == "disable-legacy",  # a root port's device is a modern one
        member == "vectors" and theirs.startswith("0 "),  # -nic forgets them
        member == "write-cache" and theirs == '"auto"',  # what auto comes to
        member in ("werror", "rerror") and theirs == '"auto"',  # of -drive, not of -device
        member == "unit" or member == "serial" and theirs.startswith('"QM0000'),  # the next free place
        member in ("firmware", "kernel", "initrd", "dtb") and bool(theirs) == bool(ours),  # by a path in the jail
        member == "device-memory-region-size",  # room for more slots
        member in ("smb_io_base", "MCFG"),  # firmware that ran for a moment
    ))


class ImportedMachine(harness.TestCase):
    def setUp(self):
        super().setUp()
        if harness.as_user():
            self.skipTest("whoever starts it, a machine is the same")

    def prepare(self, sample):
        directory = self.world.directory(sample.stem)
        text = sample.read_text()
        for pattern, replacement in REPLACED:
            text = re.sub(pattern, replacement.format(kernel=self.world.kernel, initrd=self.world.initrd, directory=directory), text)
        script = self.world.write(f"{sample.stem}/run.sh", text)
        file = directory / "vm.toml"
        self.world.run("import", "--argv-file", script, "-o", file)
        self.make_files(file.read_text(), directory)
        return script, file

    def make_files(self, toml, directory):
        """All that the file names and is not there, each of another size."""
        names = re.findall(r'\b(?:file|filename|image|initrd) = "([^"]+)"', toml)
        for number, name in enumerate(dict.fromkeys(names)):
            path = directory / name
            if path.exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(".b64"):
                path.write_text("c2VjcmV0\n")  # "secret"
                continue
            if name.endswith(".luks"):
                subprocess.run(["qemu-img", "create", "-q", "-f", "luks", "--object", "secret,id=key,data=secret", "-o", "key-secret=key,iter-time=10",
                                path, "1M"], check=True)
                continue
            qcow2 = name.endswith("qcow2") or f'"{name}"\nformat = "qcow2"' in toml
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2" if qcow2 else "raw", path, f"{number + 2}M"], check=True)
            os.chown(path, self.world.uid, self.world.uid)

    def bare(self, script):
        """The facts of what the command line itself starts, paused."""
        monitor = script.parent / "bare.sock"
        programs = self.world.directory(f"{script.parent.name}/bin")
        for name in ("qemu-system-x86_64", "kvm"):
            program = programs / name
            program.write_text(f"#!/bin/sh\nexec /usr/bin/qemu-system-x86_64 \"$@\" -S -display none -qmp unix:{monitor},server=on,wait=off\n")
            program.chmod(0o755)
        path = f"{programs}:{self.world.environment()['PATH']}"
        with open(script.parent / "bare.log", "w", encoding="utf-8") as log:
            process = self.world.start(script, program=["bash"], cwd=script.parent, env={"PATH": path}, stdout=log, stderr=log)
        harness.wait_until(monitor.exists, lambda: f"QEMU's monitor; QEMU said: {(script.parent / 'bare.log').read_text()}", 20)
        client = harness.QmpClient(monitor)
        try:
            return machine_facts.facts(lambda command, arguments=None: client.execute(command, arguments).get("return"))
        finally:
            client.execute("quit")
            client.close()
            process.wait(30)

    def imported(self, file):
        """The facts of what qvm starts; its firmware has run for a moment."""
        name = file.parent.name
        self.world.run("up", "--set", 'machine.accel="tcg"', "--set", 'attach.allow="all"', "--set", f'name="{name}"', file)
        try:
            self.world.qmp(name, "stop")
            return machine_facts.facts(lambda *words: self.answer(name, *words))
        finally:
            self.world.run("kill", name)

    def answer(self, name, command, arguments=None):
        result = self.world.run("qmp", name, command, *([json.dumps(arguments)] if arguments else []), status=None)
        return json.loads(result.stdout) if result.returncode == 0 else None

    def test_the_corpus(self):
        compared = 0
        for sample in sorted(CORPUS.glob("*.sh")):
            if sample.stem in UNSTARTABLE:
                continue
            with self.subTest(sample.name):
                script, file = self.prepare(sample)
                theirs = self.bare(script)
                ours = self.imported(file)
                lost = LOST.get(sample.stem, ())
                found = [difference for difference in machine_facts.differences(theirs, ours) if not is_meant(*difference) and difference[0] not in lost]
                self.assertEqual(found, [])
                compared += 1
        self.assertGreaterEqual(compared, 40)


if __name__ == "__main__":
    harness.main()
