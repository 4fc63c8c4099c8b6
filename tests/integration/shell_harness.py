# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of `qvm attach` share: the shell behind `--ui json`, bare QEMUs to talk to, and a server that misbehaves.

Nothing sleeps: keys go in, and frames are read until the screen shows what is waited for, or a deadline passes."""
import json
import os
import select
import socket
import subprocess
import threading
import time

import harness

DEADLINE = 20  # seconds; an idle machine needs a few milliseconds


class Shell:
    """`qvm attach --ui json`: keys in, screens out (src/shell/json_ui.hpp)."""

    def __init__(self, world, *arguments, env=None):
        self.errors = world.base / f"shell-{len(world.started)}.err"
        with open(self.errors, "w") as errors:
            self.process = world.start("attach", "--ui", "json", *arguments, env=env, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=errors)
        self.buffer = b""
        self.frame = None
        self.frames = 0
        self.copied = []
        self.complaints = []
        self.bells = 0
        self.ended = False

    # ---- In.

    def send(self, **message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def keys(self, *names):
        self.send(keys=list(names))

    def text(self, text):
        self.send(text=text)

    def paste(self, text):
        self.send(paste=text)

    def resize(self, rows, columns):
        self.send(resize=[rows, columns])
        self.wait(lambda: self.frame["rows"] == rows and self.frame["columns"] == columns, f"a frame of {rows}x{columns}")

    def enter(self, line):
        """Types a line and presses Enter."""
        self.send(text=line, keys=["enter"])

    # ---- Out.

    def read(self, seconds):
        """Takes what has come; false if nothing does within the time, or the shell has ended."""
        ready, _, _ = select.select([self.process.stdout], [], [], max(0, seconds))
        if not ready:
            return False
        data = os.read(self.process.stdout.fileno(), 1 << 20)
        if not data:
            self.ended = True
            return False
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            self.take(json.loads(line))
        return True

    def take(self, message):
        if "frame" in message:
            self.frame = message["frame"]
            self.frames += 1
            self.bells += bool(self.frame.get("bell"))
            self.check_frame()
        elif "copy" in message:
            self.copied.append(message["copy"])
        elif "error" in message:
            self.complaints.append(message["error"])

    def check_frame(self):
        """What holds of every frame, whatever a server or a user did."""
        frame = self.frame
        assert len(frame["lines"]) == frame["rows"], frame
        row, column = frame["cursor"]
        assert row < frame["rows"] and column < frame["columns"], frame
        for line in frame["lines"]:
            for span in line:
                assert is_harmless(span["text"]), f"a span may move the cursor: {span!r}"

    def wait(self, condition, what, seconds=DEADLINE):
        deadline = time.monotonic() + seconds
        while self.frame is None or not condition():
            left = deadline - time.monotonic()
            if left <= 0 or self.ended:
                raise AssertionError(f"{'the shell ended' if self.ended else f'not within {seconds} s'}: {what}; the screen:\n"
                                     f"{self.screen}\nstandard error: {self.errors.read_text()}")
            self.read(min(left, 1))
        return self.frame

    def see(self, *texts, seconds=DEADLINE):
        """Waits until all of the texts are on the screen at once, be it over the end of a row."""
        self.wait(lambda: all(text in self.screen or text in "".join(self.lines) for text in texts), f"{texts} on the screen", seconds)

    def see_not(self, *texts, seconds=DEADLINE):
        self.wait(lambda: not any(text in self.screen for text in texts), f"none of {texts} on the screen", seconds)

    def settle(self):
        """Until everything sent so far has been done: each line in is answered by a frame."""
        columns = self.frame["columns"]
        for size in (columns + 1, columns):
            self.resize(self.frame["rows"], size)

    def see_input(self, text, seconds=DEADLINE):
        self.wait(lambda: self.input == text, f"{text!r} in the input line", seconds)

    def see_log(self, line, seconds=DEADLINE):
        """Waits for a line of the log that has this in it, and returns the line."""
        self.wait(lambda: any(line in one for one in self.log), f"{line!r} in the log", seconds)
        return next(one for one in self.log if line in one)

    @property
    def lines(self):
        if self.frame is None:
            return []
        return ["".join(span["text"] for span in line).rstrip() for line in self.frame["lines"]]

    @property
    def screen(self):
        return "\n".join(self.lines)

    @property
    def title(self):
        return self.lines[0]

    @property
    def status(self):
        return self.lines[-1]

    @property
    def editing(self):
        """The input line is there."""
        return self.input_row is not None

    @property
    def input_row(self):
        rows = [i for i, line in enumerate(self.frame["lines"]) if line and line[0].get("role") == "prompt"]
        return rows[-1] if rows else None

    @property
    def input(self):
        """What is typed, without the prompt and the grey suggestion."""
        row = self.input_row
        if row is None:
            return None
        spans = [span for line in self.frame["lines"][row:-1] for span in line if span.get("role") not in ("suggestion", "title")]
        text = "".join(span["text"] for span in spans)
        return text[2:] if text.startswith("> ") else text

    @property
    def hint(self):
        return self.lines[self.input_row - 1 if self.editing else -2]

    @property
    def log(self):
        return self.lines[1:self.input_row - 1 if self.editing else -2]

    @property
    def selected(self):
        """The selected lines, as text."""
        return ["".join(span["text"] for span in line).rstrip() for line in self.frame["lines"] if any(span.get("selected") for span in line)]

    def roles_of(self, text):
        """The roles of the spans that have this text in them."""
        return {span.get("role", "plain") for line in self.frame["lines"] for span in line if text in span["text"]}

    # ---- The end.

    def alive(self):
        return self.process.poll() is None

    def wait_end(self, seconds=DEADLINE):
        """Its exit status."""
        deadline = time.monotonic() + seconds
        while not self.ended and time.monotonic() < deadline:
            self.read(0.2)
        self.process.stdin.close()
        status = self.process.wait(max(0.1, deadline - time.monotonic()))
        harness.reaper.forget(self.process)
        return status

    def close(self):
        if self.alive():
            self.process.kill()
        self.process.wait()
        harness.reaper.forget(self.process)
        for file in (self.process.stdin, self.process.stdout):
            try:
                file.close()
            except BrokenPipeError:
                pass


BIDIRECTIONAL = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"


def is_harmless(text):
    return not any(ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 or c in BIDIRECTIONAL or c in "\u2028\u2029" for c in text)


class FakeServer:
    """A QMP server on a Unix socket that says what a test wants it to say.

    `answers` maps a command to the value of its reply, to bytes that are sent as they are, to None (no reply ever), or to a
    function of the request that returns one of these."""

    GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": "fake"}, "capabilities": ["oob"]}}

    def __init__(self, path, before_greeting=b"", before_caps_reply=b"", greeting=None, newline=b"\r\n", answers=None):
        self.path = str(path)
        self.before_greeting = before_greeting
        self.before_caps_reply = before_caps_reply
        self.greeting = self.GREETING if greeting is None else greeting
        self.newline = newline
        self.answers = {"query-commands": [{"name": name} for name in ("cont", "query-status", "query-version", "stop")],
                        "query-status": {"status": "running", "singlestep": False, "running": True}, "query-jobs": [],
                        "query-migrate": {}, "query-qmp-schema": [], **(answers or {})}
        self.received = []
        self.connections = 0
        self.connection = None
        self.lock = threading.Lock()
        self.listener = None
        self.listen()

    def listen(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o777)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, args=(self.listener,), daemon=True)
        self.thread.start()

    def serve(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            previous, self.connection = self.connection, connection
            if previous:
                previous.close()
            try:
                self.converse(connection)
            except OSError:
                pass

    def converse(self, connection):
        connection.sendall(self.before_greeting)
        if self.greeting is not False:
            connection.sendall(self.encode(self.greeting))
        buffer = ""
        while True:
            data = connection.recv(65536)
            if not data:
                return
            buffer += data.decode("latin-1").replace("\xff", "")
            while buffer.strip():
                try:
                    request, end = json.JSONDecoder().raw_decode(buffer.lstrip())
                except ValueError:
                    break
                buffer = buffer.lstrip()[end:]
                self.answer(connection, request)

    def encode(self, message):
        return message if isinstance(message, bytes) else json.dumps(message).encode() + self.newline

    def answer(self, connection, request):
        self.received.append(request)
        command = request.get("execute") or request.get("exec-oob")
        if command == "qmp_capabilities":
            with self.lock:
                connection.sendall(self.before_caps_reply + self.encode({"return": {}, "id": request.get("id")}))
            return
        known = command in self.answers
        answer = self.answers.get(command)
        if callable(answer):
            answer = answer(request)
        if known and answer is None:
            return
        if not known:
            answer = self.encode({"id": request.get("id"), "error": {"class": "CommandNotFound", "desc": f"no {command}"}})
        with self.lock:
            connection.sendall(answer if isinstance(answer, bytes) else self.encode({"return": answer, "id": request.get("id")}))

    def say(self, message):
        with self.lock:
            self.connection.sendall(self.encode(message))

    def event(self, name, data=None, seconds=None):
        self.say({"timestamp": {"seconds": int(seconds or time.time()), "microseconds": 0}, "event": name, "data": data or {}})

    def commands(self):
        return [request.get("execute") or request.get("exec-oob") for request in self.received]

    def request(self, command):
        """The first of that command; what the screen shows may come before it."""
        harness.wait_until(lambda: command in self.commands(), command)
        return next(request for request in self.received if request.get("execute") == command)

    def hang_up(self):
        self.connection.shutdown(socket.SHUT_RDWR)

    def leave(self):
        """Nobody listens any more."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        if os.path.exists(self.path):
            os.unlink(self.path)
        if self.connection:
            try:
                self.hang_up()
            except OSError:
                pass

    def close(self):
        self.leave()
        if self.connection:
            self.connection.close()


class TestCase(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.closing = []
        self.sockets = self.world.directory("sockets")  # where each of the users of a test may put some

    def tearDown(self):
        while self.closing:
            self.closing.pop().close()
        for process in self.world.started:
            if process.poll() is None:
                process.kill()
                process.wait()
        super().tearDown()

    def qemu(self, name="q", more=()):
        """A bare QEMU that qvm knows nothing of; returns the path of its monitor."""
        path = self.sockets / f"{name}.sock"
        process = self.world.start("-M", "q35", "-nodefaults", "-display", "none", "-accel", "tcg", "-S",
                                   "-qmp", f"unix:{path},server=on,wait=off", *more, program=["qemu-system-x86_64"])
        harness.wait_until(path.exists, f"{path}", 20)
        self.processes = getattr(self, "processes", {})
        self.processes[name] = process
        return path

    def end_qemu(self, name="q"):
        process = self.processes[name]
        process.kill()
        process.wait()

    def fake(self, name="fake", **options):
        server = FakeServer(self.sockets / f"{name}.sock", **options)
        self.closing.append(server)
        return server

    def attach(self, *arguments, env=None):
        shell = Shell(self.world, *arguments, env=env)
        self.closing.append(shell)
        return shell

    def shell_on_qemu(self, **options):
        shell = self.attach("--socket", self.qemu(**options))
        shell.see("connected to")
        return shell

    def shell_on_fake(self, **options):
        server = self.fake(**options)
        shell = self.attach("--socket", server.path)
        shell.see("connected to")
        return server, shell

    def history(self):
        return self.world.base / "state/qvm/shell/history"
