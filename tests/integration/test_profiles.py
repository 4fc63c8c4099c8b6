# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that serve a QEMU, each in its profile of `qvm jail`, doing its real work."""
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import unittest

import harness

JAIL_UID = 70000  # as root: whom the command runs as


OWNER = bytes.fromhex("40000001")
OWNER_SESSION = bytes.fromhex("00000009" "40000009" "0000" "00" "0000")  # its empty password
INDEX = bytes.fromhex("01500000")
# TPM2_NV_DefineSpace of 8 bytes that the owner writes and reads, and both.
NV_DEFINE = (0x12A, OWNER, bytes.fromhex("0000" "000e") + INDEX + bytes.fromhex("000b" "00020002" "0000" "0008"))
NV_WRITE = (0x137, OWNER + INDEX, bytes.fromhex("0008") + b"remember" + bytes(2))
NV_READ = (0x14E, OWNER + INDEX, bytes.fromhex("0008" "0000"))


class Profiles(harness.TestCase):
    def owned(self, path):
        """What the jailed process may write, as root belongs to its uid."""
        if not harness.as_user():
            os.chown(path, JAIL_UID, JAIL_UID)
        return path

    def start_jailed(self, profile, fds, options, command):
        words = ["jail", "--profile", profile] + (["--uid", str(JAIL_UID)] if not harness.as_user() else [])
        for fd in fds:
            words += ["--fd", str(fd)]
        log = (self.world.base / f"{profile}.log").open("w+")
        self.addCleanup(log.close)
        process = self.world.start(*words, *options, "--", *command, pass_fds=fds, stdout=log, stderr=log)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(20)
        harness.reaper.forget(process)

    def said(self, profile):
        return (self.world.base / f"{profile}.log").read_text()

    def assert_contained(self, process, program):
        """What the kernel says of the program, two processes below `qvm jail`."""
        pids = [pid for stub in harness.children(process.pid) for pid in harness.children(stub)]
        self.assertEqual(len(pids), 1, f"{program}: {pids}")
        status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pids[0]}/status").read_text().splitlines() if ":\t" in line)
        self.assertEqual(status["Seccomp"], "2")
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(int(status["CapEff"], 16) | int(status["CapBnd"], 16), 0)
        self.assertNotEqual(os.readlink(f"/proc/{pids[0]}/ns/net"), os.readlink("/proc/self/ns/net"))

    @unittest.skipUnless(shutil.which("swtpm", path="/usr/bin"), "swtpm is not installed")
    def test_swtpm(self):
        state = self.owned(self.world.directory("tpm"))
        # What the first life wrote the second finds; in another directory there is another TPM.
        self.tpm_life(state, NV_DEFINE, NV_WRITE)
        self.assertTrue(any(path.suffix == ".permall" for path in state.iterdir()))
        self.assertIn(b"remember", self.tpm_life(state, NV_READ))
        self.assertNotIn(b"remember", self.tpm_life(self.owned(self.world.directory("other")), NV_READ, good=False))

    def tpm_life(self, state, *commands, good=True):
        """Starts it, gives it commands of TPM 2.0 and ends it; the last reply."""
        control, control_inside = socket.socketpair()
        data, data_inside = socket.socketpair()
        for one in (control, data):
            one.settimeout(60)
        with control, data, control_inside, data_inside:
            fd = control_inside.fileno()
            process = self.start_jailed("swtpm", [fd], ["--bind-rw", f"{state}:/state"],
                                        ["swtpm", "socket", "--tpm2", "--tpmstate", "dir=/state", "--ctrl", f"type=unixio,clientfd={fd}",
                                         "--flags", "not-need-init,startup-clear"])
            control_inside.close()
            try:
                socket.send_fds(control, [struct.pack(">I", 0x10)], [data_inside.fileno()])  # CMD_SET_DATAFD
                self.assertEqual(control.recv(64), bytes(4), self.said("swtpm"))
                self.assert_contained(process, "swtpm")
                for code, handles, parameters in commands:
                    body = handles + OWNER_SESSION + parameters
                    data.sendall(struct.pack(">HII", 0x8002, 10 + len(body), code) + body)
                    reply = data.recv(4096)
                    self.assertEqual(int.from_bytes(reply[6:10], "big") == 0, good, reply.hex())
                control.send(struct.pack(">I", 3))  # CMD_SHUTDOWN
                process.wait(20)
                self.assertEqual(process.returncode, 0, self.said("swtpm"))
                return reply
            finally:
                self.end(process)

    @unittest.skipUnless(shutil.which("qemu-storage-daemon"), "qemu-storage-daemon is not installed")
    def test_storage_daemon(self):
        disk = self.owned(self.world.image("disks/a.qcow2"))
        path = self.world.directory("sockets") / "nbd"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            fd = listener.fileno()
            process = self.start_jailed("qemu-storage-daemon", [fd], ["--bind-rw", f"{disk}:/disk"],
                                        ["qemu-storage-daemon", "--blockdev", "driver=file,node-name=file,filename=/disk",
                                         "--blockdev", "driver=qcow2,node-name=disk,file=file", "--nbd-server", f"addr.type=fd,addr.str={fd}",
                                         "--export", "type=nbd,id=export,node-name=disk,name=disk,writable=on"])
        self.qemu_io("raw", f"nbd+unix:///disk?socket={path}", "write -P 7 4k 64k", "read -P 7 4k 64k", "discard 1M 1M")
        self.assert_contained(process, "qemu-storage-daemon")
        self.end(process)
        self.assertEqual(process.returncode, 0, self.said("qemu-storage-daemon"))
        self.qemu_io("qcow2", disk, "read -P 7 4k 64k")

    def test_virtiofsd(self):
        """A guest uses the directory it serves; what it may not do, the kernel refuses."""
        root = harness.fetched_root("usr/libexec/virtiofsd", self)
        libraries = root / "usr/lib/x86_64-linux-gnu"
        share = self.owned(self.world.directory("share"))
        path = self.world.directory("sockets") / "fs"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            path.chmod(0o666)
            listener.listen()
            fd = listener.fileno()
            process = self.start_jailed("virtiofsd", [fd], ["--bind-rw", f"{share}:/share", "--bind-ro", f"{root}/usr"],
                                        [libraries / "ld-linux-x86-64.so.2", "--library-path", libraries, root / "usr/libexec/virtiofsd",
                                         "--fd", str(fd), "--shared-dir", "/share", "--sandbox=none", "--inode-file-handles=never",
                                         "--rlimit-nofile=0", "--translate-uid", "squash-guest:0:1000:4294967295",
                                         "--translate-gid", "squash-guest:0:1000:4294967295"])
        self.start_guest("guest", f"""
machine.memory-backend = "ram"
object.ram = {{ qom-type = "memory-backend-memfd", size = "192M", share = true }}
host.fs = {{ kind = "socket", mode = "connect", path = "{path}" }}
chardev.fs.backend = {{ type = "socket", data = {{ addr = {{ type = "fd", data = {{ str = "@fs" }} }}, server = false }} }}
device.fs = {{ driver = "vhost-user-fs-pci", chardev = "fs", tag = "share" }}
""")
        self.world.report("guest")
        self.assert_contained(process, "virtiofsd")
        console = self.world.console("console", "guest")
        self.addCleanup(console.close)
        console.expect("guest: ready")
        console.send("\nmkdir /mnt; mount -t virtiofs share /mnt; cd /mnt; mkdir d; echo of the guest >d/a; ln d/a b; mv b c; ln -s c l; "
                     "chmod 640 c; truncate -s 100 d/a; touch -d '2001-01-01 00:00:00' d; mkfifo p; rm p; cat h; echo wrote-$((40 + 2))\n")
        console.expect("wrote-42")
        self.assertEqual((share / "l").read_bytes()[:13], b"of the guest\n")
        self.assertEqual((share / "c").stat().st_size, 100)
        self.assertEqual((share / "c").stat().st_mode & 0o777, 0o640)
        self.assertEqual((share / "c").stat().st_uid, self.world.uid if harness.as_user() else JAIL_UID)
        self.assertEqual((share / "d").stat().st_mtime, 978307200)
        console.send("mknod n c 1 3 || echo no-$((40 + 3)); cat d/a; ls -R / >/dev/null; echo alive-$((40 + 4))\n")
        console.expect("no-43")
        console.expect("alive-44")
        self.world.run("kill", "guest")
        process.wait(20)
        self.assertEqual(process.returncode, 0, self.said("virtiofsd"))

    def qemu_io(self, form, where, *commands):
        words = [word for command in commands for word in ("-c", command)]
        done = subprocess.run(["qemu-io", "-f", form, *words, str(where)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.said("qemu-storage-daemon"))
        self.assertNotIn("failed", done.stdout)


if __name__ == "__main__":
    harness.main()
