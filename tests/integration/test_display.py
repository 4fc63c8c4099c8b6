#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A screen: VNC on a socket that QEMU gets, pictures of it, and a window outside of the jail."""
import os
import pathlib
import signal
import socket
import struct
import subprocess

import harness

PASSWORD = "geheim"


class Viewer:
    """As much of RFC 6143 as it takes to be let in."""

    def __init__(self, where):
        self.socket = socket.socket(socket.AF_INET if isinstance(where, tuple) else socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(where if isinstance(where, tuple) else str(where))
        self.version = self.take(12)
        self.socket.sendall(b"RFB 003.008\n")
        self.security = list(self.take(self.take(1)[0]))

    def take(self, length):
        data = b""
        while len(data) < length:
            more = self.socket.recv(length - len(data))
            if not more:
                raise EOFError(data)
            data += more
        return data

    def enter(self, password=None):
        """True if that is enough for the server."""
        self.socket.sendall(bytes([1 if password is None else 2]))
        if password is not None:
            key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode().ljust(8, b"\0")[:8])
            self.socket.sendall(subprocess.run(
                ["openssl", "enc", "-provider", "legacy", "-provider", "default", "-des-ecb", "-nopad", "-K", key.hex()],
                input=self.take(16), stdout=subprocess.PIPE, check=True).stdout)
        return struct.unpack(">I", self.take(4))[0] == 0

    def screen(self):
        """Its width, height and name."""
        self.socket.sendall(b"\1")
        width, height = struct.unpack(">HH", self.take(4))
        self.take(16)
        return width, height, self.take(struct.unpack(">I", self.take(4))[0]).decode()

    def close(self):
        self.socket.close()


def png_size(data):
    assert data.startswith(b"\x89PNG\r\n\x1a\n"), data[:20]
    return struct.unpack(">II", data[16:24])


class Display(harness.TestCase):
    def viewer(self, where):
        viewer = Viewer(where)
        self.addCleanup(viewer.close)
        return viewer

    def test_seen(self):
        """Through a socket of its own; by pictures; and also when nobody supervises it any more."""
        def check(version, qemu):
            self.start_guest(head='display = "vnc"', up=qemu)
            self.world.report("guest")
            place = pathlib.Path(self.world.status("guest")["vnc"])
            self.assertEqual(self.world.run("view", "--where", "guest").stdout, f"{place}\n")
            self.assertEqual(place.name, "vnc.sock")
            self.assertEqual(place.stat().st_mode & 0o777, 0o600)
            viewer = self.viewer(place)
            self.assertEqual(viewer.security, [1])
            self.assertTrue(viewer.enter())
            width, height, name = viewer.screen()
            self.assertEqual(name, "QEMU (guest)")
            viewer.close()
            directory = self.world.directory(f"pictures-{version}")
            said = self.world.run("screenshot", "guest", cwd=directory).stdout.strip()
            self.assertEqual(png_size((directory / said).read_bytes()), (width, height))
            (directory / said).unlink()
            self.world.run("screenshot", "guest", "a.ppm", cwd=directory)
            picture = (directory / "a.ppm").read_bytes()
            self.assertTrue(picture.startswith(f"P6\n{width} {height}\n255\n".encode()), picture[:20])
            self.assertGreater(len(set(picture[20:])), 1, "there is nothing on it")
            self.assertIn("'a.ppm' is there already", self.world.run("screenshot", "guest", "a.ppm", cwd=directory, status=1).stderr)
            self.world.run("screenshot", "-f", "guest", "a.ppm", cwd=directory)
            # QEMU 7.2 keeps a set without descriptors of each PNG.
            self.assertEqual([fds for fds in self.world.qmp("guest", "query-fdsets") if fds["fds"]], [])
            self.assertIn("nothing to change", self.world.run("apply", "--yes", "guest").stdout)
            os.kill(self.world.status("guest")["supervisor-pid"], signal.SIGKILL)
            self.assertTrue(self.viewer(place).enter())
            self.world.run("kill", "guest")
            self.assertFalse(place.exists())
        self.on_each_qemu(check)

    def test_password(self):
        port = harness.free_port()
        self.world.write("guest/password", PASSWORD + "\n")
        more = f'secret.screen.file = "password"\ndisplay = {{ type = "vnc", listen = "127.0.0.1:{port}", password = "screen" }}'
        file, own = self.start_guest(head=more), self.world.home / "own.sock"
        self.assertEqual(self.world.status("guest")["vnc"], f"127.0.0.1:{port}")
        self.assertIn("with a password", self.world.run("status", "guest").stdout)
        for password, right in ((PASSWORD, True), ("falsch", False)):
            viewer = self.viewer(("127.0.0.1", port))
            self.assertEqual(viewer.security, [2])
            self.assertEqual(viewer.enter(password), right, password)
        for where in self.world.base.rglob("*"):
            if where.is_file() and where.name != "password" and where.stat().st_size < 1 << 20:
                self.assertNotIn(PASSWORD.encode(), where.read_bytes(), where)
        # A display comes and goes with the next start.
        file.write_text(file.read_text().replace(f"127.0.0.1:{port}", str(own)))
        self.assertIn("next start", self.world.run("apply", "--yes", file, status=4).stdout)
        self.world.run("restart", "guest")
        self.assertTrue(self.viewer(own).enter(PASSWORD))
        self.world.run("kill", "guest")
        self.assertFalse(own.exists())
        self.world.write("guest/password", "much too long")
        self.assertIn("it can have from 1 to 8", self.world.run("up", file, status=None).stderr)
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", port))
            taken.listen()
            file.write_text(file.read_text().replace(str(own), f"127.0.0.1:{port}"))
            result = self.world.run("up", file, status=9)
            self.assertIn(f"cannot listen on 127.0.0.1:{port}", result.stderr)

    def test_window(self):
        """A viewer, run as the user. It is told of, where it cannot be had, and the VM runs all the same."""
        seen = self.world.base / "home/seen"
        program = self.world.write("bin/xtigervncviewer", f'#!/bin/sh\necho noise >&2; echo "$@" > {seen}.new && mv {seen}.new {seen}\n')
        program.chmod(0o755)
        file = self.world.write("guest/vm.toml", self.world.guest_toml(head='display = "window"'))
        warned = self.world.run("up", file).stderr
        self.assertIn("neither DISPLAY nor WAYLAND_DISPLAY is set", warned)
        self.assertIn("`qvm view guest` opens it", warned)
        self.world.run("kill", "guest")
        desktop = {"DISPLAY": ":99", "PATH": f"{program.parent}:{self.world.environment()['PATH']}"}
        self.world.run("up", file, env=desktop)
        harness.wait_until(seen.exists, lambda: "the viewer", 20)
        self.assertEqual(seen.read_text().strip(), self.world.status("guest")["vnc"])
        self.assertEqual((self.world.base / "state/qvm/guest/view.log").read_text(), "noise\n")
        seen.unlink()
        self.assertNotIn("noise", self.world.run("view", "guest", env=desktop).stderr)
        harness.wait_until(seen.exists, lambda: "the viewer", 20)
        self.world.run("kill", "guest")
        self.assertIn("guest is not running", self.world.run("view", "guest", env=desktop, status=8).stderr)

    def test_without_a_screen(self):
        file = self.start_guest()
        self.assertIn("was started without a display", self.world.run("view", "guest", status=1).stderr)
        refused = self.world.run("screenshot", "guest", status=9).stderr
        self.assertIn("video = true in its file gives it a screen", refused)
        self.assertIn("says no format", self.world.run("screenshot", "guest", "a.gif", status=1).stderr)
        # The raw level: a command at the start, and words that nobody checks.
        self.world.run("kill", "guest")
        file.write_text('argv = ["-msg", "guest-name=on"]\n' + file.read_text() +
                        '[[qmp]]\nat = "post-start"\nexecute = "migrate-set-parameters"\narguments.max-bandwidth = "3M"\n')
        self.assertIn("[unchecked]", self.world.run("up", file).stderr)
        self.assertEqual(self.world.qmp("guest", "query-migrate-parameters")["max-bandwidth"], 3 << 20)
        self.assertEqual(self.world.run("apply", "--yes", file).stdout, "guest: nothing to change\n")
        compiled = self.world.run("show", "--compiled", file).stdout
        self.assertIn('argv = ["-msg", "guest-name=on"]', compiled)
        self.assertIn('execute = "migrate-set-parameters"', compiled)
        self.world.run("kill", "guest")
        file.write_text(file.read_text().replace("max-bandwidth", "tls-creds").replace('"3M"', '"nobody"'))
        file.write_text(file.read_text().replace("migrate-set-parameters", "balloon").replace('tls-creds = "nobody"', 'value = "1G"'))
        failed = self.world.run("up", file, status=6)
        self.assertIn("QEMU refused balloon", failed.stderr)
        self.assertFalse(self.world.qemus())


if __name__ == "__main__":
    harness.main()
