# SPDX-License-Identifier: GPL-3.0-or-later
"""What the integration tests share: a private world for the real qvm, QEMU and guest, and the proof that nothing
of it is left behind.

Environment:
  QVM             the binary (default build/dev/qvm)
  QVM_GUEST_DIR   what tools/make-guest made (default build/guest)
  QVM_QEMUS       what tools/fetch-qemu fetched; QVM_QEMUS_REQUIRED=1 makes a missing one a failure
  QVM_TEST_AS     root or user; "user" run by root becomes uid 1001 through setpriv(1)

A test file ends with `harness.main()`; its exit status is 77 when every test of it was skipped.
"""
import ctypes
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
QVM = pathlib.Path(os.environ.get("QVM", SOURCE / "build/dev/qvm")).resolve()
GUEST = pathlib.Path(os.environ.get("QVM_GUEST_DIR") or SOURCE / "build/guest").resolve()
TEST_UID = 1001
BOOT_DEADLINE = 90  # seconds; a boot takes two on an idle machine
PR_SET_CHILD_SUBREAPER = 36


def as_user():
    return os.environ.get("QVM_TEST_AS", "root" if os.geteuid() == 0 else "user") == "user"


def children(pid):
    try:
        return [int(word) for task in os.listdir(f"/proc/{pid}/task")
                for word in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split()]
    except OSError:
        return []


def describe_process(pid):
    try:
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return f"{pid} ({pathlib.Path(f'/proc/{pid}/comm').read_text().strip()}) {command[:200]}"
    except OSError:
        return str(pid)


def is_zombie(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


class Reaper:
    """Orphans of this process's children become its own; each is reaped soon after it ends, as init would."""

    def __init__(self):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.lock = threading.Lock()
        self.own = {}  # pid -> Popen: waited for by who started it
        threading.Thread(target=self._run, daemon=True).start()

    def start(self, *arguments, **options):
        with self.lock:
            process = subprocess.Popen(*arguments, **options)
            self.own[process.pid] = process
            return process

    def forget(self, process):
        with self.lock:
            self.own.pop(process.pid, None)

    def adopted(self):
        with self.lock:
            return [pid for pid in children(os.getpid()) if pid not in self.own]

    def _run(self):
        while True:
            with self.lock:
                for pid in children(os.getpid()):
                    if pid not in self.own:
                        try:
                            os.waitpid(pid, os.WNOHANG)
                        except ChildProcessError:
                            pass
            time.sleep(0.05)


reaper = Reaper()


def free_port():
    """A TCP port of the loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what, seconds=30, every=0.05):
    """The first true value of `condition()`; fails with `what` (a text or a function that makes one) after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


class Report:
    """The "guest:" lines that the small guest prints at each boot (tools/guest/init)."""

    def __init__(self, text):
        self.text = text.replace("\r", "")
        lines = [line[len("guest: "):] for line in re.findall(r"guest: .*", self.text)]
        starts = [i for i, line in enumerate(lines) if line.startswith("boot ")]
        self.lines = lines[starts[-1]:] if starts else []
        self.disks, self.nics, self.words = {}, {}, {}
        for line in self.lines:
            kind, _, rest = line.partition(" ")
            if kind in ("disk", "nic"):
                name, *pairs = rest.split(" ")
                (self.disks if kind == "disk" else self.nics)[name] = dict(pair.split("=", 1) for pair in pairs)
            else:
                self.words[kind] = rest

    @property
    def complete(self):
        return "ready" in self.words

    def serials(self):
        return {disk["serial"]: disk["bus"] for disk in self.disks.values()}


class Console:
    """A person at `qvm console NAME`, on a pseudo-terminal."""

    def __init__(self, world, *arguments):
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = world.start(*arguments, stdin=slave, stdout=slave, stderr=slave)
        self.seen = b""

    def read(self, seconds=0.1):
        ready, _, _ = select.select([self.master], [], [], seconds)
        if ready:
            self.seen += os.read(self.master, 65536)

    def sees(self, text, seconds):
        """Waits for `text` and drops what came up to it; false if it does not come."""
        deadline = time.monotonic() + seconds
        wanted = text.encode()
        while wanted not in self.seen:
            if time.monotonic() > deadline:
                return False
            self.read()
        self.seen = self.seen[self.seen.index(wanted) + len(wanted):]
        return True

    def expect(self, text, seconds=BOOT_DEADLINE):
        if not self.sees(text, seconds):
            raise AssertionError(f"not within {seconds} s on the console: {text!r}; seen: {self.seen[-2000:]!r}")

    def send(self, text):
        os.write(self.master, text.encode())

    def wait(self, seconds=20):
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            self.read()
            if time.monotonic() > deadline:
                raise AssertionError(f"the console did not end; seen: {self.seen[-2000:]!r}")
        self.read(0)
        reaper.forget(self.process)
        return self.process.returncode

    def terminal_restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        reaper.forget(self.process)
        for fd in (self.master, self.slave):
            os.close(fd)


class QmpClient:
    """A QMP client that shares nothing with qvm's own: a socket, lines and json."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(120)  # a traced QEMU on a busy machine takes its time
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rwb", buffering=0)
        self.events = []
        self.greeting = json.loads(self.file.readline())
        self.execute("qmp_capabilities")

    def message(self):
        line = self.file.readline()
        if not line:
            raise EOFError("the socket was closed")
        return json.loads(line)

    def execute(self, command, arguments=None, request_id="1", fd=None):
        request = {"execute": command, "id": request_id}
        if arguments is not None:
            request["arguments"] = arguments
        line = json.dumps(request).encode() + b"\n"
        if fd is None:
            self.file.write(line)
        else:
            socket.send_fds(self.socket, [line], [fd])
        while True:
            try:
                message = self.message()
            except TimeoutError as error:
                raise TimeoutError(f"no answer to {line.decode()}") from error
            if "event" in message:
                self.events.append(message)
            else:
                assert message["id"] == request_id, message
                return message

    def wait_event(self, name):
        while True:
            for i, event in enumerate(self.events):
                if event["event"] == name:
                    return self.events.pop(i)
            message = self.message()
            if "event" in message:
                self.events.append(message)

    def close(self):
        self.file.close()
        self.socket.close()


class World:
    """Directories and environment of one test, below one temporary directory that everybody may read."""

    def __init__(self):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="qvm-test."))
        self.base.chmod(0o755)
        self.uid = TEST_UID if as_user() and os.geteuid() == 0 else os.geteuid()
        self.prefix = []
        self.qvm = QVM
        if as_user() and os.geteuid() == 0:
            self.prefix = ["setpriv", f"--reuid={TEST_UID}", f"--regid={TEST_UID}", "--clear-groups", "--inh-caps=-all", "--"]
            self.qvm = self._copy(QVM, "bin/qvm", 0o755)
            shutil.copytree(SOURCE / "templates", self.base / "bin/templates")
        self.kernel = self._copy(GUEST / "vmlinuz", "guest/vmlinuz")
        self.initrd = self._copy(GUEST / "initrd.gz", "guest/initrd.gz")
        self.home = self.directory("home")
        self.runtime = self.directory("run")
        self.runtime.chmod(0o700)
        self.started = []
        # What a test or a VM killed earlier left behind is not this test's, and cannot be removed by each user.
        self.cgroups_before = set(self.cgroups())

    def _copy(self, source, name, mode=0o644):
        target = self.base / name
        target.parent.mkdir(mode=0o755, exist_ok=True)
        shutil.copyfile(source, target)
        target.chmod(mode)
        os.chown(target, self.uid, self.uid)
        return target

    def directory(self, name):
        path = self.base / name
        made = [p for p in (path, *path.parents) if not p.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for p in made:
            os.chown(p, self.uid, self.uid)
        return path

    def write(self, name, text):
        path = self.base / name
        self.directory(path.parent.relative_to(self.base))
        path.write_text(text)
        os.chown(path, self.uid, self.uid)
        return path

    def image(self, name, size="16M"):
        path = self.base / name
        self.directory(path.parent.relative_to(self.base))
        subprocess.run(["qemu-img", "create", "-q", "-f", "raw" if path.suffix == ".raw" else "qcow2", path, size], check=True)
        os.chown(path, self.uid, self.uid)
        return path

    def copy(self, source, name):
        self.directory(pathlib.Path(name).parent)
        return self._copy(source, name)

    def guest_toml(self, more="", append="", memory="192M", head=""):
        """A VM that boots the small guest directly; `head` are top-level keys, `more` comes after them."""
        words = f"console=ttyS0 quiet panic=-1 {append}".strip()
        return (f'{head}\nmemory = "{memory}"\nmachine.accel = "tcg"\n'
                f'kernel = {{ image = "{self.kernel}", initrd = "{self.initrd}", append = "{words}" }}\n{more}\n')

    def environment(self, **changes):
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.home), "LANG": "C.UTF-8",
               "TERM": "xterm", "XDG_STATE_HOME": str(self.base / "state"), "XDG_CACHE_HOME": str(self.base / "cache"),
               "QVM_RUNTIME_DIR": str(self.runtime)}
        for place in ("state", "cache"):
            self.directory(place)
        env.update(changes)
        return {key: value for key, value in env.items() if value is not None}

    def start(self, *arguments, env=None, cwd=None, program=None, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        process = reaper.start([*self.prefix, *(program or [self.qvm]), *arguments], env=self.environment(**(env or {})),
                               cwd=cwd or self.base, start_new_session=True, **options)
        self.started.append(process)
        return process

    def run(self, *arguments, status=0, timeout=120, **options):
        """Runs qvm (or `program`) to its end and checks its exit status (None: any). The result has stdout and stderr as text."""
        # Files, not pipes: a supervisor that kept one open would make this wait for the VM instead of for qvm.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = self.start(*arguments, stdout=out, stderr=err, **options)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise AssertionError(f"qvm {' '.join(map(str, arguments))} did not end within {timeout} s\n{self._read(err)}") from None
            finally:
                reaper.forget(process)
            result = subprocess.CompletedProcess(arguments, process.returncode, self._read(out), self._read(err))
        if status is not None and result.returncode != status:
            raise AssertionError(f"qvm {' '.join(map(str, arguments))}: exit status {result.returncode}, expected {status}\n"
                                 f"{result.stdout}{result.stderr}")
        return result

    @staticmethod
    def _read(file):
        file.seek(0)
        return file.read()

    def console(self, *arguments):
        return Console(self, *arguments)

    def log(self, name):
        return self.run("log", "--console", name).stdout

    def report(self, name, boots=1, seconds=BOOT_DEADLINE):
        """The report of the guest's boot number `boots`, once it is complete."""
        def ready():
            text = self.log(name)
            return text if text.count("guest: ready") >= boots else None

        return Report(wait_until(ready, lambda: f"the guest's report; its console: {self.log(name)[-3000:]}\n"
                                                f"{self.run('log', name, status=None).stdout}", seconds, 0.2))

    def status(self, name):
        return json.loads(self.run("status", "--json", name).stdout)

    def qmp(self, name, command, arguments=None):
        words = ["qmp", name, command] + ([json.dumps(arguments)] if arguments is not None else [])
        return json.loads(self.run(*words).stdout)

    # What must not remain.

    def processes(self):
        """Ours by descent, or by a name of this world in their command line or environment."""
        mark = str(self.base).encode()
        found, new = set(), set(reaper.adopted())
        while new:
            found |= new
            new = {child for pid in new for child in children(pid)} - found
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            for file in ("cmdline", "environ"):
                try:
                    if mark in pathlib.Path(f"/proc/{entry}/{file}").read_bytes():
                        found.add(int(entry))
                except OSError:
                    pass
        return sorted(pid for pid in found if not is_zombie(pid))

    def qemus(self):
        """The jailed QEMUs of this world. Started from a descriptor, their names are numbers: the file tells."""
        def is_qemu(pid):
            try:
                return "qemu-system" in os.readlink(f"/proc/{pid}/exe") or "/ld-linux" in os.readlink(f"/proc/{pid}/exe")
            except OSError:
                return False

        return [pid for pid in self.processes() if is_qemu(pid)]

    def leftovers(self):
        found = [f"process {describe_process(pid)}" for pid in self.processes()]
        found += [f"mount {line.split()[4]}" for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
                  if str(self.base) in line]
        found += [f"in the runtime directory: {path.relative_to(self.base)}" for path in self.runtime.rglob("*")]
        # That of another running test has processes; one of this test that was left behind has none.
        found += [f"cgroup {group}" for group in self.cgroups()
                  if group not in self.cgroups_before and not self.cgroup_members(group)]
        return found

    @staticmethod
    def cgroups():
        """All groups of VMs, of whichever test: version 2 has one for each, version 1 one in each hierarchy."""
        return [pathlib.Path(path, name) for path, directories, _ in os.walk("/sys/fs/cgroup")
                for name in directories if name.startswith("qvm-")]

    @staticmethod
    def cgroup_members(group):
        """The processes in it; one that vanishes meanwhile counts as having some."""
        try:
            return [pid for path, _, _ in os.walk(group, onerror=lambda error: (_ for _ in ()).throw(error))
                    for pid in pathlib.Path(path, "cgroup.procs").read_text().split()]
        except OSError:
            return [0]

    def end_all_vms(self):
        for vm in json.loads(self.run("ls", "--json", status=None).stdout or "[]"):
            self.run("kill", vm["name"], status=None)

    def close(self):
        """Removes everything by force."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
            reaper.forget(process)
        for _ in range(50):
            pids = self.processes()
            if not pids:
                break
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            time.sleep(0.1)
        for file in self.base.glob("state/qvm/*/applied.json"):
            for group in (json.loads(file.read_text() or "{}").get("cgroup") or {}).get("directories", []):
                for path, _, _ in os.walk(group, topdown=False):
                    os.rmdir(path)
        shutil.rmtree(self.base, ignore_errors=True)


class TestCase(unittest.TestCase):
    """Each test has a world of its own, and fails when something of it remains after its VMs were ended."""
    maxDiff = None

    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)

    def tearDown(self):
        self.world.end_all_vms()
        wait_until(lambda: not self.world.leftovers(), lambda: "nothing left behind; there is: " + "; ".join(self.world.leftovers()), 10, 0.1)

    def start_guest(self, name="guest", more="", up=(), **options):
        """Writes NAME/vm.toml, starts it and returns the file."""
        file = self.world.write(f"{name}/vm.toml", self.world.guest_toml(more, **options))
        self.world.run("up", file, *up)
        return file

    def on_each_qemu(self, check):
        """Calls check(version, arguments of `up`) as a subtest for each QEMU there is, at least one, always without a VM "guest"."""
        tested = 0
        for version, table in each_qemu():
            with self.subTest(qemu=version):
                if table is None:
                    print(f"skipped: QEMU {version}: not fetched (tools/fetch-qemu), or not readable")
                    continue
                check(version, table)
                self.world.run("rm", "--yes", "guest")
                tested += 1
        self.assertGreaterEqual(tested, 1)

    def stop_by_button(self, name):
        """The guest's power button, and only that."""
        result = self.world.run("stop", "--timeout", "60s", name)
        self.assertIn("stopped", result.stdout)
        return result


def fetched_tables():
    """Version -> the table file of each QEMU that tools/fetch-qemu fetched."""
    places = [os.environ.get("QVM_QEMUS"), "/var/cache/qvm/qemus", os.path.expanduser("~/.cache/qvm/qemus")]
    for place in places:
        if place and os.path.isdir(place):
            return {file.name[len("qemu-"):-len(".toml")]: file for file in sorted(pathlib.Path(place).glob("qemu-*.toml"))}
    return {}


def fetched_root(program, test):
    """Where tools/fetch-qemu unpacked a suite that has `program`; a missing one is a skip, or a failure where none may be."""
    for version, table in fetched_tables().items():
        root = table.parent / version / "root"
        if (root / program).exists():
            return root
    missing = f"{program} of a newer Debian is missing: run tools/fetch-qemu"
    if os.environ.get("QVM_QEMUS_REQUIRED") == "1":
        test.fail(missing)
    test.skipTest(missing)


def each_qemu():
    """Names and "-f" arguments: the installed QEMU and the newer ones; a missing one is a skip by name, or a failure.

    What differs between versions is QEMU's affair and what a user may not do is the kernel's: as a user, the oldest and the newest
    stand for those between them."""
    yield "installed", []
    tables = fetched_tables()
    for version in ("11.1",) if as_user() else ("10.0", "11.1"):
        table = tables.get(version)
        if table is not None and as_user() and os.geteuid() == 0:
            readable = subprocess.run(["setpriv", f"--reuid={TEST_UID}", f"--regid={TEST_UID}", "--clear-groups", "cat", table],
                                      capture_output=True).returncode == 0
            table = table if readable else None
        if table is None and os.environ.get("QVM_QEMUS_REQUIRED") == "1":
            raise AssertionError(f"QEMU {version} was not fetched (tools/fetch-qemu), or uid {TEST_UID} may not read it")
        yield version, (["-f", table] if table is not None else None)


def main():
    if os.environ.get("QVM_TEST_AS") == "root" and os.geteuid() != 0:
        print("skipped: needs root")
        sys.exit(77)
    for needed, how in ((QVM, "build it"), (GUEST / "vmlinuz", "tools/make-guest makes it"), (GUEST / "initrd.gz", "tools/make-guest makes it")):
        if not needed.exists():
            print(f"skipped: no {needed} ({how})")
            sys.exit(1 if os.environ.get("CI") else 77)
    # A stop from outside must still run the clean-up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    for test, reason in result.skipped:
        print(f"skipped: {test}: {reason}")
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun and len(result.skipped) == result.testsRun else 0)
