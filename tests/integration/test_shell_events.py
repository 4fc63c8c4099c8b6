# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shell does with many events: a flood of them makes no flood of questions to QEMU, and what it shows of jobs and
of a migration goes on for as long as they do. The server is a script."""
import contextlib
import fcntl
import json
import socket
import struct
import subprocess
import termios
import threading

import harness

STAMP = {"seconds": 1, "microseconds": 0}
GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}, "capabilities": []}}


class Server:
    """Answers one client, and counts what it was asked."""

    def __init__(self, path, returns):
        self.returns, self.asked = returns, {}
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        path.chmod(0o666)
        self.listener.listen(1)
        self.client = None
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        self.client, _ = self.listener.accept()
        self.send(GREETING)
        for line in self.client.makefile("rb"):
            message = json.loads(line)
            name = message["execute"]
            self.asked[name] = self.asked.get(name, 0) + 1
            if name in self.returns:
                self.send({"return": self.returns[name], "id": message["id"]})
            else:
                self.send({"error": {"class": "CommandNotFound", "desc": "not here"}, "id": message["id"]})

    def send(self, *messages):
        self.client.sendall(b"".join(json.dumps(message).encode() + b"\r\n" for message in messages))

    def is_read(self):
        """The client has taken all that was sent."""
        unread = fcntl.ioctl(self.client, termios.TIOCOUTQ, struct.pack("i", 0))
        return struct.unpack("i", unread)[0] == 0

    def count(self, name):
        return self.asked.get(name, 0)


class Test(harness.TestCase):
    @contextlib.contextmanager
    def shell(self, **returns):
        path = self.world.directory("scripted") / "qmp.sock"
        server = Server(path, {"qmp_capabilities": {}, "query-commands": [{"name": "query-status"}],
                               "query-status": {"status": "running"}, "query-jobs": [], "query-migrate": {}} |
                        {name.replace("_", "-"): value for name, value in returns.items()})
        shell = self.world.start("attach", "--ui", "json", "--socket", str(path), stdin=subprocess.PIPE,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            harness.wait_until(lambda: server.count("query-migrate") > 0 and server.count("query-jobs") > 0,
                               "the shell's questions")
            yield server
        finally:
            shell.stdin.close()  # which ends it
            shell.wait(20)

    def test_a_flood_of_job_events_asks_little(self):
        with self.shell() as server:
            for _ in range(50):
                server.send(*[{"event": "JOB_STATUS_CHANGE", "data": {"id": f"j{n}", "status": "running"}, "timestamp": STAMP}
                              for n in range(100)])
            harness.wait_until(server.is_read, "the shell to read all events")
            last = server.count("query-jobs")
            self.assertLess(last, 200, "5000 events")
            # What happens at the end is asked for, too.
            server.send({"event": "JOB_STATUS_CHANGE", "data": {"id": "j", "status": "null"}, "timestamp": STAMP})
            harness.wait_until(lambda: server.count("query-jobs") > last, "a question for the jobs after the last event")

    def test_jobs_and_a_migration_are_followed_together(self):
        job = {"id": "bk0", "type": "backup", "current-progress": 1, "total-progress": 9}
        migration = {"status": "active", "ram": {"total": 9, "remaining": 5}}
        with self.shell(query_jobs=[job], query_migrate=migration) as server:
            jobs, migrations = server.count("query-jobs"), server.count("query-migrate")
            harness.wait_until(lambda: server.count("query-jobs") >= jobs + 3, "questions for the job")
            harness.wait_until(lambda: server.count("query-migrate") >= migrations + 3, "questions for the migration")


if __name__ == "__main__":
    harness.main()
