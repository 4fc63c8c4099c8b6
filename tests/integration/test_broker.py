# SPDX-License-Identifier: GPL-3.0-or-later
"""The attach socket with many clients, and with bad ones: everyone has all answers and events of his own, and the
supervisor stays small; what a full disk or a runtime directory that cannot be written to does to a VM."""
import contextlib
import json
import os
import pathlib
import random
import socket
import subprocess
import threading
import time

import harness

RSS_LIMIT_KB = 120 << 10  # of the supervisor, at its highest
PARSED_LIMIT_KB = 180 << 10  # with one message of the most values that it parses
BARE = 'memory = "64M"\nmachine.accel = "tcg"\n'
NEGOTIATE = b'{"execute": "qmp_capabilities", "id": "negotiated"}\n'


def is_answer(line, request_id):
    try:
        return json.loads(line).get("id") == request_id
    except ValueError:
        return False


class Raw:
    """A client with no manners: bytes in, bytes out."""

    def __init__(self, path, negotiate=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile("rb")
        self.stream.readline()
        if negotiate:
            self.socket.sendall(NEGOTIATE)
            assert is_answer(self.stream.readline(), "negotiated")

    def send(self, data):
        """False once the other side has closed."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def send_until_stuck(self, data, times, seconds):
        """How often it could be sent before the other side closed, or took nothing for so long."""
        self.socket.settimeout(seconds)
        for sent in range(times):
            try:
                self.socket.sendall(data)
            except OSError:  # closed, or timed out
                return sent
        return times

    def lines_until(self, request_id):
        """All lines up to the answer to `request_id`, or to the end of the connection."""
        lines = []
        try:
            for line in self.stream:
                lines.append(line)
                if is_answer(line, request_id):
                    break
        except ConnectionResetError:
            pass
        return lines

    def close(self):
        self.stream.close()
        self.socket.close()


class Bystander:
    """Somebody who asks the same all the time, and counts; while others misbehave."""

    def __init__(self, path):
        self.client = harness.QmpClient(path)
        self.answers, self.slowest, self.trouble = 0, 0.0, None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.ended.is_set():
                begun = time.monotonic()
                answer = self.client.execute("query-status", request_id=f"bystander-{self.answers}")
                self.slowest = max(self.slowest, time.monotonic() - begun)
                assert answer["return"]["status"] == "running", answer
                self.answers += 1
                time.sleep(0.005)
        except Exception as trouble:  # reported by the test's own thread
            self.trouble = trouble

    def end(self):
        self.ended.set()
        self.thread.join(60)


class BrokerTest(harness.TestCase):
    def start(self):
        if self.world.uid != os.geteuid():
            self.skipTest("the attach socket of another user; runs as root's own")
        self.file = self.world.write("vm/vm.toml", BARE)
        self.world.run("up", self.file)
        status = self.world.status("vm")
        self.path, self.supervisor, self.qemu = status["attach-socket"], status["supervisor-pid"], status["qemu-pid"]

    def client(self):
        client = harness.QmpClient(self.path)
        self.addCleanup(client.close)
        return client

    def raw(self, **options):
        client = Raw(self.path, **options)
        self.addCleanup(client.close)
        return client

    def most_memory(self):
        """The supervisor's VmHWM, in KiB: the highest VmRSS there ever was, so that nothing is missed between two looks."""
        status = pathlib.Path(f"/proc/{self.supervisor}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))

    def descriptors(self):
        """By number."""
        links = {}
        for number in os.listdir(f"/proc/{self.supervisor}/fd"):
            with contextlib.suppress(FileNotFoundError):
                links[number] = os.readlink(f"/proc/{self.supervisor}/fd/{number}")
        return links

    @contextlib.contextmanager
    def nobody_disturbed(self, limit=RSS_LIMIT_KB):
        """A bystander has all answers meanwhile, then an event; the supervisor is the same, stays small and keeps no descriptor."""
        before = self.descriptors()
        bystander = Bystander(self.path)
        try:
            yield bystander
        finally:
            bystander.end()
        self.assertIsNone(bystander.trouble)
        self.assertGreater(bystander.answers, 0)
        self.assertLess(bystander.slowest, 10)
        self.assertLess(self.most_memory(), limit)
        self.world.run("pause", "vm")
        bystander.client.wait_event("STOP")
        self.world.run("resume", "vm")
        bystander.client.wait_event("RESUME")
        bystander.client.close()
        status = self.world.status("vm")
        self.assertEqual((status["state"], status["supervisor-pid"], status["qemu-pid"]), ("running", self.supervisor, self.qemu))
        harness.wait_until(lambda: len(self.descriptors()) <= len(before) + 1,  # one that is opened when it is first needed
                           lambda: f"{before}, but then {self.descriptors()}", 30)


class ManyClients(BrokerTest):
    CLIENTS, AHEAD, ROUNDS = 50, 7, 6

    def ids(self, who, round_number):
        """Of all kinds that JSON has: they come back as they went."""
        kinds = [lambda i: f"{who}/{i}", lambda i: who * 1000 + i, lambda i: {"who": who, "i": i}, lambda i: [who, i], lambda i: who + i / 128]
        return [kinds[i % len(kinds)](round_number * self.AHEAD + i) for i in range(self.AHEAD)]

    def work(self, who, all_there, trouble, rounds_seen):
        try:
            client = harness.QmpClient(self.path)
            all_there.wait(60)
            rounds = 0
            while rounds < self.ROUNDS or not client.events:
                ids = self.ids(who, rounds)
                commands = ["query-status", "query-version", f"no-such-{who}", "query-name"]
                sent = [(commands[i % len(commands)], request_id) for i, request_id in enumerate(ids)]
                client.file.write(b"".join(json.dumps({"execute": c, "id": r}).encode() + b"\n" for c, r in sent))
                for command, request_id in sent:
                    message = self.next_answer(client)
                    assert message["id"] == request_id, (message, request_id)
                    if command.startswith("no-such"):
                        assert message["error"]["class"] == "CommandNotFound" and command in message["error"]["desc"], message
                    else:
                        key = {"query-status": "running", "query-version": "qemu", "query-name": "name"}[command]
                        assert key in message["return"], (command, message)
                rounds += 1
            # Whatever came late comes before the answer to this.
            client.execute("query-status", request_id="last")
            assert [event["event"] for event in client.events] == ["STOP"], client.events
            client.close()
            rounds_seen[who] = rounds
        except Exception as error:
            trouble.append(f"client {who}: {error!r}")
            all_there.abort()

    @staticmethod
    def next_answer(client):
        while True:
            message = client.message()
            if "event" not in message:
                return message
            client.events.append(message)

    def test_fifty(self):
        """Each with ids of its own and several commands ahead; each sees that the VM is paused, once."""
        self.start()
        before = self.descriptors()
        all_there = threading.Barrier(self.CLIENTS + 1)
        trouble, rounds = [], {}
        threads = [threading.Thread(target=self.work, args=(who, all_there, trouble, rounds), daemon=True) for who in range(self.CLIENTS)]
        for thread in threads:
            thread.start()
        with contextlib.suppress(threading.BrokenBarrierError):
            all_there.wait(60)
        self.world.run("pause", "vm")
        for thread in threads:
            thread.join(120)
        self.assertEqual(trouble, [])
        self.assertEqual(sorted(rounds), list(range(self.CLIENTS)))
        self.assertLess(self.most_memory(), RSS_LIMIT_KB)
        harness.wait_until(lambda: len(self.descriptors()) <= len(before) + 1, lambda: f"{before}, but then {self.descriptors()}", 30)


class BadClients(BrokerTest):
    def garbage(self):
        numbers = random.Random(7)
        yield "random bytes", numbers.randbytes(200_000)
        yield "random printable bytes", bytes(numbers.choice(b'{}[]":,\\ \nabc019') for _ in range(100_000))
        yield "half a message", b'{"execute": "query-st'
        yield "deep objects", b'{"a":' * 100_000
        yield "deep arrays", b'{"execute": "query-status", "arguments": ' + b"[" * 1_000_000
        yield "deep but whole", b'{"execute": "query-status", "arguments": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
        yield "invalid UTF-8", b'{"execute": "query-\xc3\x28status"}'
        yield "invalid UTF-8 as id", b'{"execute": "query-status", "id": "\xe2\x28\xa1"}'
        yield "half a surrogate pair", b'{"execute": "\\ud800"}'
        yield "zero bytes", b"\0" * 100_000
        yield "no object", b'"query-status"\n[]\n7\n'
        yield "no command", b'{"id": 7}'
        yield "HTTP", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def test_garbage(self):
        """It gets errors, or is sent away; after a reset (byte 0xFF) who is still there is served."""
        self.start()
        with self.nobody_disturbed():
            for negotiate in (True, False):
                for name, data in self.garbage():
                    with self.subTest(name=name, negotiated=negotiate):
                        client = self.raw(negotiate=negotiate)
                        still_there = client.send(data + b"\xff\n") and client.send(b'{"execute": "query-version", "id": "after"}\n')
                        lines = client.lines_until("after")
                        last = lines[-1] if lines else b""
                        self.assertTrue(any(b'"error"' in line for line in lines) or not still_there, lines[:3])
                        for line in lines:
                            self.assertTrue({"error", "event", "return"} & set(json.loads(line)), line)
                        if is_answer(last, "after") and negotiate:
                            self.assertIn("return", json.loads(last))
                        client.close()

    def test_without_an_end(self):
        """100 MB of one message, wherever in it: refused, and not kept."""
        self.start()
        beginnings = {"a string": (b'{"execute": "', b"a"), "an array": (b'{"arguments": [', b"1,"), "depth": (b"{", b'"a":{'),
                      "no object": (b"", b"a"), "white space": (b"{", b" ")}
        for name, (head, filling) in beginnings.items():
            with self.subTest(name), self.nobody_disturbed():
                client = self.raw()
                client.socket.settimeout(120)
                block = filling * ((1 << 20) // len(filling))
                client.send(head)
                for _ in range(100):
                    if not client.send(block):
                        break
                if client.send(b'\xff\n{"execute": "query-status", "id": "after"}\n'):
                    lines = client.lines_until("after")
                    self.assertIn(b'"error"', b"".join(lines))
                client.close()

    def test_big_but_whole(self):
        """Messages as long as may be that are made of as many values as may be. QEMU dies of more than two million tokens at once."""
        self.start()
        values = {"numbers": b"1,", "arrays": b"[],", "objects": b"{},", "members": b'"a":{},'}
        for size in (0.24, 3.9, 16):  # MiB: less than QEMU is given, than is parsed; more than that
            for name, value in values.items():
                with self.subTest(name, size=size), self.nobody_disturbed(PARSED_LIMIT_KB):
                    client = self.raw()
                    inside = value * (int(size * 2**20) // len(value) - 100)
                    opening, closing = (b"{", b"}") if name == "members" else (b"[", b"]")
                    client.send(b'{"id": "big", "execute": "query-status", "arguments": {"a": ' + opening + inside[:-1] + closing + b"}}\n"
                                b'{"execute": "query-status", "id": "after"}\n')
                    lines = client.lines_until("after")
                    self.assertIn(b'"error"', lines[0])
                    self.assertIn("return", json.loads(lines[-1]))
                    client.close()

    def test_asks_and_does_not_read(self):
        """Thousands of the longest answer there is: the supervisor takes no more of it than it has room for."""
        self.start()
        with self.nobody_disturbed():
            client = self.raw()
            sent = client.send_until_stuck(b'{"execute": "query-qmp-schema", "id": "greedy"}\n' * 20, 250, 5)
            self.assertLess(self.most_memory(), RSS_LIMIT_KB)
            print(f"(took {sent * 20} commands)")
            client.close()

    def test_asks_and_reads_late(self):
        """What was asked before is not lost: as many answers as commands, in their order."""
        self.start()
        with self.nobody_disturbed():
            client = self.raw()
            count = 40
            for i in range(count):
                client.send(json.dumps({"execute": "query-qmp-schema", "id": i}).encode() + b"\n")
            time.sleep(3)
            seen = [json.loads(line) for line in client.lines_until(count - 1)]
            self.assertEqual([message["id"] for message in seen if "id" in message], list(range(count)))
            self.assertEqual(len({len(message["return"]) for message in seen if "id" in message}), 1)
            client.close()

    def test_goes_away(self):
        """In the middle of a command's text, and of its execution."""
        self.start()
        with self.nobody_disturbed():
            for turn in range(100):
                client = self.raw()
                client.send(b'{"execute": "query-qmp-schema"}\n' * (1 + turn % 3))
                if turn % 2:
                    client.send(b'{"execute": "query-sta')
                if turn % 5 == 0:
                    client.socket.shutdown(socket.SHUT_WR)
                client.close()

    def test_goes_away_with_a_descriptor(self):
        """The descriptor came, the command did not: it stays open nowhere."""
        self.start()
        with self.nobody_disturbed():
            kept = []
            for _ in range(50):
                client = self.raw()
                ours, theirs = socket.socketpair()
                socket.send_fds(client.socket, [b'{"execute": "getfd", "argum'], [theirs.fileno()])
                theirs.close()
                client.close()
                kept.append(ours)
            for ours in kept:
                ours.settimeout(30)
                self.assertEqual(ours.recv(1), b"")
                ours.close()

    def test_connects_and_leaves(self):
        self.start()
        with self.nobody_disturbed():
            for _ in range(300):
                client = socket.socket(socket.AF_UNIX)
                client.connect(self.path)
                client.close()


class HostThatCannot(harness.TestCase):
    """Of the world's own namespace: the host sees none of its mounts."""
    def setUp(self):
        super().setUp()
        if self.world.uid != 0:
            self.skipTest("only root can mount")

    holder = None

    def tearDown(self):
        self.world.end_all_vms()
        if self.holder:
            self.holder.kill()
            self.holder.wait()
            self.holder.stdout.close()
            self.world.prefix = []
        super().tearDown()

    def mount(self, place, size):
        """A small file system there, for qvm and its VMs only."""
        self.place = place
        script = f"mount -t tmpfs -o size={size},mode=700 tmpfs {place} && echo made && exec sleep 600"
        self.holder = harness.reaper.start(["unshare", "--mount", "sh", "-c", script], stdout=subprocess.PIPE)
        self.assertEqual(self.holder.stdout.readline(), b"made\n")
        self.inside = pathlib.Path(f"/proc/{self.holder.pid}/root{place}")
        self.world.prefix = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt", "--"]

    def fill(self):
        with open(self.inside / "filler", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def read_only(self, way="ro"):
        subprocess.run([*self.world.prefix, "mount", "-o", f"remount,{way}", self.place], check=True)

    def write(self, more=""):
        self.file = self.world.write("vm/vm.toml", BARE + more)

    def disk(self, name):
        return f'disk.{name}.file = "{self.world.image(name + ".raw", "1M")}"\n'

    def running(self):
        """All there is to see of the VM."""
        nodes = sorted(node["node-name"] for node in self.world.qmp("vm", "query-named-block-nodes"))
        devices = sorted(child["name"] for child in self.world.qmp("vm", "qom-list", {"path": "/machine/peripheral"}))
        objects = sorted(child["name"] for child in self.world.qmp("vm", "qom-list", {"path": "/objects"}))
        status = self.world.status("vm")
        return nodes, devices, objects, status["state"], status["qemu-pid"], len(self.world.qmp("vm", "query-fdsets"))

    def assert_nothing_done(self, before, *words):
        failed = self.world.run("apply", "--yes", self.file, status=6)
        for word in (*words, "everything was undone: vm is as it was"):
            self.assertIn(word, failed.stderr)
        self.assertEqual(self.running(), before)


class FullDisk(HostThatCannot):
    """For the state."""
    def test_apply(self):
        self.mount(self.world.directory("state"), "1m")
        keeps, comes = self.disk("a"), self.disk("b")
        self.write(keeps)
        self.world.run("up", self.file)
        before = self.running()
        self.fill()
        words = ("No space left on device", "applied.json")
        with self.subTest("something comes"):
            self.write(keeps + comes + 'object.o = { qom-type = "rng-builtin" }\n')
            self.assert_nothing_done(before, *words)
        with self.subTest("something goes"):
            self.write()
            self.assert_nothing_done(before, *words)
        with self.subTest("something comes, something goes"):
            self.write(comes)
            self.assert_nothing_done(before, *words)
        (self.inside / "filler").unlink()
        with self.subTest("there is room again"):
            self.write(keeps + comes)
            self.world.run("apply", "--yes", self.file)
            self.assertIn("nothing to change", self.world.run("apply", "--yes", self.file).stdout)
            self.assertIn("b", self.running()[1])

    def test_end(self):
        """A VM ends all the same, and what is told of it is no lie."""
        self.mount(self.world.directory("state"), "1m")
        self.write()
        self.world.run("up", self.file)
        self.fill()
        self.world.run("kill", "vm")
        harness.wait_until(lambda: not self.world.qemus(), "QEMU to end")
        self.assertNotEqual(self.world.status("vm")["state"], "running")
        (self.inside / "filler").unlink()
        self.world.run("up", self.file)
        self.assertEqual(self.world.status("vm")["state"], "running")

    def test_up(self):
        self.mount(self.world.directory("state"), "1m")
        self.write()
        self.world.run("check", self.file)
        self.fill()
        failed = self.world.run("up", self.file, status=None)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("No space left on device", failed.stderr)
        self.assertIn(str(self.world.base / "state"), failed.stderr)
        self.assertEqual(self.world.qemus(), [])


class ReadOnlyRuntimeDirectory(HostThatCannot):
    def test_up(self):
        self.mount(self.world.runtime, "1m")
        self.write()
        self.read_only()
        failed = self.world.run("up", self.file, status=None)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("Read-only file system", failed.stderr)
        self.assertIn(str(self.world.runtime), failed.stderr)
        self.assertEqual(self.world.qemus(), [])

    def test_apply(self):
        """Nothing of it is made there: not even a helper needs a path."""
        self.mount(self.world.runtime, "1m")
        self.write()
        self.world.run("up", self.file)
        self.read_only()
        disk = self.disk("a")
        self.write(disk)
        self.world.run("apply", "--yes", self.file)
        self.write(disk + '[net.lan]\ntype = "user"\n')
        self.world.run("apply", "--yes", self.file)
        self.assertEqual(self.running()[1].count("lan"), 1)
        self.read_only("rw")


class FullRuntimeDirectory(HostThatCannot):
    def test_up(self):
        self.mount(self.world.runtime, "1m,nr_inodes=2")
        self.write()
        failed = self.world.run("up", self.file, status=None)
        self.assertNotEqual(failed.returncode, 0)
        self.assertIn("No space left on device", failed.stderr)
        self.assertEqual(self.world.qemus(), [])


if __name__ == "__main__":
    harness.main()
