# SPDX-License-Identifier: GPL-3.0-or-later
"""`qvm ssh`: which ssh it runs. The small guest has no server; that ssh is a script here."""

import socket
import subprocess

import harness


class Ssh(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.world.write("tools/ssh", '#!/bin/sh\nprintf "<%s>" "$@"\nexit 7\n').chmod(0o755)
        self.path = {"PATH": f"{self.world.base}/tools:{self.world.environment()['PATH']}"}

    def ssh(self, *arguments, status):
        return self.world.run("ssh", *arguments, status=status, env=self.path)

    def test_the_way_to_the_guest(self):
        port = harness.free_port()
        file = self.world.write("web.toml", self.world.guest_toml(
            f'net.lan = {{ type = "user", forward = ["{port} -> 22"] }}\ncloud-init = {{ user = "me" }}'))
        self.assertIn("no VM is called 'web'", self.ssh("web", status=125).stderr)
        self.world.run("up", file)
        ran = self.ssh("web", status=7).stdout
        self.assertTrue(ran.startswith(f"<-p><{port}><-o><HostKeyAlias=web>"), ran)
        self.assertIn("/web/known_hosts\">", ran)
        self.assertTrue(ran.endswith("<-l><me><--><127.0.0.1>"), ran)
        ran = self.ssh("-l", "root", "web", "ls", "-l", "/", status=7).stdout
        self.assertTrue(ran.endswith("<-l><root><--><127.0.0.1><ls><-l></>"), ran)
        self.assertTrue(self.ssh("web", "--", "ls", "-l", status=7).stdout.endswith("<127.0.0.1><ls><-l>"))
        self.world.run("kill", "web")
        self.assertIn("web is not running", self.ssh("web", status=125).stderr)
        self.ssh(status=125)

    def test_a_connection_is_passed_on(self):
        port = harness.free_port()
        file = self.world.write("web.toml", self.world.guest_toml(
            f'net.lan = {{ type = "user", forward = ["{port} -> 22"] }}'))
        self.world.run("up", file)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            command = [str(harness.QVM), "ssh", "--pass-fd", "web"]
            subprocess.run(command, stdout=theirs, env=self.world.environment(), check=True, timeout=60)
            message, descriptors, _, _ = socket.recv_fds(ours, 16, 4)
        self.assertEqual((message, len(descriptors)), (b"\0", 1))
        with socket.socket(fileno=descriptors[0]) as connection:
            self.assertEqual(connection.getpeername(), ("127.0.0.1", port))
        self.assertIn("ProxyUseFdpass yes", self.world.run("ssh", "--pass-fd", "web", status=125).stderr)
        self.world.run("kill", "web")

    def test_no_way(self):
        file = self.world.write("web.toml", self.world.guest_toml())
        self.world.run("up", file)
        refused = self.ssh("web", status=125).stderr
        self.assertIn("no port of this host leads to port 22 of web's guest", refused)
        self.assertIn('forward = ["2222 -> 22"]', refused)
        self.world.run("kill", "web")


if __name__ == "__main__":
    harness.main()
