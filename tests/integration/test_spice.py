#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""SPICE, whose clients qvm hands to QEMU; and sound, which the displays carry."""
import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile

import harness
import test_display
from test_apply import Apply

PASSWORD = "more than eight"
MAIN, DISPLAY = 1, 2
AUDIO = -259  # RFC 6143 leaves the numbers to others: QEMU's extension for sound


class Link:
    """A channel of the protocol: the link, the ticket, and messages with small headers."""

    def __init__(self, where, password="", channel=MAIN, session=0):
        self.socket = socket.socket(socket.AF_INET if isinstance(where, tuple) else socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(where if isinstance(where, tuple) else str(where))
        body = struct.pack("<IBBIII", session, channel, 0, 1, 0, 18) + struct.pack("<I", 0b1011)
        self.socket.sendall(b"REDQ" + struct.pack("<III", 2, 2, len(body)) + body)
        magic, _, _, length = struct.unpack("<4sIII", self.take(16))
        reply = self.take(length)
        assert magic == b"REDQ" and reply[:4] == bytes(4), reply[:4]
        with tempfile.NamedTemporaryFile() as key:
            key.write(reply[4:166])
            key.flush()
            ticket = subprocess.run(["openssl", "pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", key.name, "-pkeyopt",
                                     "rsa_padding_mode:oaep"], input=password.encode() + b"\0", stdout=subprocess.PIPE, check=True).stdout
        self.socket.sendall(struct.pack("<I", 1) + ticket)
        self.result = struct.unpack("<I", self.take(4))[0]

    take = test_display.Viewer.take

    def message(self):
        kind, length = struct.unpack("<HI", self.take(6))
        return kind, self.take(length)

    def send(self, kind, body=b""):
        self.socket.sendall(struct.pack("<HI", kind, len(body)) + body)

    def close(self):
        self.socket.close()


class Spice(Apply):
    def link(self, where, *more, **options):
        link = Link(where, *more, **options)
        self.addCleanup(link.close)
        return link

    def see(self, where, **options):
        """What is on the screen, as a client asks for it: returns the connection to go on with."""
        main = self.link(where, **options)
        self.assertEqual(main.result, 0)
        kind, body = main.message()
        self.assertEqual(kind, 103)  # SPICE_MSG_MAIN_INIT
        session, = struct.unpack("<I", body[:4])
        screen = self.link(where, channel=DISPLAY, session=session, **options)
        self.assertEqual(screen.result, 0)
        screen.send(101, struct.pack("<BqBI", 1, 0, 0, 0))  # SPICE_MSGC_DISPLAY_INIT
        kinds = set()
        while 314 not in kinds:  # SPICE_MSG_DISPLAY_SURFACE_CREATE
            kinds.add(screen.message()[0])
        return main

    def has_modules(self, file, qemu):
        """Where they are missing, that is said, and where they are to be had."""
        checked = self.world.run("check", file, *qemu, status=None)
        if checked.returncode == 0:
            return True
        self.assertIn("this QEMU's modules for SPICE are not installed", checked.stderr)
        self.assertIn("qemu-system-modules-spice", checked.stderr)
        return False

    def test_seen(self):
        """By clients that are handed over, which stay when nobody supervises the VM, and come back then."""
        def check(version, qemu):
            file = self.world.write("guest/vm.toml", self.world.guest_toml(head='display = "spice"\naudio = true'))
            if not self.has_modules(file, qemu):
                print(f"skipped: QEMU {version}: without SPICE")
                self.boot(qemu=qemu)
                return
            self.boot(head='display = "spice"\naudio = true', qemu=qemu)
            place = pathlib.Path(self.world.status("guest")["spice"])
            self.assertEqual((place.name, place.stat().st_mode & 0o777), ("spice.sock", 0o600))
            main = self.see(place)
            self.assertIn("nothing to change", self.world.run("apply", "--yes", "guest").stdout)
            self.guest_sees("cat /sys/class/virtio-ports/*/name", "com.redhat.spice.0")
            self.guest_sees("cat /sys/bus/pci/devices/*/class", "0x040300")  # an HDA controller
            os.kill(self.world.status("guest")["supervisor-pid"], signal.SIGKILL)
            main.send(104)  # SPICE_MSGC_MAIN_ATTACH_CHANNELS
            kinds = set()
            while 104 not in kinds:  # SPICE_MSG_MAIN_CHANNELS_LIST
                kinds.add(main.message()[0])
            self.world.run("screenshot", "-f", "guest", "a.png", cwd=self.world.directory("pictures"))
            self.see(place)
            self.world.run("kill", "guest")
            self.assertFalse(place.exists())
        self.on_each_qemu(check)

    def test_password(self):
        port = harness.free_port()
        self.world.write("guest/password", PASSWORD + "\n")
        display = f'display = {{ type = "spice", listen = "127.0.0.1:{port}", password = "screen" }}'
        file = self.start_guest(head=f'secret.screen.file = "password"\n{display}')
        self.assertIn("SPICE on 127.0.0.1", self.world.run("status", "guest").stdout)
        self.see(("127.0.0.1", port), password=PASSWORD)
        self.assertEqual(self.link(("127.0.0.1", port), "wrong").result, 7)  # SPICE_LINK_ERR_PERMISSION_DENIED
        # A display comes and goes with the next start.
        own = self.world.home / "own.sock"
        file.write_text(file.read_text().replace(f"127.0.0.1:{port}", str(own)))
        self.assertIn("next start", self.world.run("apply", "--yes", file, status=4).stdout)
        self.world.run("restart", "guest")
        self.see(own, password=PASSWORD)
        self.world.run("adopt", "guest", status=None)
        self.see(own, password=PASSWORD)
        self.world.run("kill", "guest")
        self.assertFalse(own.exists())

    def test_jails(self):
        """A reduced jail lets them in, too; and with VNC behind the same door nothing is different."""
        self.start_guest(head='display = "spice"\njail = { mode = "reduced", on-violation = "kill" }')
        self.see(self.world.status("guest")["spice"])
        self.world.run("kill", "guest", status=None)
        self.start_guest("other", head='jail.on-violation = "kill"\nvideo = true\noption.vnc.vnc = "none"\n'
                         'host.door = { kind = "socket", runtime = "door.sock", protocol = "vnc" }')
        viewer = test_display.Viewer(self.world.status("other")["vnc"])
        self.addCleanup(viewer.close)
        self.assertTrue(viewer.enter())

    def test_view(self):
        """`qvm view` opens a client of SPICE."""
        seen = self.world.base / "home/seen"
        program = self.world.write("bin/remote-viewer", f'#!/bin/sh\necho "$@" > {seen}.new && mv {seen}.new {seen}\n')
        program.chmod(0o755)
        desktop = {"DISPLAY": ":99", "PATH": f"{program.parent}:{self.world.environment()['PATH']}"}
        self.start_guest(head='display = "spice"')
        self.world.run("view", "guest", env=desktop)
        harness.wait_until(seen.exists, lambda: "the viewer", 20)
        self.assertEqual(seen.read_text().strip(), "spice+unix://" + self.world.status("guest")["spice"])

    def test_sound(self):
        """VNC carries what the card plays; cards come and go with the next start; the host's own sound is out of reach."""
        def check(version, qemu):
            self.boot(head='display = "vnc"\naudio = true', qemu=qemu)
            file = self.file
            self.guest_sees("cat /sys/bus/pci/devices/*/class", "0x040300")
            viewer = test_display.Viewer(self.world.status("guest")["vnc"])
            self.addCleanup(viewer.close)
            self.assertTrue(viewer.enter())
            viewer.screen()
            viewer.socket.sendall(struct.pack(">BxHii", 2, 2, AUDIO, 0))
            kind, rectangles = struct.unpack(">BxH", viewer.take(4))
            self.assertEqual((kind, rectangles, struct.unpack(">HHHHi", viewer.take(12))[4]), (0, 1, AUDIO))
            viewer.close()
            file.write_text(file.read_text().replace("audio = true", 'audio = "usb"'))
            self.assertIn("next start", self.world.run("apply", "--yes", file, *qemu, status=4).stdout)
            self.world.run("restart", "guest")
            self.assertEqual(self.world.qmp("guest", "qom-get", {"path": "/machine/peripheral/audio0", "property": "type"}), "usb-audio")
            self.world.run("kill", "guest")
            file.write_text(file.read_text().replace('audio = "usb"', 'audio.backend = "alsa"'))
            self.assertIn("plays on this host, which is not there in the jail", self.world.run("check", file, *qemu, status=2).stderr)
            if version != "installed":
                self.leave()
                self.boot(head='display = "vnc"\naudio = "virtio"', qemu=qemu)
                self.guest_sees("cat /sys/bus/pci/devices/*/device", "0x1059")  # virtio's sound
                self.world.run("kill", "guest")
        self.on_each_qemu(check)


if __name__ == "__main__":
    harness.main()
