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
import unittest.mock

import harness

RSS_LIMIT_KB = 120 << 10  # of the supervisor, at its highest
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
        return len(os.listdir(f"/proc/{self.supervisor}/fd"))

    @contextlib.contextmanager
    def nobody_disturbed(self):
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
        self.assertLess(self.most_memory(), RSS_LIMIT_KB)
        self.world.run("pause", "vm")
        bystander.client.wait_event("STOP")
        self.world.run("resume", "vm")
        bystander.client.wait_event("RESUME")
        bystander.client.close()
        status = self.world.status("vm")
        self.assertEqual((status["state"], status["supervisor-pid"], status["qemu-pid"]), ("running", self.supervisor, self.qemu))
        harness.wait_until(lambda: self.descriptors() == before, lambda: f"{before} descriptors, not {self.descriptors()}", 30)


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
        harness.wait_until(lambda: self.descriptors() == before, lambda: f"{before} descriptors, not {self.descriptors()}", 30)


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
        """One message as long as may be that is made of as many values as may be."""
        self.start()
        for name, value in (("numbers", b"1,"), ("arrays", b"[],"), ("objects", b"{},"), ("members", b'"a":{},')):
            with self.subTest(name), self.nobody_disturbed():
                client = self.raw()
                inside = value * (((16 << 20) - 1000) // len(value))
                opening, closing = (b"{", b"}") if name == "members" else (b"[", b"]")
                client.send(b'{"execute": "query-status", "id": "big", "arguments": {"a": ' + opening + inside[:-1] + closing + b"}}\n")
                self.assertIn(b'"error"', b"".join(client.lines_until("big")))
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


if __name__ == "__main__":
    harness.main()
