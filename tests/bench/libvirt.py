# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirtd of a benchmark's own, where libvirt can run: as root, with libvirtd(8) and virsh(1)."""
import os
import pathlib
import shutil
import subprocess
import time

# What it keeps is in file systems of its own, that end with it; a network of its own, because it makes bridges.
START = """
set -e
for place in /run /var/lib/libvirt /var/cache/libvirt; do mkdir -p $place; mount -t tmpfs none $place; done
{ cat /etc/passwd; echo "libvirt-qemu:x:64055:64055::/:/bin/false"; } >/run/passwd
{ cat /etc/group; echo "libvirt-qemu:x:64055:"; echo "kvm:x:64056:"; } >/run/group
printf '%s\\n' 'user = "root"' 'group = "root"' 'security_driver = "none"' 'namespaces = []' 'cgroup_controllers = []' \
    'stdio_handler = "file"' >/run/qemu.conf
for file in passwd group; do mount --bind /run/$file /etc/$file; done
mount --bind /run/qemu.conf /etc/libvirt/qemu.conf
printf '%s\\n' "unix_sock_dir = \\"$1\\"" 'auth_unix_rw = "none"' 'log_outputs = "4:stderr"' >/run/libvirtd.conf
exec libvirtd --config /run/libvirtd.conf
"""


def why_not():
    """What is missing here, else nothing."""
    if os.geteuid() != 0:
        return "it needs root"
    for program in ("libvirtd", "virsh"):
        if shutil.which(program, path="/usr/sbin:/usr/bin") is None:
            return f"{program} is not installed"
    return "" if pathlib.Path("/etc/libvirt/qemu.conf").exists() else "libvirt's QEMU driver is not installed"


class Libvirt:
    """`with Libvirt(directory) as libvirt`: short paths, please; its socket is in `directory`."""

    def __init__(self, directory):
        self.directory = directory
        self.uri = f"qemu+unix:///system?socket={directory}/libvirt-sock"

    def virsh(self, *words):
        begun = time.monotonic()
        done = subprocess.run(["virsh", "--quiet", "--connect", self.uri, *words], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True)
        if done.returncode != 0:
            raise RuntimeError(f"virsh {' '.join(map(str, words))}: {done.stderr}")
        return time.monotonic() - begun

    def __enter__(self):
        with open(self.directory / "libvirtd.log", "wb") as log:
            self.process = subprocess.Popen(["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", START, "sh",
                                             self.directory], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                self.virsh("list")
                return self
            except RuntimeError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.process.kill()
                    log = (self.directory / "libvirtd.log").read_text()
                    raise RuntimeError(f"libvirtd did not start: {error}\n{log}") from None
            time.sleep(0.1)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
