#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell, `qvm attach`: rate of commands, echo of keys, first frame and memory, each against something else, in one run.

rate    commands a second through a pipe to --plain and the latency of each, against a loop that writes and reads QEMU's
        socket (qmp_lines.py does this for `qvm qmp -`)
echo    from a key into a pseudo-terminal until its letter is drawn: idle, while 5 000 events a second come in, and while
        messages of megabytes do. The server is a script.
frame   from the start of the process until there is something to see, in a pseudo-terminal and in tmux, against printf
memory  resident, idle and after 100 000 events, against qmp-shell and qmp-tui where they are installed

A line that begins with ! misses its aim. Numbers of a busy machine prove nothing: look at the ratios.

usage: shell.py QVM [--only rate,echo,frame,memory] [--rounds R] [--qemu BINARY]
"""
import argparse
import contextlib
import fcntl
import json
import multiprocessing
import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

MARK = b"`"  # typed, and in nothing else that is drawn
ECHO_P99_MS, FRAME_MS, IDLE_MB, FULL_MB = 20, 30, 8, 40


def quantiles(seconds):
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2] * 1000, ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1000


def tell(text, missed=False):
    print(("! " if missed else "  ") + text, flush=True)


# ---- Servers.


@contextlib.contextmanager
def qemu(binary, directory):
    path = directory / "qemu.sock"
    path.unlink(missing_ok=True)
    process = subprocess.Popen([binary, "-M", "q35", "-nodefaults", "-display", "none", "-accel", "tcg", "-S", "-qmp",
                                f"unix:{path},server=on,wait=off"], stdin=subprocess.DEVNULL)
    try:
        while not path.exists():
            time.sleep(0.01)
        yield path
    finally:
        process.kill()
        process.wait()


def event(number, alike=False):
    names = ("STOP", "RESUME") if alike else ("BLOCK_IO_ERROR", "VNC_CONNECTED", "DEVICE_DELETED", "NIC_RX_FILTER_CHANGED")
    data = {} if alike else {"device": f"device-{number}", "path": f"/machine/peripheral/device-{number}", "n": number}
    message = {"timestamp": {"seconds": int(time.time()), "microseconds": number % 1000000},
               "event": names[number % len(names)], "data": data}
    return json.dumps(message).encode() + b"\r\n"


class Scripted:
    """A QMP server of another process. What it is told over a pipe, it sends to its client."""

    def __init__(self, directory):
        self.path = directory / "scripted.sock"
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen(1)
        self.orders, orders = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=self.serve, args=(listener, orders), daemon=True)
        self.process.start()
        listener.close()

    def order(self, *words):
        self.orders.send(words)

    def close(self):
        self.process.kill()
        self.process.join()

    @staticmethod
    def answer(message):
        returns = {"query-commands": [{"name": "query-status"}, {"name": "query-commands"}],
                   "query-status": {"status": "running", "running": True}, "query-jobs": [], "query-migrate": {},
                   "qmp_capabilities": {}}
        if message["execute"] in returns:
            return {"return": returns[message["execute"]], "id": message.get("id")}
        return {"error": {"class": "CommandNotFound", "desc": "not here"}, "id": message.get("id")}

    @classmethod
    def serve(cls, listener, orders):
        while True:
            client, _ = listener.accept()
            with contextlib.suppress(OSError):
                client.sendall(json.dumps({"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""},
                                                   "capabilities": []}}).encode() + b"\r\n")
                cls.talk(client, orders)

    @classmethod
    def talk(cls, client, orders):
        decoder, text, per_second, kind, number, begun = json.JSONDecoder(), "", 0, "unlike", 0, 0
        while True:
            ready = select.select([client, orders], [], [], 0.001 if per_second else None)[0]
            if client in ready:
                got = client.recv(65536).decode()
                if not got:
                    return
                text += got
                while text := text.lstrip():
                    try:
                        message, end = decoder.raw_decode(text)
                    except ValueError:
                        break
                    text = text[end:]
                    client.sendall(json.dumps(cls.answer(message)).encode() + b"\r\n")
            if orders in ready:
                word, *rest = orders.recv()
                if word == "flood":
                    (per_second, kind), number, begun = rest, 0, time.monotonic()
                elif word == "burst":
                    client.sendall(b"".join(map(event, range(rest[0]))) +
                                   b'{"event": "LAST_ONE", "timestamp": {"seconds": 1, "microseconds": 0}}\r\n')
                elif word == "big":
                    client.sendall(json.dumps({"event": "BIG", "data": {"text": "x" * rest[0]},
                                               "timestamp": {"seconds": 1, "microseconds": 0}}).encode() + b"\r\n")
            due = int((time.monotonic() - begun) * per_second)
            if due > number:
                if kind == "jobs":
                    client.sendall(b"".join(
                        b'{"event": "JOB_STATUS_CHANGE", "data": {"id": "j%d", "status": "running"}, '
                        b'"timestamp": {"seconds": 1, "microseconds": 0}}\r\n' % n for n in range(number, due)))
                else:
                    client.sendall(b"".join(event(n, kind == "alike") for n in range(number, due)))
                number = due


# ---- A terminal.


class Terminal:
    def __init__(self, words, environment):
        self.begun = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(words[0], words, environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = b""

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            got = os.read(self.fd, 65536)
        except OSError:  # it has ended
            return False
        self.seen = (self.seen + got)[-200000:]
        return bool(got)

    def wait(self, text, seconds=30):
        end = time.monotonic() + seconds
        while text not in self.seen:
            left = end - time.monotonic()
            if left <= 0 or not self.read(left):
                raise SystemExit(f"{text!r} was not drawn within {seconds} s; last: {self.seen[-500:]!r}")
        return time.monotonic()

    def drain(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.read(left)
        self.seen = b""

    def echo(self, count, pause=0.04, first=lambda: None):
        times = []
        for i in range(count):
            if i % 40 == 0:
                os.write(self.fd, b"\x15")  # an empty line again
                self.drain(0.5)
            if i == 0:
                first()
            self.drain(pause)
            begun = time.monotonic()
            os.write(self.fd, MARK)
            times.append(self.wait(MARK) - begun)
        os.write(self.fd, b"\x15")
        self.drain(0.5)
        return times

    def memory(self):
        """Resident, and of that what is its own, in MB."""
        values = dict(line.split(":") for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines())
        return tuple(int(values[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon"))

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


# ---- What is measured.


class Raw:
    """What the fastest of scripts would do."""

    def __init__(self, path, _environment):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile("rb")
        self.stream.readline()
        self.ask(b"qmp_capabilities")

    def ask(self, command=b"query-version"):
        self.socket.sendall(b'{"execute": "' + command + b'"}\n')
        while b'"return"' not in self.stream.readline():
            pass

    def many(self, count):
        begun = time.monotonic()
        for _ in range(count):
            self.ask()
        return time.monotonic() - begun

    def close(self):
        self.stream.close()
        self.socket.close()


class Piped:
    """A program that reads commands from a pipe; a reply is a line that holds a certain text."""

    def __init__(self, words, reply, environment):
        self.reply = reply
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self.ask()
        self.ask()  # and it has the schema

    def ask(self):
        self.process.stdin.write(b"query-version\n")
        self.process.stdin.flush()
        self.await_reply()

    def await_reply(self):
        while self.reply not in (line := self.process.stdout.readline()):
            if not line:
                raise SystemExit(f"{self.process.args} ended")

    def many(self, count):
        begun = time.monotonic()
        # All at once: they fit into the pipe.
        self.process.stdin.write(b"query-version\n" * count)
        self.process.stdin.flush()
        for _ in range(count):
            self.await_reply()
        return time.monotonic() - begun

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def measure_rate(arguments, directory, environment):
    plain = [arguments.qvm, "attach", "--plain", "--socket", str(directory / "qemu.sock")]
    ways = {"raw loop": Raw, "attach --plain": lambda _path, env: Piped(plain, b'<- {"return"', env)}
    rates, latencies = {name: [] for name in ways}, {name: [] for name in ways}
    with qemu(arguments.qemu, directory) as path:
        for _ in range(arguments.rounds):
            for name, make in ways.items():
                way = make(path, environment)  # one after the other: QEMU's monitor has one client at a time
                count = 4000
                rates[name].append(count / way.many(count))
                for _ in range(1000):
                    begun = time.monotonic()
                    way.ask()
                    latencies[name].append(time.monotonic() - begun)
                way.close()
    (rate, base_rate), (times, base_times) = ([by_way[name] for name in ("attach --plain", "raw loop")]
                                              for by_way in (rates, latencies))
    rate, base_rate = statistics.median(rate), statistics.median(base_rate)
    (p50, p99), (base50, base99) = quantiles(times), quantiles(base_times)
    tell(f"attach --plain: {rate:.0f} commands/s, x{rate / base_rate:.2f} of a raw loop's; latency p50 {p50:.2f} ms "
         f"(x{p50 / base50:.2f}), p99 {p99:.2f} ms (x{p99 / base99:.2f})")


def attach(arguments, path, environment):
    terminal = Terminal([arguments.qvm, "attach", "--ui", "screen", "--socket", str(path)], environment)
    terminal.wait(b"running")
    terminal.drain(0.3)
    return terminal


def measure_echo(arguments, directory, environment):
    server = Scripted(directory)
    terminal = attach(arguments, server.path, environment)
    try:
        count, idle = 100 * arguments.rounds, None
        for name, orders in (("idle", ()), ("5 000 unlike events/s", ("flood", 5000, "unlike")),
                             ("5 000 alike events/s", ("flood", 5000, "alike")),
                             ("500 events of jobs/s", ("flood", 500, "jobs"))):
            server.order(*(orders or ("flood", 0, "")))
            terminal.drain(1)
            p50, p99 = quantiles(terminal.echo(count))
            idle = idle or p50
            tell(f"echo, {name}: p50 {p50:.2f} ms (x{p50 / idle:.1f} of idle), p99 {p99:.2f} ms (aim {ECHO_P99_MS})",
                 p99 > ECHO_P99_MS)
        server.order("flood", 0, "")
        for size in (3, 11):
            terminal.drain(0.5)
            longest = max(terminal.echo(40, pause=0.01, first=lambda size=size: server.order("big", size << 20))) * 1000
            tell(f"echo, while a string of {size} MiB comes: longest {longest:.1f} ms")
    finally:
        terminal.close()
        server.close()


def frames_in_pty(words, environment, text):
    terminal = Terminal(words, environment)
    took = terminal.wait(text) - terminal.begun
    terminal.close()
    return took


class Tmux:
    """A client in tmux's control mode, which tells at once what a program has written."""

    def __init__(self, directory, environment):
        self.name = str(directory / "tmux.sock")
        self.process = subprocess.Popen(["tmux", "-S", self.name, "-f", "/dev/null", "-C", "new-session", "-x", "80", "-y",
                                         "24", "sleep 1000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self.command("set remain-on-exit off")

    def command(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        while not self.process.stdout.readline().startswith((b"%end", b"%error")):
            pass

    def frame(self, words, text):
        begun = time.monotonic()
        self.process.stdin.write(f"new-window '{words}'\n".encode())
        self.process.stdin.flush()
        while True:
            line = self.process.stdout.readline()
            if line.startswith(b"%output") and text in line:
                break
        took = time.monotonic() - begun
        self.command("kill-window")
        return took

    def close(self):
        subprocess.run(["tmux", "-S", self.name, "kill-server"], check=False)
        self.process.wait()


def measure_frame(arguments, directory, environment):
    server = Scripted(directory)
    ours = [arguments.qvm, "attach", "--ui", "screen", "--socket", str(server.path)]
    theirs = [shutil.which("printf"), "QMP Mode"]
    text, count = b"QMP Mode", 10 * arguments.rounds
    times = {"ours": [], "printf": []}
    try:
        for _ in range(count):
            times["printf"].append(frames_in_pty(theirs, environment, text))
            times["ours"].append(frames_in_pty(ours, environment, text))
        tell_frame("a pseudo-terminal", times)
        if not shutil.which("tmux"):
            return tell("skipped: first frame in tmux, which is not installed")
        tmux, times = Tmux(directory, environment), {"ours": [], "printf": []}
        for _ in range(count):
            times["printf"].append(tmux.frame("printf \"QMP Mode\"; sleep 10", text))
            times["ours"].append(tmux.frame(" ".join(ours), text))
        tmux.close()
        tell_frame("tmux", times)
    finally:
        server.close()


def tell_frame(where, times):
    ours, printf = (statistics.median(times[name]) * 1000 for name in ("ours", "printf"))
    tell(f"first frame in {where}: {ours:.1f} ms, printf {printf:.1f} ms, ratio {ours / printf:.2f} (aim {FRAME_MS} ms)",
         ours > FRAME_MS)


def measure_memory(arguments, directory, environment):
    server = Scripted(directory)
    terminal = attach(arguments, server.path, environment)
    try:
        terminal.drain(1)
        idle, own = terminal.memory()
        tell(f"memory idle: {idle:.1f} MB, {own:.1f} of it its own (aim {IDLE_MB})", idle > IDLE_MB)
        begun = time.monotonic()
        server.order("burst", 100000)
        terminal.wait(b"LAST_ONE", 120)
        took = time.monotonic() - begun
        terminal.drain(0.5)
        full, own = terminal.memory()
        tell(f"memory after 100 000 events, which took {took:.2f} s: {full:.1f} MB, {own:.1f} of it its own "
             f"(aim {FULL_MB})", full > FULL_MB)
        server.order("burst", 100000)
        terminal.wait(b"LAST_ONE", 120)
        terminal.drain(0.5)
        tell(f"memory after 100 000 more: x{terminal.memory()[0] / full:.2f} of that", terminal.memory()[0] > 1.2 * full)
    finally:
        terminal.close()
        server.close()
    for name in ("qmp-shell", "qmp-tui"):
        if not shutil.which(name):
            tell(f"skipped: {name}, which is not installed (python3-qemu-qmp)")
            continue
        server = Scripted(directory)
        other = Terminal([name, str(server.path)], environment)
        other.drain(2)
        before = other.memory()[0]
        server.order("burst", 100000)
        other.drain(20)
        tell(f"{name}: {before:.1f} MB idle, x{before / idle:.1f} of ours; {other.memory()[0]:.1f} MB after 100 000 events, "
             f"x{other.memory()[0] / full:.1f} of ours")
        other.close()
        server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("qvm")
    parser.add_argument("--only", default="rate,echo,frame,memory")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    arguments = parser.parse_args()
    arguments.qvm = str(pathlib.Path(arguments.qvm).resolve())
    parts = {"rate": measure_rate, "echo": measure_echo, "frame": measure_frame, "memory": measure_memory}
    with tempfile.TemporaryDirectory(prefix="qvm-bench-") as name:
        directory = pathlib.Path(name)
        environment = dict(os.environ, XDG_STATE_HOME=f"{name}/state", XDG_CONFIG_HOME=f"{name}/config",
                           XDG_CACHE_HOME=f"{name}/cache", TERM="xterm-256color", LC_ALL="C.UTF-8")
        environment.pop("TMUX", None)
        for part in arguments.only.split(","):
            parts[part](arguments, directory, environment)


if __name__ == "__main__":
    main()
