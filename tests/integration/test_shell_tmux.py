# SPDX-License-Identifier: GPL-3.0-or-later
"""`qvm attach` in a real terminal: tmux sends keys and tells what is on its screen, on a real QEMU."""
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import time
import unittest

import harness
import shell_harness


class Terminal:
    """A shell in a tmux of its own. Its commands are those of sh(1); what qvm does is seen on the screen."""

    def __init__(self, world, rows=24, columns=80, term="screen-256color", env=None):
        self.world = world
        self.directory = world.directory("tmux")
        self.socket = self.directory / f"{len(world.started)}.sock"
        configuration = world.write(f"tmux/{self.socket.name}.conf",
                                    f"set -g default-terminal {term}\nset -s escape-time 0\nset -s set-clipboard on\nset -g status off\n"
                                    "set -g history-limit 2000\n")
        profile = world.write("tmux/profile", "PS1='ready: '\n")
        self.env = {"ENV": str(profile), "TERM": "xterm", "QVM": str(world.qvm), **(env or {})}
        self.configuration = configuration
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "sh")

    def tmux(self, *arguments, check=True):
        result = subprocess.run([*self.world.prefix, "tmux", "-S", self.socket, "-f", self.configuration, *arguments],
                                env=self.world.environment(**self.env), cwd=self.directory, capture_output=True, timeout=30)
        if check and result.returncode != 0:
            raise AssertionError(f"tmux {arguments}: {result.stderr.decode()}")
        return result.stdout.decode(errors="replace")

    # ---- In.

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def text(self, text):
        self.tmux("send-keys", "-l", "--", text)

    def enter(self, line):
        self.text(line)
        self.keys("Enter")

    def paste(self, text):
        """As a terminal does it that brackets what is pasted."""
        path = self.directory / "paste"
        path.write_bytes(text.encode())
        os.chmod(path, 0o644)
        self.tmux("load-buffer", str(path))
        self.tmux("paste-buffer", "-p")

    def resize(self, rows, columns):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    # ---- Out.

    @property
    def lines(self):
        return self.tmux("capture-pane", "-p").rstrip("\n").split("\n")

    @property
    def screen(self):
        return self.tmux("capture-pane", "-p")

    @property
    def joined(self):
        return "".join(self.screen.split("\n"))

    @property
    def colours(self):
        return self.tmux("capture-pane", "-p", "-e")

    def ask(self, format):
        return self.tmux("display-message", "-p", format).strip()

    @property
    def cursor(self):
        row, column = self.ask("#{cursor_y} #{cursor_x}").split()
        return int(row), int(column)

    def on_alternate_screen(self):
        return self.ask("#{alternate_on}") == "1"

    def wait(self, condition, what, seconds=shell_harness.DEADLINE):
        return harness.wait_until(condition, lambda: f"{what}; the screen:\n{self.screen}", seconds, 0.02)

    def see(self, *texts, seconds=shell_harness.DEADLINE):
        def there():
            screen = self.screen
            joined = "".join(screen.split("\n"))
            return all(text in screen or text in joined for text in texts)

        self.wait(there, f"{texts} on the screen", seconds)

    def see_not(self, *texts):
        self.wait(lambda: not any(text in self.screen for text in texts), f"none of {texts} on the screen")

    def see_input(self, text):
        self.wait(lambda: any(line.rstrip() == f"> {text}".rstrip() for line in self.lines), f"{text!r} in the input line")

    # ---- What runs in it.

    def attach(self, *arguments, before="", after=""):
        """Starts the shell; what comes after it in the same line tells how it ended."""
        words = " ".join(shlex.quote(str(word)) for word in arguments)
        self.enter(f"{before} $QVM attach {words}; echo status=$?;{after}")

    def pid(self):
        """Of the qvm that runs here."""
        def found():
            session = self.ask("#{pane_pid}")
            for process in pathlib.Path("/proc").glob("[0-9]*"):
                try:
                    if (process / "stat").read_text().rsplit(")", 1)[1].split()[3] == session \
                            and b"\0attach\0" in (process / "cmdline").read_bytes():
                        return int(process.name)
                except OSError:
                    pass
            return None

        return self.wait(found, "qvm running")

    def file(self, name):
        path = self.directory / name
        self.wait(lambda: path.exists() and path.read_text(), name)
        return path.read_text()

    def close(self):
        self.tmux("kill-server", check=False)


class TestCase(shell_harness.TestCase):
    def terminal(self, **options):
        terminal = Terminal(self.world, **options)
        self.closing.append(terminal)
        terminal.see("ready:")
        return terminal

    def shell(self, *arguments, before="", after="", more=(), **options):
        """A terminal with the shell on a bare QEMU in it."""
        path = self.qemu(more=more)
        terminal = self.terminal(**options)
        terminal.attach("--socket", path, *arguments, before=before, after=after)
        terminal.see("connected to")
        return terminal

    def faked(self, **options):
        server = self.fake()
        terminal = self.terminal(**options)
        terminal.attach("--socket", server.path)
        terminal.see("connected to")
        return server, terminal

    def assert_given_back(self, terminal):
        """The terminal is as it was before."""
        terminal.wait(lambda: not terminal.on_alternate_screen(), "the main screen")
        terminal.enter("stty -g > stty.after; echo done")
        after = terminal.file("stty.after")
        self.assertEqual(terminal.file("stty.before"), after)
        self.assertEqual(terminal.ask("#{cursor_flag} #{mouse_any_flag}"), "1 0")


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class Screen(TestCase):
    def test_the_first_screen(self):
        terminal = self.shell()
        terminal.see("QMP Mode", "Welcome", "QEMU 7.2", "Tab: complete", "prelaunch")
        self.assertTrue(terminal.on_alternate_screen())
        lines = terminal.lines
        self.assertEqual(len(lines), 24)
        self.assertTrue(lines[22].startswith(">"))
        self.assertEqual(terminal.cursor, (22, 2))

    def test_a_command(self):
        terminal = self.shell()
        terminal.enter("query-version")
        terminal.see("query-version [OK]")
        terminal.see_input("")
        terminal.enter("device_del id=nobody")
        terminal.see("[ERR]", "nobody")

    def test_typing_under_a_load_of_events(self):
        server, terminal = self.faked()
        burst = b"".join(json.dumps({"event": name, "data": {"n": i}, "timestamp": {"seconds": 1700000000, "microseconds": i}}).encode()
                         + b"\r\n" for i in range(10_000) for name in ("STOP", "RESUME"))
        server.say(burst)
        text = "query-block about to be typed whole"
        for word in re.split("( )", text):
            terminal.text(word)
        terminal.see(f"> {text}", "x20000")

    def test_the_popup_of_completion(self):
        terminal = self.shell()
        terminal.text("query-sta")
        terminal.keys("Tab")
        terminal.see("query-status", "query-stats")
        terminal.keys("Escape")
        terminal.wait(lambda: "query-stats-schemas" not in terminal.screen, "no popup")
        terminal.text("tus")
        terminal.wait(lambda: "> query-status" in terminal.screen or "> query-stattus" in terminal.screen, "more typed")

    def test_history_and_details(self):
        terminal = self.shell()
        terminal.enter("query-version")
        terminal.see("query-version [OK]")
        terminal.text("half")
        terminal.keys("M-Up")
        terminal.see("Command History Mode", "[Up k] up")
        terminal.keys("Enter")
        terminal.see("Details: query-version", '"major"' if '"major"' in terminal.screen else "major")
        terminal.keys("q")
        terminal.see("Command History Mode")
        terminal.keys("q")
        terminal.see("QMP Mode")
        terminal.see_input("half")

    def test_alt_by_an_escape_prefix(self):
        terminal = self.shell()
        terminal.tmux("send-keys", "-H", "1b", "1b", "5b", "41")
        terminal.see("Command History Mode")
        terminal.tmux("send-keys", "-H", "1b", "5b", "31", "3b", "33", "42")
        terminal.see("QMP Mode")

    def test_the_pager(self):
        terminal = self.shell()
        terminal.keys("F1")
        terminal.see("The shell's own commands")
        terminal.keys("/")
        terminal.see("search: ")
        terminal.enter("/window")
        terminal.see("/window")
        terminal.keys("BSpace")
        terminal.see("QMP Mode")

    def test_the_views(self):
        terminal = self.shell()
        terminal.enter("query-version")
        terminal.see("query-version [OK]")
        for view, text in (("json-summary", '{"execute"'), ("json", '"return"'), ("pretty", '"major": 7'), ("summary", "[OK]")):
            terminal.keys("C-v")
            terminal.see(f"view: {view}", text)

    def test_resize(self):
        terminal = self.shell()
        terminal.text("query-status")
        terminal.see_input("query-status")
        terminal.resize(40, 120)
        terminal.wait(lambda: len(terminal.lines) == 40 and terminal.lines[38].startswith("> query-status"), "40 rows")
        terminal.resize(5, 20)
        terminal.wait(lambda: any(line.startswith("> query-status") for line in terminal.lines[-5:]) and len(terminal.lines) == 5, "5 rows")
        terminal.resize(24, 80)
        terminal.wait(lambda: len(terminal.lines) == 24 and terminal.lines[22].startswith("> query-status"), "24 rows")

    def test_a_small_terminal_from_the_beginning(self):
        path = self.qemu()
        terminal = self.terminal(rows=5, columns=20)
        terminal.attach("--socket", path)
        terminal.wait(lambda: any(line.startswith(">") for line in terminal.lines), "the input")
        terminal.text("typed here")
        terminal.see("> typed here")

    def test_redraw(self):
        terminal = self.shell()
        terminal.text("kept")
        terminal.see_input("kept")
        tty = terminal.ask("#{pane_tty}")
        subprocess.run(["sh", "-c", f"printf 'GARBAGE' > {shlex.quote(tty)}"], check=True)
        terminal.see("GARBAGE")
        terminal.keys("C-l")
        terminal.see_not("GARBAGE")
        terminal.see_input("kept")

    def test_colours_and_none(self):
        terminal = self.shell()
        terminal.enter("query-version")
        terminal.see("query-version [OK]")
        self.assertRegex(terminal.colours, r"\x1b\[[0-9;]*3[0-7]m")
        terminal.keys("C-d")
        terminal.see("status=0")
        terminal.enter("clear")
        terminal.attach("--socket", self.sockets / "q.sock", before="NO_COLOR=1")
        terminal.see("connected to")
        terminal.enter("query-version")
        terminal.see("query-version [OK]")
        self.assertNotRegex(terminal.colours, r"\x1b\[[0-9;]*[34][0-7]m")

    def test_a_locale_without_utf_8(self):
        terminal = self.shell(env={"LANG": "C", "LC_ALL": "C"})
        terminal.enter("query-version")
        terminal.see("query-version [OK]")
        self.assertTrue(all(ord(c) < 128 for c in terminal.screen), terminal.screen)

    def test_another_terminal(self):
        terminal = self.shell(term="xterm")
        terminal.enter("query-version")
        terminal.see("query-version [OK]")
        terminal.keys("Home", "End", "F2")
        terminal.see("Keys")

    def test_wide_characters(self):
        terminal = self.shell()
        terminal.text("\u65e5\u672c\u00e9x")
        terminal.see("> \u65e5\u672c\u00e9x")
        self.assertEqual(terminal.cursor[1], 8)
        terminal.keys("BSpace", "BSpace", "BSpace")
        terminal.wait(lambda: terminal.cursor[1] == 4, "the cursor behind one wide character")

    def test_hostile_events(self):
        server, terminal = self.faked()
        server.event("\x1b]0;owned\x07\x1b[2J\x1b[5;5HHERE", {"a": "\x9b2J\u202e"})
        terminal.see("\\x1b[2J")
        self.assertIn("Welcome", terminal.screen)
        self.assertNotIn("owned", terminal.ask("#{pane_title}"))


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class Manners(TestCase):
    def shell(self, *arguments, **options):
        return super().shell(*arguments, before="stty -g > stty.before;", **options)

    def test_control_c_and_escape_never_leave(self):
        terminal = self.shell()
        terminal.text("given up")
        terminal.keys("C-c", "Escape", "C-c", "Escape", "C-c")
        terminal.text("alive")
        terminal.see_input("alive")

    def test_control_d_leaves(self):
        terminal = self.shell()
        terminal.keys("C-d")
        terminal.see("status=0")
        self.assert_given_back(terminal)

    def test_quit_leaves(self):
        terminal = self.shell()
        terminal.enter("/quit")
        terminal.see("status=0")
        self.assert_given_back(terminal)

    def test_control_z_and_back(self):
        terminal = self.shell()
        terminal.text("half a line")
        terminal.see_input("half a line")
        terminal.keys("C-z")
        terminal.wait(lambda: not terminal.on_alternate_screen(), "the main screen")
        terminal.enter("clear; stty -g > stty.stopped; echo here I am")
        terminal.see("here I am")
        self.assertEqual(terminal.file("stty.before"), terminal.file("stty.stopped"))
        terminal.enter("fg")
        terminal.wait(terminal.on_alternate_screen, "the shell's screen again")
        terminal.see_input("half a line")
        terminal.keys("C-u")
        terminal.enter("query-name")
        terminal.see("query-name [OK]")
        terminal.keys("C-d")
        self.assert_given_back(terminal)

    def signalled(self, number, status):
        terminal = self.shell()
        os.kill(terminal.pid(), number)
        terminal.see(f"status={status}")
        self.assert_given_back(terminal)
        terminal.text("echo typed")
        terminal.see("echo typed")

    def test_sigterm(self):
        self.signalled(signal.SIGTERM, 0)

    def test_sighup(self):
        self.signalled(signal.SIGHUP, 0)

    def test_sigint(self):
        self.signalled(signal.SIGINT, 0)

    def test_sigquit(self):
        self.signalled(signal.SIGQUIT, 0)

    def test_a_crash(self):
        self.signalled(signal.SIGSEGV, 139)

    def test_an_abort(self):
        self.signalled(signal.SIGABRT, 134)

    def test_flow_control_and_literal_next_are_keys(self):
        terminal = self.shell()
        terminal.keys("C-q")
        terminal.keys("C-v")
        terminal.see("view: ") if "view: " in terminal.screen else None
        terminal.text("alive")
        terminal.see("alive")

    def test_a_paste_of_several_lines_asks(self):
        terminal = self.shell()
        terminal.paste("query-name\nquery-version\n")
        terminal.see("run 2 pasted entries")
        self.assertNotIn("[OK]", terminal.screen)
        terminal.enter("y")
        terminal.see("query-name [OK]", "query-version [OK]")

    def test_a_paste_of_one_line_waits_for_enter(self):
        terminal = self.shell()
        terminal.paste("query-name\n")
        terminal.see_input("query-name")
        terminal.keys("Enter")
        terminal.see("query-name [OK]")

    def test_backspace_as_the_terminal_sends_it(self):
        terminal = self.terminal()
        path = self.qemu()
        terminal.enter("stty erase ^H")
        terminal.attach("--socket", path)
        terminal.see("connected to")
        terminal.text("abc")
        terminal.see_input("abc")
        terminal.keys("C-h")
        terminal.see_input("ab")
        self.assertNotIn("Help", terminal.lines[0])

    def test_vi_mode(self):
        inputrc = self.world.write("inputrc", "set editing-mode vi\n")
        terminal = self.shell(env={"INPUTRC": str(inputrc)})
        terminal.text("one two")
        terminal.see("vi insert")
        terminal.keys("Escape")
        terminal.see("vi command")
        terminal.text("bdwi")
        terminal.see_input("one")
        terminal.see("vi insert")

    def test_search_of_the_history(self):
        terminal = self.shell()
        for line in ("query-name", "query-version"):
            terminal.enter(line)
            terminal.see(f"{line} [OK]")
        terminal.keys("C-r")
        terminal.text("nam")
        terminal.see("(reverse-i-search)`nam': query-name")
        terminal.keys("C-c")
        terminal.see_input("")
        terminal.keys("C-r")
        terminal.text("nam")
        terminal.keys("Enter")
        terminal.wait(lambda: terminal.screen.count("query-name [OK]") == 2, "it ran again")

    def test_undo_and_kill(self):
        terminal = self.shell()
        terminal.text("one two")
        terminal.keys("C-w")
        terminal.see_input("one")
        terminal.keys("C-_")
        terminal.see_input("one two")
        terminal.keys("C-a", "C-k", "C-y", "C-y")
        terminal.see_input("one twoone two")

    def test_copy(self):
        terminal = self.shell()
        terminal.enter("query-name")
        terminal.see("query-name [OK]")
        terminal.keys("M-Up", "y")
        terminal.see("copied")
        terminal.wait(lambda: '"execute":"query-name"' in terminal.tmux("show-buffer", check=False).replace(" ", ""), "the copy")

    def test_a_mouse_is_left_alone(self):
        terminal = self.shell()
        self.assertEqual(terminal.ask("#{mouse_any_flag}"), "0")
        terminal.keys("C-d")
        terminal.see("status=0")
        terminal.attach("--mouse", "--socket", self.sockets / "q.sock", before="clear;")
        terminal.see("connected to")
        self.assertEqual(terminal.ask("#{mouse_any_flag}"), "1")
        terminal.keys("F4")
        terminal.see("the mouse is the terminal's")
        self.assertEqual(terminal.ask("#{mouse_any_flag}"), "0")
        terminal.keys("C-d")
        terminal.wait(lambda: not terminal.on_alternate_screen(), "the end")
        self.assert_given_back(terminal)


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class Kinds(TestCase):
    """What is not a screen."""

    def test_a_terminal_that_nobody_knows(self):
        path = self.qemu()
        terminal = self.terminal()
        terminal.attach("--socket", path, before="TERM=no-such-terminal")
        terminal.see("no-such-terminal", "not known", "--plain", "status=1")

    def test_a_dumb_terminal(self):
        path = self.qemu()
        terminal = self.terminal()
        terminal.attach("--socket", path, before="TERM=dumb")
        terminal.see("connected to")
        self.assertFalse(terminal.on_alternate_screen())
        terminal.enter("query-name")
        terminal.see("query-name [OK]")
        terminal.wait(lambda: terminal.lines[-1].startswith(">"), "a prompt")
        terminal.keys("C-d")
        terminal.see("status=0")

    def test_plain_in_a_terminal(self):
        path = self.qemu()
        terminal = self.terminal()
        terminal.attach("--plain", "--socket", path)
        terminal.see("connected to")
        terminal.enter("cont")
        terminal.see("RESUME", "cont [OK]")
        terminal.keys("C-d")
        terminal.see("status=0")

    def test_through_pipes(self):
        path = self.qemu()
        terminal = self.terminal(columns=160)
        terminal.enter(f"printf 'query-status\\nquery-name\\n' | $QVM attach --plain --socket {path} | cat; echo status=$?")
        terminal.see('"prelaunch"', "query-name", "status=0")

    def test_no_vm(self):
        terminal = self.terminal()
        terminal.attach("nobody")
        terminal.see("nobody")
        terminal.wait(lambda: re.search(r"status=[1-9]", terminal.screen), "a failure")


if __name__ == "__main__":
    harness.main()
