# SPDX-License-Identifier: GPL-3.0-or-later
"""The jail on kernels that are not this machine's: its tests run inside a guest, under TCG, whose kernel has cgroups of
version 2 or 1, or none, or no Landlock."""
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import unittest

import harness

BUILD = harness.QVM.parent / "tests"
JAIL_TEST = BUILD / "jail_test"
CONTAINMENT_TEST = BUILD / "integration/containment_test"
PROBE = BUILD / "jail_probe/jail_probe"  # where containment_test looks for it, in the guest too
COMMANDS = ["dash", "env"]  # what the tests execute in their jails
APPLETS = ["cat", "chmod", "false", "head", "id", "ls", "mkdir", "mount", "sleep", "true"]
DEADLINE = 400  # of a guest

# The kernel refuses pivot_root(2) on the root it unpacks the archive to, so that moves to a tmpfs first.
MOVE = r"""#!/bin/sh
mkdir /new
mount -t tmpfs -o mode=755 none /new
cp -a /tests/root/. /new
mount -t proc proc /new/proc
mount -t sysfs sysfs /new/sys
mount -t securityfs securityfs /new/sys/kernel/security
mount -t devtmpfs devtmpfs /new/dev
mkdir -p /new/dev/pts
mount -t devpts devpts /new/dev/pts
cd /new
mount -o move . /
exec chroot . /bin/sh /script
"""

VERSION_2 = """
mount -t cgroup2 none /sys/fs/cgroup
echo "+cpu +io +memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/tests
echo $$ >/sys/fs/cgroup/tests/cgroup.procs
"""
VERSION_1 = """
mount -t tmpfs none /sys/fs/cgroup
for controller in cpu,cpuacct blkio memory pids; do
    mkdir /sys/fs/cgroup/$controller
    mount -t cgroup -o $controller none /sys/fs/cgroup/$controller
done
"""


def libraries_of(*programs):
    """Name -> file of all they are linked with, the ELF interpreter included."""
    text = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    return {os.path.basename(path): os.path.realpath(path) for path in re.findall(r"(/\S+) \(0x", text)}


class Archive:
    """What a guest gets besides its own root: /tests/run and /tests/root."""

    def __init__(self, base):
        self.base = base
        self.root = base / "tests/root"
        usual = self.root / "usr/lib/x86_64-linux-gnu"
        for directory in (usual, self.root / "usr/bin", self.root / "usr/lib64", self.root / PROBE.parent.relative_to("/"),
                          *(self.root / name for name in ("dev", "etc", "proc", "root", "run", "sys"))):
            directory.mkdir(parents=True)
        (self.root / "tmp").mkdir(exist_ok=True)
        (self.root / "tmp").chmod(0o1777)
        for name, target in (("bin", "usr/bin"), ("sbin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")):
            (self.root / name).symlink_to(target)
        programs = [f"/usr/bin/{name}" for name in COMMANDS]
        for name, file in libraries_of(JAIL_TEST, CONTAINMENT_TEST, *programs).items():
            shutil.copy(file, usual / name)
            if name.startswith("ld-"):
                (self.root / "usr/lib64" / name).symlink_to(f"../lib/x86_64-linux-gnu/{name}")
        for program in programs:
            shutil.copy(program, self.root / "usr/bin")
        (self.root / "usr/bin/sh").symlink_to("dash")
        shutil.copy("/usr/bin/busybox", self.root / "usr/bin")
        for applet in APPLETS:
            (self.root / "usr/bin" / applet).symlink_to("busybox")
        # A host has such files, and the probe looks for one.
        shutil.copy("/usr/bin/env", self.root / "usr/bin/su")
        (self.root / "usr/bin/su").chmod(0o4755)
        for test in (JAIL_TEST, CONTAINMENT_TEST):
            subprocess.run(["strip", "-o", self.root / "usr/bin" / test.name, test], check=True)
        shutil.copy(PROBE, self.root / PROBE.relative_to("/"))
        (self.root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        run = base / "tests/run"
        run.write_text(MOVE)
        run.chmod(0o755)

    def pack(self, script, to):
        """The guest's archive followed by this one, with `script` in it."""
        (self.root / "script").write_text(script)
        names = subprocess.run(["find", "tests"], cwd=self.base, capture_output=True, check=True).stdout
        archive = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=self.base, input=names, capture_output=True,
                                 check=True).stdout
        to.write_bytes((harness.GUEST / "initrd.gz").read_bytes() + gzip.compress(archive, 1))


class Kernels(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if harness.as_user():
            raise unittest.SkipTest("the guest is the same for root and others; runs as root's")
        for needed in (JAIL_TEST, CONTAINMENT_TEST, PROBE):
            if not needed.exists():
                if os.environ.get("CI"):
                    raise AssertionError(f"{needed} is not built")
                raise unittest.SkipTest(f"{needed} is not built")
        temporary = tempfile.TemporaryDirectory(prefix="qvm-test.")
        cls.addClassCleanup(temporary.cleanup)
        cls.base = pathlib.Path(temporary.name)
        (cls.base / "archive").mkdir()
        cls.archive = Archive(cls.base / "archive")

    def guest(self, setup, *commands, append=""):
        """Runs the commands in a guest, one after the other; their outputs. All must end with status 0."""
        script = setup + "".join(f"echo; echo '<<<{i}'; {command} 2>&1; status=$?; echo; echo \">>>$status\"\n" for i, command in enumerate(commands))
        self.archive.pack(script, self.base / "initrd.gz")
        words = ["qemu-system-x86_64", "-accel", "tcg", "-smp", "2", "-m", "1G", "-nodefaults", "-display", "none", "-no-reboot",
                 "-serial", "stdio", "-kernel", harness.GUEST / "vmlinuz", "-initrd", self.base / "initrd.gz",
                 "-append", f"console=ttyS0 quiet panic=-1 {append}"]
        out = b""
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as qemu:
            end = threading.Timer(DEADLINE, qemu.kill)
            end.start()
            try:
                while b"guest: ready" not in out:
                    out += self.read(qemu)
                qemu.stdin.write(b"\n/tests/run; poweroff\n")
                qemu.stdin.flush()
                while chunk := qemu.stdout.read1(4096):
                    out += chunk
            finally:
                end.cancel()
                qemu.kill()
        text = out.decode(errors="replace").replace("\r", "")
        results = re.findall(r"^<<<\d+\n(.*?)^>>>(\d+)$", text, re.S | re.M)
        self.assertEqual(len(results), len(commands), text[-8000:])
        for command, (said, status) in zip(commands, results):
            self.assertEqual(status, "0", f"{command}:\n{said[-8000:]}")
        return [said for said, _ in results]

    def read(self, qemu):
        chunk = qemu.stdout.read1(4096)
        self.assertTrue(chunk, "the guest ended before it was ready")
        return chunk

    def test_cgroups_of_version_2(self):
        said, _ = self.guest(VERSION_2, 'jail_test "[jail]"', 'jail_test "[ordinary-user]"')
        for limit in ("pids", "memory", "cpu"):
            self.assertNotIn(f"{limit}: unlimited", said)

    def test_cgroups_of_version_1(self):
        said, = self.guest(VERSION_1, 'jail_test "[jail]"')
        for limit in ("pids", "memory", "cpu"):
            self.assertNotIn(f"{limit}: unlimited", said)

    def test_no_landlock_and_no_cgroups(self):
        said, *_ = self.guest("", "head -c 99 /sys/kernel/security/lsm", 'jail_test "[jail]"', 'jail_test "[ordinary-user]"', "containment_test",
                              append="lsm=yama")
        self.assertNotIn("landlock", said)


if __name__ == "__main__":
    harness.main()
