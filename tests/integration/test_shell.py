# SPDX-License-Identifier: GPL-3.0-or-later
"""`qvm attach` through `--ui json`: on a bare QEMU, a storage daemon, a guest agent, VMs of ours, and servers that misbehave."""
import json
import os
import signal
import stat
import time

import harness
import shell_harness
from shell_harness import FakeServer

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[10;10H\x00\x9b31m\u202ereversed\u2066\r\nnext\ttab\x7f"


class Screen(shell_harness.TestCase):
    """Issue: the screen, its modes and keys."""

    def test_the_first_screen(self):
        shell = self.attach("--socket", self.qemu())
        shell.see("QMP Mode", "Welcome", "/help", "connected to", "QEMU 7.2")
        shell.see("prelaunch")
        self.assertEqual(shell.input, "")
        self.assertIn("q.sock", shell.title)
        self.assertIn("q.sock", shell.status)
        self.assertIn("Tab: complete", shell.hint)

    def test_a_command_and_its_reply_are_one_item(self):
        shell = self.shell_on_qemu()
        shell.enter("query-version")
        line = shell.see_log("query-version")
        shell.wait(lambda: "[OK]" in shell.see_log("query-version"), "the reply")
        self.assertEqual(sum("query-version" in line for line in shell.log), 1, line)
        self.assertEqual(shell.input, "")

    def test_an_error_is_said_in_words(self):
        shell = self.shell_on_qemu()
        shell.enter("device_del id=nobody")
        shell.see("[ERR]", "nobody")
        self.assertIn("error", shell.roles_of("[ERR]"))

    def test_a_command_is_pending_until_its_reply(self):
        server, shell = self.shell_on_fake(answers={"query-version": None})
        shell.enter("query-version")
        shell.see("[Pending", "1 pending")
        request = server.request("query-version")
        server.say({"return": {"done": 1}, "id": request["id"]})
        shell.see("[OK]")
        shell.see_not("[Pending", "1 pending")

    def test_an_event_leaves_the_line_as_it_is(self):
        server, shell = self.shell_on_fake()
        shell.text("query-block node=\"half")
        shell.see_input('query-block node="half')
        cursor = shell.frame["cursor"]
        server.event("POWERDOWN")
        shell.see_log("POWERDOWN")
        self.assertEqual(shell.input, 'query-block node="half')
        self.assertEqual(shell.frame["cursor"], cursor)

    def test_typed_text_is_in_the_line_at_once(self):
        shell = self.attach("--socket", self.sockets / "nothing.sock")
        shell.text("abc")
        shell.see_input("abc")
        self.assertEqual(shell.frame["cursor"], [shell.input_row, 5])

    def test_history_mode(self):
        shell = self.shell_on_qemu()
        for line in ("query-version", "query-name"):
            shell.enter(line)
            shell.wait(lambda: "[OK]" in shell.see_log(line), "the reply")
        shell.text("half a line")
        shell.see_input("half a line")
        shell.keys("a-up")
        shell.see("Command History Mode")
        self.assertFalse(shell.editing)
        self.assertIn("query-name", shell.selected[0])
        shell.keys("a-up")
        shell.wait(lambda: "query-version" in shell.selected[0], "the item above")
        self.assertRegex(shell.hint, r"^\[Up.*\] up +\[Down.*\] down")
        shell.keys("down", "down")
        shell.see("QMP Mode")
        self.assertEqual(shell.input, "half a line")

    def test_history_mode_of_an_empty_log(self):
        shell = self.shell_on_qemu()
        shell.enter("/clear")
        shell.see_not("Welcome")
        shell.keys("a-up")
        shell.settle()
        self.assertTrue(shell.editing)
        shell.text("x")
        shell.see_input("x")

    def test_details_of_a_command(self):
        shell = self.shell_on_qemu()
        shell.enter("query-version")
        shell.wait(lambda: "[OK]" in shell.see_log("query-version"), "the reply")
        for leave in ("q", "Q", "backspace", "esc", "c-c"):
            shell.keys("a-up", "enter")
            shell.see("Details: query-version", "execute", "return", "major", "[OK]")
            shell.keys(leave)
            shell.see("Command History Mode")
            shell.keys("esc")
            shell.see("QMP Mode")

    def test_details_fold_and_copy(self):
        shell = self.shell_on_qemu()
        shell.enter("query-version")
        shell.wait(lambda: "[OK]" in shell.see_log("query-version"), "the reply")
        shell.keys("a-up", "enter")
        shell.see("major")
        shell.keys("-")
        shell.wait(lambda: sum(bool(line) for line in shell.lines[1:-2]) == 4, "two parts, folded")
        shell.keys("*")
        shell.wait(lambda: sum(bool(line) for line in shell.lines[1:-2]) > 8, "all of it")
        shell.keys("end", "g", "/")
        shell.see("search: ")
        shell.enter("major")
        shell.wait(lambda: shell.selected and "major" in shell.selected[0], "the match")
        shell.keys("y")
        shell.wait(lambda: shell.copied, "a copy")
        self.assertEqual(shell.copied[-1].strip(), "7")
        shell.keys("p")
        shell.wait(lambda: len(shell.copied) == 2, "a copy")
        self.assertEqual(shell.copied[-1], ".return.qemu.major")

    def test_details_raw(self):
        shell = self.shell_on_qemu()
        shell.enter("query-name")
        shell.wait(lambda: "[OK]" in shell.see_log("query-name"), "the reply")
        shell.keys("a-up", "enter", "v")
        shell.see('{"return": {}')

    def test_details_of_a_reply_that_comes_meanwhile(self):
        server, shell = self.shell_on_fake(answers={"query-version": None})
        shell.enter("query-version")
        shell.see("[Pending")
        shell.keys("a-up", "enter")
        shell.see("Details: query-version", "waiting")
        request = server.request("query-version")
        server.say({"return": {"meaning": 42}, "id": request["id"]})
        shell.see("meaning", "came after", "[OK]")

    def test_a_notice_is_opened_as_a_page(self):
        shell = self.shell_on_qemu()
        shell.enter("/clear")
        shell.enter("/search " + "x" * 300)
        shell.see("nothing holds")
        shell.keys("a-up", "enter")
        shell.see("Notice", "nothing holds")
        shell.keys("q")
        shell.see("Command History Mode")

    def test_run_again_and_edit(self):
        shell = self.shell_on_qemu()
        shell.enter("query-name")
        shell.wait(lambda: "[OK]" in shell.see_log("query-name"), "the reply")
        shell.keys("a-up", "r")
        shell.wait(lambda: sum("query-name" in line for line in shell.log) == 2, "it ran again")
        shell.keys("a-up", "e")
        shell.see_input("query-name")
        shell.keys("c-u", "a-up", "enter", "e")
        shell.see_input("query-name")

    def test_from_a_command_to_its_event_and_back(self):
        shell = self.shell_on_qemu(more=("-device", "qemu-xhci", "-device", "usb-kbd,id=kbd"))
        for line, event in (("cont", "RESUME"), ("device_del id=kbd", "DEVICE_DELETED"), ("stop", "STOP")):
            shell.enter(line)
            shell.see_log(f"* {event}")
        shell.wait(lambda: "[OK]" in shell.see_log("] stop"), "the reply")

        def selects(text):
            shell.wait(lambda: any(text in line for line in shell.selected), text)

        shell.keys("a-up")
        selects("* STOP")
        self.assertIn("[T] command", shell.hint)
        shell.keys("T")
        selects("stop")
        self.assertIn("[t] event", shell.hint)
        shell.keys("t")
        selects("* STOP")
        shell.keys("t")
        shell.see("no further event")
        shell.keys("T", "up", "T", "enter")
        shell.see("Details: device_del")
        shell.keys("t")
        shell.see("Details: DEVICE_DELETED", "/machine/peripheral/kbd")
        shell.keys("T")
        shell.see("Details: device_del")
        shell.keys("q")
        shell.see("Command History Mode")
        selects("device_del")
        shell.keys("q")
        shell.enter("/filter ~c stop")
        shell.see("filter ~c stop")
        shell.keys("a-up", "t")
        shell.see("is not shown")

    def test_a_command_that_causes_nothing(self):
        shell = self.shell_on_qemu()
        shell.enter("query-name")
        shell.see("[OK]")
        shell.keys("a-up", "t")
        shell.see("no event is known")
        shell.keys("T")
        shell.see("no command is known")

    def test_copy_of_an_item(self):
        shell = self.shell_on_qemu()
        shell.enter("query-name")
        shell.wait(lambda: "[OK]" in shell.see_log("query-name"), "the reply")
        shell.keys("a-up", "y")
        shell.wait(lambda: shell.copied, "a copy")
        sent, received = shell.copied[0].split("\n")
        self.assertEqual(json.loads(sent)["execute"], "query-name")
        self.assertEqual(json.loads(received)["return"], {})

    def test_the_views_are_changed_by_a_key(self):
        shell = self.shell_on_qemu()
        shell.enter("query-version")
        shell.wait(lambda: "[OK]" in shell.see_log("query-version"), "the reply")
        shell.keys("c-v")
        shell.see("view: json-summary", '{"execute"')
        shell.keys("c-v")
        shell.see("view: json", '"return"')
        shell.keys("c-v")
        shell.see("view: pretty", '"major": 7')
        shell.keys("c-v")
        shell.see("view: summary")
        shell.wait(lambda: sum("query-version" in line for line in shell.log) == 1, "one line")
        for name, text in (("raw", '{"execute":"query-version"'), ("typed", "query-version")):
            shell.enter(f"/view {name}")
            shell.wait(lambda: name in shell.status, name)
            shell.see(text)

    def test_scrolling_keeps_its_place(self):
        server, shell = self.shell_on_fake()
        for i in range(60):
            server.event(f"EVENT_{i:02}", {"i": i})
        shell.see_log("EVENT_59")
        shell.keys("pgup")
        shell.see_not("EVENT_59")
        top = shell.log[1]
        shell.see("-- more (", "below")
        for i in range(60, 70):
            server.event(f"EVENT_{i:02}")
        shell.wait(lambda: "70" not in shell.screen and shell.log[1] == top and "below" in shell.status, "the same place")
        shell.keys("a-home")
        shell.see("Welcome")
        shell.keys("a-end")
        shell.see_log("EVENT_69")
        self.assertNotIn("more", shell.hint)

    def test_scrolling_down_again_comes_to_the_end(self):
        server, shell = self.shell_on_fake()
        for i in range(100):
            server.event(f"EVENT_{i:02}", {"list": list(range(i % 7))})
        shell.see_log("EVENT_99")
        for view in ("pretty", "summary", "json-summary"):
            shell.enter(f"/view {view}")
            shell.wait(lambda: view in shell.status, view)
            for pages in (1, 3, 40):
                shell.keys(*["pgup"] * pages)
                shell.wait(lambda: "below" in shell.status, "scrolled up")
                self.assertEqual(len([line for line in shell.log if line]), len(shell.log), shell.screen)
                shell.keys(*["pgdn"] * (pages + 1))
                shell.wait(lambda: "below" not in shell.status, f"the end after {pages} pages in {view}")

    def test_search_the_log(self):
        server, shell = self.shell_on_fake()
        for i in range(60):
            server.event(f"EVENT_{i:02}", {"needle": "hay" if i != 7 else "pin"})
        shell.see_log("EVENT_59")
        shell.enter("/search pin")
        shell.wait(lambda: shell.selected and "EVENT_07" in shell.selected[0], "the item selected")
        self.assertIn("match", shell.roles_of("pin"))
        shell.keys("n")
        shell.see("no further match")
        shell.keys("q")
        shell.see("QMP Mode")

    def test_filter(self):
        server, shell = self.shell_on_fake()
        server.event("STOP")
        server.event("RESUME")
        shell.see_log("RESUME")
        shell.enter("/filter ~e STOP")
        shell.see("filter ~e STOP")
        shell.wait(lambda: [line for line in shell.log if line] and all("STOP" in line for line in shell.log if line), "only STOP")
        server.event("POWERDOWN")
        server.event("STOP", {"second": True})
        shell.see("second")
        self.assertNotIn("POWERDOWN", shell.screen)
        shell.enter("/filter")
        shell.see("POWERDOWN")

    def test_a_filter_with_a_mistake_tells_its_column(self):
        shell = self.shell_on_qemu()
        shell.enter("/filter ~e (")
        shell.see("filter, column")

    def test_help(self):
        shell = self.shell_on_qemu()
        shell.keys("f1")
        shell.see("The shell's own commands")
        shell.keys("q")
        shell.see("QMP Mode")
        shell.keys("f2")
        shell.see("Keys", "PgUp")
        shell.keys("esc")
        shell.see("QMP Mode")

    def test_documentation_of_a_command(self):
        shell = self.shell_on_qemu()
        shell.text("block_resize")
        shell.keys("f1")
        shell.see("block_resize", "size")
        shell.keys("q")
        shell.see_input("block_resize")

    def test_several_windows(self):
        first, second = self.fake("first"), self.fake("second")
        shell = self.attach("--socket", first.path, "--socket", second.path)
        shell.see("[1:", "2:", "connected to")
        harness.wait_until(lambda: "query-status" in second.commands(), "the second connected")
        first.event("STOP", {"where": "in the first"})
        shell.see("in the first")
        shell.text("kept")
        shell.keys("a-2")
        shell.see("[2:")
        self.assertNotIn("in the first", shell.screen)
        first.event("RESUME", {"again": 1})
        shell.see("first.sock*")
        shell.keys("a-1")
        shell.see("in the first", "again")
        self.assertNotIn("first.sock*", shell.title)
        self.assertEqual(shell.input, "kept")
        shell.keys("a-7")
        shell.see("there are 2 windows")

    def test_the_hint_row_fits(self):
        shell = self.shell_on_qemu()
        shell.enter("query-name")
        shell.wait(lambda: "[OK]" in shell.see_log("query-name"), "the reply")
        for columns in (40, 60, 80, 200):
            shell.resize(24, columns)
            for keys in (("a-up",), ("enter",)):
                shell.keys(*keys)
                shell.wait(lambda: not shell.editing, "another mode")
                self.assertRegex(shell.hint, r"^(\[[^]]+\] [a-z ]+  ?)*\[[^]]+\] [a-z ]+$")
            shell.keys("q", "q")
            shell.see("QMP Mode")

    def test_a_small_terminal(self):
        shell = self.shell_on_qemu()
        shell.resize(5, 20)
        shell.text("query-status and more than a row")
        shell.wait(lambda: shell.lines[shell.frame["cursor"][0]].endswith("than a row"), "the end of the input")
        shell.keys("c-u")
        shell.text("/he")
        shell.keys("tab")
        shell.see_input("/help ")
        for rows, columns in ((1, 1), (2, 3), (3, 200), (500, 500), (24, 80)):
            shell.resize(rows, columns)
        self.assertEqual(shell.input, "/help ")


class Keys(shell_harness.TestCase):
    """Issue: terminal manners, as far as keys have them."""

    def test_what_never_quits(self):
        shell = self.shell_on_qemu()
        shell.keys("c-c", "esc", "c-c", "esc", "c-c")
        shell.text("typed")
        shell.see_input("typed")
        shell.keys("c-d")  # not on an empty line
        shell.settle()
        self.assertTrue(shell.alive())
        shell.keys("c-c")
        shell.see_input("")
        self.assertTrue(shell.alive())

    def test_control_d_on_an_empty_line_leaves(self):
        shell = self.shell_on_qemu()
        shell.keys("c-d")
        self.assertEqual(shell.wait_end(), 0)

    def test_quit_and_detach_leave_the_vm_alone(self):
        path = self.qemu()
        for word in ("/quit", "/detach"):
            shell = self.attach("--socket", path)
            shell.see("connected to")
            shell.enter(word)
            self.assertEqual(shell.wait_end(), 0)
            shell.close()
        self.assertIsNone(self.processes["q"].poll())

    def test_the_end_of_the_keys_leaves(self):
        shell = self.shell_on_qemu()
        shell.process.stdin.close()
        deadline = time.monotonic() + 20
        while not shell.ended and time.monotonic() < deadline:
            shell.read(0.2)
        self.assertEqual(shell.process.wait(10), 0)

    def test_sigterm_leaves(self):
        shell = self.shell_on_qemu()
        os.kill(shell.process.pid, signal.SIGTERM)
        self.assertEqual(shell.wait_end(), 0)

    def test_readline_keys(self):
        shell = self.attach("--socket", self.sockets / "nothing.sock")
        shell.text("one two three")
        shell.keys("c-w", "c-a", "c-k")
        shell.see_input("")
        shell.keys("c-y")
        shell.see_input("one two ")
        shell.keys("c-_")
        shell.see_input("")
        shell.keys("c-_")
        shell.see_input("one two ")
        shell.keys("home", "right", "delete")
        shell.see_input("oe two ")
        shell.keys("end", "backspace", "a-b", "a-u")
        shell.see_input("oe TWO")

    def test_entries_are_remembered_in_a_private_file(self):
        path = self.qemu()
        shell = self.attach("--socket", path)
        shell.see("connected to")
        shell.enter("query-name")
        shell.see_log("query-name")
        shell.enter("/quit")
        shell.wait_end()
        self.assertEqual(stat.S_IMODE(self.history().stat().st_mode), 0o600)
        shell = self.attach("--socket", path)
        shell.see("connected to")
        shell.keys("up")
        shell.see_input("/quit")
        shell.keys("up")
        shell.see_input("query-name")
        shell.keys("down", "down")
        shell.see_input("")
        shell.keys("c-r")
        shell.text("nam")
        shell.see("reverse-i-search", "query-name")
        shell.keys("c-c")
        shell.see_input("")

    def test_a_secret_does_not_stay_in_the_history(self):
        server, shell = self.shell_on_fake(answers={"set_password": {}, "query-commands": [{"name": "set_password"}, {"name": "query-status"}]})
        shell.enter("set_password protocol=vnc password=hunter2")
        harness.wait_until(lambda: "set_password" in server.commands(), "the command")
        shell.enter("query-status")
        shell.see_log("query-status")
        self.assertIn("query-status", self.history().read_text())
        self.assertNotIn("hunter2", self.history().read_text())

    def test_the_suggestion_is_taken_with_right(self):
        shell = self.shell_on_qemu()
        shell.enter("query-version")
        shell.wait(lambda: "[OK]" in shell.see_log("query-version"), "the reply")
        shell.text("query-v")
        shell.see_input("query-v")
        self.assertIn("suggestion", shell.roles_of("ersion"))
        shell.keys("right")
        shell.see_input("query-version")

    def test_vi_mode(self):
        inputrc = self.world.write("inputrc", "set editing-mode vi\n")
        shell = self.attach("--socket", self.sockets / "nothing.sock", env={"INPUTRC": str(inputrc)})
        shell.text("one two")
        shell.see_input("one two")
        shell.see("vi insert")
        shell.keys("esc")
        shell.see("vi command")
        shell.keys("b", "d", "w", "i")
        shell.see_input("one ")
        shell.see("vi insert")

    def test_a_paste_of_several_lines_asks(self):
        server, shell = self.shell_on_fake()
        before = len(server.received)
        shell.paste("query-status\nquery-version\n")
        shell.see("run 2 pasted entries")
        shell.text("n")
        shell.keys("enter")
        shell.wait(lambda: shell.input and "query-version" in shell.input, "the paste in the line")
        self.assertEqual(len(server.received), before + ("query-qmp-schema" in server.commands()))
        shell.keys("c-c")
        shell.paste("query-status\nquery-version\n")
        shell.see("run 2 pasted entries")
        shell.keys("y", "enter")
        harness.wait_until(lambda: "query-version" in server.commands(), "both were run")
        shell.see_input("")

    def test_a_paste_of_one_line_is_not_run(self):
        server, shell = self.shell_on_fake()
        shell.paste("query-version\r")
        shell.see_input("query-version")
        self.assertNotIn("query-version", server.commands())

    def test_a_paste_with_controls_is_text(self):
        shell = self.attach("--socket", self.sockets / "nothing.sock")
        shell.paste("a\x1b[31mb\tc\x04d\x03")
        shell.see("a^[[31mb^Ic^Dd^C")
        self.assertTrue(shell.alive())

    def test_keys_can_be_bound(self):
        shell = self.shell_on_qemu()
        shell.enter("/bind f5 /view pretty")
        shell.keys("f5")
        shell.wait(lambda: "pretty" in shell.status, "the view")
        shell.enter("/bind f5x view")
        shell.see("no key is called 'f5x'")

    def test_a_configuration_file(self):
        self.world.write("home/.config/qvm/shell.conf", "# mine\n/set view json\n\n/bind c-x view\nquery-status\n")
        shell = self.attach("--socket", self.qemu())
        shell.see("shell.conf:5:", "only commands")
        shell.wait(lambda: "| json" in shell.status, "the view")

    def test_keys_that_are_no_keys(self):
        shell = self.attach("--socket", self.sockets / "nothing.sock")
        shell.send(keys=["a", "no-such", "b"])
        shell.send(nonsense=1)
        shell.process.stdin.write(b"garbage\n[1]\n{\"resize\": [-1, 0]}\n")
        shell.process.stdin.flush()
        shell.wait(lambda: len(shell.complaints) == 5, "five complaints")
        self.assertTrue(shell.alive())


class Completion(shell_harness.TestCase):
    def test_commands_arguments_and_values(self):
        shell = self.shell_on_qemu()
        shell.text("query-sta")
        shell.keys("tab")
        shell.wait(lambda: shell.input.startswith("query-stat"), "what is certain")
        shell.see("query-status", "query-stats")
        shell.keys("c-u")
        shell.text("block_res")
        shell.keys("tab")
        shell.see_input("block_resize ")
        shell.keys("tab")
        shell.see("size", "node-name")
        shell.keys("c-u")
        shell.text("blockdev-add driver=qco")
        shell.keys("tab")
        shell.see("qcow2")
        shell.keys("c-u")
        shell.text("object-add qom-type=rng-")
        shell.keys("tab")
        shell.see("rng-builtin", "rng-random")

    def test_live_names(self):
        shell = self.shell_on_qemu(more=("-object", "rng-builtin,id=mine", "-blockdev", "null-co,node-name=node-a",
                                         "-device", "virtio-rng-pci,id=rng-device,rng=mine"))
        for line, completed in (("object-del id=mi", "object-del id=mine "), ("device_del id=rng-", "device_del id=rng-device "),
                                ("block_resize node-name=nod", "block_resize node-name=node-a ")):
            shell.text(line)
            shell.keys("tab")
            shell.see_input(completed)
            shell.keys("c-u")
        shell.text("device_add driver=virtio-rng-pci max-b")
        shell.keys("tab")
        shell.see_input("device_add driver=virtio-rng-pci max-bytes=")

    def test_buses_of_the_machine(self):
        shell = self.shell_on_qemu(more=("-device", "virtio-scsi-pci,id=scsi0", "-device", "pcie-root-port,id=rp1",
                                         "-device", "qemu-xhci,id=usb"))
        shell.text("device_add driver=scsi-hd bus=")
        shell.keys("tab")
        shell.see("pcie.0", "rp1", "(10 of 12)")
        for beginning, name in (("sc", "scsi0.0"), ("us", "usb.0")):
            shell.keys("c-u")
            shell.text(f"device_add driver=scsi-hd bus={beginning}")
            shell.keys("tab")
            shell.see_input(f"device_add driver=scsi-hd bus={name} ")

    def test_the_popup_is_closed_by_escape_and_the_line_stays(self):
        shell = self.shell_on_qemu()
        shell.text("query-b")
        shell.keys("tab")
        shell.see("query-block", "query-blockstats")
        shell.keys("esc")
        shell.see_not("query-blockstats")
        self.assertEqual(shell.input, "query-b")

    def test_tab_chooses_one_after_the_other(self):
        shell = self.shell_on_qemu()
        shell.text("query-block")
        shell.keys("tab", "tab")
        shell.see_input("query-block")
        shell.keys("tab")
        shell.wait(lambda: shell.input not in ("", "query-block"), "the second")
        second = shell.input
        shell.keys("s-tab")
        shell.see_input("query-block")
        shell.keys("tab")
        shell.see_input(second)

    def test_completion_never_waits(self):
        server, shell = self.shell_on_fake(answers={"query-qmp-schema": None, "query-named-block-nodes": None})
        shell.text("query-v")
        shell.keys("tab")
        shell.see_input("query-version ")
        shell.keys("tab")
        shell.text("more")
        shell.see("query-version more")


class Checks(shell_harness.TestCase):
    def test_the_first_enter_warns_the_second_sends(self):
        shell = self.shell_on_qemu()
        shell.text("block_resize nod=x size=1")
        shell.keys("enter")
        shell.see("Enter sends it")
        shell.see_input("block_resize nod=x size=1")
        shell.keys("enter")
        shell.see("[ERR]")
        shell.see_input("")

    def test_a_warning_in_a_narrow_window_says_what_was_meant_and_what_enter_does(self):
        shell = self.shell_on_qemu()
        for columns, texts in ((80, ("there is no command 'qurey-status'", "did you mean 'query-status'?")),
                               (50, ("did you mean 'query-status'?",)), (30, ("there is no",))):
            shell.resize(12, columns)
            shell.text("qurey-status")
            shell.see_input("qurey-status")
            shell.keys("enter")
            shell.see("Enter sends it", *texts)
            shell.keys("c-u")
            shell.see_input("")

    def test_a_mistake_that_is_made_again_is_warned_of_again(self):
        shell = self.shell_on_qemu()
        for _ in range(2):
            shell.text("qurey-status")
            shell.keys("enter")
            shell.see("Enter sends it")
            shell.keys("c-u")
            shell.see_input("")
        shell.settle()
        self.assertFalse(any("qurey" in line for line in shell.log))

    def test_values_get_the_type_of_the_schema(self):
        shell = self.shell_on_qemu()
        shell.enter("/view json")
        shell.enter("device_del id=42")
        shell.see('"arguments":{"id":"42"}')
        shell.enter("block_resize node-name=5 size=16k")
        shell.see('"arguments":{"node-name":"5","size":16384}')
        shell.enter('device_del id:=7')
        shell.keys("enter")
        shell.see('"arguments":{"id":7}')

    def test_quotes_are_removed(self):
        shell = self.shell_on_qemu()
        shell.enter('human-monitor-command command-line="info version"')
        shell.see("[OK]", "7.2.")
        shell.enter("human-monitor-command command-line='info name'")
        shell.see_log("info name")
        self.assertNotIn("unknown command", shell.screen)

    def test_unbalanced_input_is_never_sent(self):
        server, shell = self.shell_on_fake()
        before = len([c for c in server.commands() if c != "query-qmp-schema"])
        for line in ('{"execute": "query-status"', "query-version a:={\"b\": [1", 'query-version a="open'):
            shell.enter(line)
            shell.see("not sent")
            shell.keys("enter")
            shell.settle()
            self.assertTrue(shell.input)
            shell.keys("c-c")
        self.assertEqual(len([c for c in server.commands() if c != "query-qmp-schema"]), before)

    def test_a_raw_message(self):
        shell = self.shell_on_qemu()
        shell.enter('{"execute": "query-name", "id": {"mine": null}}')
        shell.see("query-name", "[OK]")

    def test_a_pipe(self):
        shell = self.shell_on_qemu()
        shell.enter("query-version | .qemu.major")
        shell.wait(lambda: any(line.rstrip().endswith(" 7") for line in shell.log), "the part")

    def test_out_of_band(self):
        shell = self.shell_on_qemu()
        shell.enter("/view json")
        shell.text("query-yank")
        shell.keys("a-enter")
        shell.see('"exec-oob"')


class Targets(shell_harness.TestCase):
    def test_tcp(self):
        port = harness.free_port()
        self.world.start("-M", "none", "-nodefaults", "-display", "none", "-accel", "tcg", "-S",
                         "-qmp", f"tcp:127.0.0.1:{port},server=on,wait=off", program=["qemu-system-x86_64"])
        shell = self.attach("--socket", f"127.0.0.1:{port}")
        shell.see("connected to", f"127.0.0.1:{port}")
        shell.enter("query-name")
        shell.see("[OK]")

    def test_a_storage_daemon(self):
        path = self.sockets / "qsd.sock"
        self.world.start("--chardev", f"socket,id=q,path={path},server=on,wait=off", "--monitor", "chardev=q",
                         "--blockdev", "null-co,node-name=disk", program=["qemu-storage-daemon"])
        shell = self.attach("--socket", path)
        shell.see("connected to")
        shell.enter("query-named-block-nodes | .[0].node-name")
        shell.see("[OK]", "-- disk")
        self.assertNotIn("CommandNotFound", shell.screen)

    def test_a_guest_agent(self):
        def sync(request):
            reply = {"return": request["arguments"]["id"], **({"id": request["id"]} if "id" in request else {})}
            return b"\xff" * ("delimited" in request["execute"]) + json.dumps(reply).encode() + b"\n"

        server = self.fake(greeting=False, answers={
            "guest-sync-delimited": sync, "guest-sync": sync,
            "guest-info": {"version": "7.2", "supported_commands": [
                {"name": "guest-ping", "enabled": True}, {"name": "guest-get-time", "enabled": True}]},
            "guest-ping": {}})
        shell = self.attach("--agent", "--socket", server.path)
        shell.see("connected to the guest agent")
        shell.text("guest-pi")
        shell.keys("tab")
        shell.see_input("guest-ping ")
        shell.keys("enter")
        shell.see("[OK]")

    def test_a_socket_that_is_not_there_yet(self):
        path = self.sockets / "q.sock"
        shell = self.attach("--socket", path)
        shell.see("NOT CONNECTED", "tried again and again")
        shell.enter("query-status")
        shell.see("not connected", "[ERR]")
        self.qemu()
        shell.see("connected to", "prelaunch")
        shell.enter("query-name")
        shell.see("[OK]")

    def test_reconnecting_says_why_it_failed(self):
        path = self.sockets / "q.sock"
        shell = self.attach("--socket", path)
        shell.see("tried again and again")
        for times in (1, 2):
            shell.enter("/reconnect")
            shell.wait(lambda: sum("still not connected" in line for line in shell.log) == times, "an answer")
        shell.see(str(path), "try is in 100ms")
        self.qemu()
        shell.see("connected to")
        shell.enter("/reconnect")
        shell.wait(lambda: sum("connected to" in line and "QEMU" in line for line in shell.log) == 2, "another connection")

    def test_what_is_no_qmp_server(self):
        shell = self.attach("--socket", self.fake(before_greeting=b"RFB 003.008\n", greeting=False).path)
        shell.see("no QMP server", "RFB 003.008")

    def test_bad_words(self):
        for words in (("--socket", "host:port"), ("--socket", "host:123456")):
            self.assertIn("port", self.world.run("attach", "--ui", "json", *words, status=1).stderr)
        self.assertIn("nobody", self.world.run("attach", "--ui", "json", "nobody", status=None).stderr)

    def test_a_monitor_that_another_client_holds(self):
        path = self.qemu()
        holder = harness.QmpClient(path)
        shell = self.attach("--socket", path)
        shell.see("no greeting has come")
        holder.close()
        shell.see("prelaunch")


class Abuse(shell_harness.TestCase):
    """What servers do that break other clients (section 2 of what was measured of them)."""

    EVENT = b'{"event": "STOP", "data": {"early": true}, "timestamp": {"seconds": 1, "microseconds": 0}}'

    def check_alive(self, server, shell):
        shell.enter("query-version")
        harness.wait_until(lambda: "query-version" in server.commands(), "a command that is answered after it")
        shell.see_log("query-version")

    def test_events_before_the_greeting_and_the_first_reply(self):
        server, shell = self.shell_on_fake(before_greeting=self.EVENT + b"\r\n", before_caps_reply=self.EVENT + b"\r\n")
        shell.see("connected to")
        self.check_alive(server, shell)

    def test_messages_without_line_ends(self):
        server, shell = self.shell_on_fake(newline=b"", before_greeting=self.EVENT)
        server.event("STOP", {"a": 1})
        server.event("RESUME", {"b": 2})
        shell.see("STOP", "RESUME")
        self.check_alive(server, shell)

    def test_garbage(self):
        server, shell = self.shell_on_fake()
        for garbage in (b"garbage\r\n", b"\xff\xfe\x00\r\n", b"]\r\n", b'{"a": \r\n', b"[1, 2]\r\n", b'"word"\r\n', b"{}\r\n",
                        b'{"event": 5}\r\n', b'{"return": {}}\r\n', b'{"error": 5}\r\n', b'{"error": {"class": "X"}}\r\n'):
            server.say(garbage)
        shell.settle()
        self.assertTrue(shell.alive())
        server.hang_up()
        shell.wait(lambda: server.connections >= 2 and "running" in shell.status, "connected again")
        self.check_alive(server, shell)

    def test_an_error_without_an_id(self):
        server, shell = self.shell_on_fake()
        server.say({"error": {"class": "GenericError", "desc": "JSON parse error, stray"}})
        shell.see("JSON parse error, stray")
        self.check_alive(server, shell)

    def test_a_reply_to_nobody(self):
        server, shell = self.shell_on_fake()
        server.say({"return": {"stray": 1}, "id": "somebody else's"})
        server.say({"return": {}, "id": {"deep": [None, "\x1b[2J"]}})
        self.check_alive(server, shell)

    def test_an_unknown_event_and_members(self):
        server, shell = self.shell_on_fake()
        server.say({"event": "NEVER_HEARD_OF", "data": {"x": [1, {"y": None}]}, "more": 1, "timestamp": {"seconds": -1, "microseconds": -1}})
        shell.see_log("NEVER_HEARD_OF")
        self.check_alive(server, shell)

    def test_a_string_of_three_megabytes(self):
        server, shell = self.shell_on_fake(answers={"query-version": "x" * 3_000_000})
        for view in ("summary", "json-summary", "json", "pretty", "raw", "typed"):
            shell.enter(f"/view {view}")
            began = time.monotonic()
            shell.enter("query-version")
            shell.wait(lambda: "pending" not in shell.status and view in shell.status, "the reply")
            shell.text("k")
            shell.see_input("k")
            shell.keys("c-u")
            self.assertLess(time.monotonic() - began, 8, view)
        shell.keys("a-up", "a-up", "enter")
        shell.see("Details")
        shell.keys("v", "end", "pgup", "v", "end", "/")
        shell.enter("nothing")
        shell.keys("q", "q")
        shell.see("QMP Mode", seconds=10)

    def test_a_reply_of_eleven_megabytes(self):
        big = [{"name": f"node-{i}", "text": "y" * 100} for i in range(80_000)]
        server, shell = self.shell_on_fake(answers={"query-version": big})
        shell.enter("query-version")
        shell.text("typed meanwhile")
        shell.see_input("typed meanwhile", seconds=2)
        shell.wait(lambda: "[OK]" in shell.screen, "the reply")
        shell.keys("a-up")
        shell.see("Command History Mode")
        began = time.monotonic()
        shell.keys("enter")
        shell.see("Details")
        shell.keys("end")
        shell.see("node-79999") if "node-79999" in shell.screen else shell.settle()
        self.assertLess(time.monotonic() - began, 5)

    def test_a_burst_of_20_000_events_while_typing(self):
        server, shell = self.shell_on_fake()
        burst = b"".join(json.dumps({"event": name, "timestamp": {"seconds": 1700000000, "microseconds": i}}).encode() + b"\r\n"
                         for i in range(10_000) for name in ("STOP", "RESUME"))
        typed = "query-block a=1 b=2 c=3 d=4"
        began = time.monotonic()
        server.say(burst)
        for letter in typed:
            shell.text(letter)
        shell.see_input(typed, seconds=5)
        self.assertLess(time.monotonic() - began, 5)
        shell.see("x20000")
        self.assertIn("STOP/RESUME", shell.screen.replace("RESUME/STOP", "STOP/RESUME"))
        self.assertEqual(shell.input, typed)
        shell.keys("c-u")
        self.check_alive(server, shell)

    def test_a_burst_of_different_events(self):
        server, shell = self.shell_on_fake()
        server.say(b"".join(json.dumps({"event": f"E{i}", "timestamp": {"seconds": 1, "microseconds": i}}).encode() + b"\r\n" for i in range(20_000)))
        shell.text("typed")
        shell.see_input("typed", seconds=5)
        shell.see_log("E19999")
        shell.keys("c-u")
        shell.enter("/filter ~e E19998")
        shell.wait(lambda: len([line for line in shell.log if line]) == 1, "the filter")

    def test_commands_lost_with_the_connection(self):
        server, shell = self.shell_on_fake(answers={"query-version": None, "stop": None})
        shell.enter("query-version")
        shell.enter("stop")
        shell.see("2 pending")
        shell.text("half")
        server.leave()
        shell.see("NOT CONNECTED")
        shell.wait(lambda: shell.screen.count("[LOST]") == 2, "both lost")
        self.assertEqual(shell.input, "half")
        self.assertNotIn("pending", shell.status)
        server.answers["query-version"] = {}
        server.listen()
        shell.see("running")
        self.assertEqual(shell.input, "half")
        shell.keys("c-u")
        shell.enter("query-version")
        shell.see("[OK]")
        self.assertEqual(shell.screen.count("[LOST]"), 2)

    def test_lost_commands_pass_a_filter_for_them(self):
        server, shell = self.shell_on_fake(answers={"query-version": None})
        shell.enter("/filter ~lost")
        shell.enter("query-version")
        shell.see("1 pending")
        server.leave()
        shell.see("[LOST]")

    def test_nothing_is_sent_to_the_next_connection(self):
        server, shell = self.shell_on_fake(answers={"stop": None})
        shell.enter("stop")
        shell.see("1 pending")
        server.hang_up()
        shell.wait(lambda: server.connections >= 2 and "running" in shell.status, "connected again")
        self.check_alive(server, shell)
        self.assertEqual(server.commands().count("stop"), 1)

    def test_a_server_that_hangs_up_at_once(self):
        server = self.fake(greeting=b"")
        server.greeting = b'{"QMP": '
        shell = self.attach("--socket", server.path)
        shell.text("typed")
        shell.see_input("typed")
        for _ in range(3):
            harness.wait_until(lambda: server.connection and server.connection.fileno() >= 0, "a connection")
            count = server.connections
            try:
                server.hang_up()
            except OSError:
                pass
            harness.wait_until(lambda: server.connections > count, "another try", 20)
        self.assertTrue(shell.alive())
        server.greeting = FakeServer.GREETING
        server.hang_up()
        shell.see("connected to")
        shell.see_input("typed")

    def test_qemu_killed_and_started_again(self):
        shell = self.shell_on_qemu()
        shell.enter("query-name")
        shell.see("[OK]")
        self.end_qemu()
        shell.see("NOT CONNECTED")
        shell.see("query-name")
        (self.sockets / "q.sock").unlink()
        self.qemu()
        shell.see("prelaunch")
        shell.enter("query-version")
        shell.wait(lambda: "[OK]" in shell.see_log("query-version"), "the reply")

    def test_quit_ends_the_vm_and_not_the_shell(self):
        shell = self.shell_on_qemu()
        shell.enter("quit")
        shell.see("NOT CONNECTED")
        self.assertTrue(shell.alive())

    def test_hostile_text(self):
        server, shell = self.shell_on_fake(
            answers={"query-version": {"name": HOSTILE, HOSTILE: [HOSTILE]}, "query-status": {"status": HOSTILE},
                     "query-commands": [{"name": "query-" + HOSTILE}, {"name": "query-version"}],
                     "query-jobs": [{"id": HOSTILE, "type": HOSTILE, "current-progress": 1, "total-progress": 2}],
                     "query-migrate": {"status": HOSTILE, "ram": {"total": 1, "remaining": 0}}})
        server.event(HOSTILE, {HOSTILE: HOSTILE})
        server.say(b'{"event": "RAW", "data": {"a": "\xc3\x28 \x9b31m \x1b]52;c;AAAA\x07"}, "timestamp": {"seconds": 1, "microseconds": 0}}\r\n')
        server.say({"error": {"class": HOSTILE, "desc": HOSTILE}})
        server.say({"return": {}, "id": HOSTILE})
        for view in ("summary", "json-summary", "json", "pretty", "raw", "typed"):
            shell.enter(f"/view {view}")
            shell.enter("query-version")
            shell.settle()
            shell.keys("a-up", "enter", "down", "down", "v", "end", "q", "a-up", "enter", "q", "q", "esc")
        shell.text("query-")
        shell.keys("tab", "tab", "c-u")
        shell.enter("query-" + HOSTILE.replace("\r\n", "") + " x=" + HOSTILE.split("\r")[0])
        shell.enter("/search owned")
        shell.settle()
        self.assertEqual(shell.copied, [])
        self.assertTrue(shell.alive())

    def test_a_hostile_package_name(self):
        greeting = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": HOSTILE}, "capabilities": []}}
        shell = self.attach("--socket", self.fake(greeting=greeting).path)
        shell.see("connected to")

    def test_no_more_than_seven_in_flight(self):
        server, shell = self.shell_on_fake(answers={"query-version": None})
        for _ in range(12):
            shell.enter("query-version")
        shell.see("12 pending")
        in_flight = [r for r in server.received if r.get("execute") == "query-version"]
        self.assertLessEqual(len(in_flight), 7)
        server.answers["query-version"] = {}
        for request in in_flight:
            server.say({"return": {}, "id": request["id"]})
        shell.see_not("pending")
        self.assertEqual(server.commands().count("query-version"), 12)


class Vm(shell_harness.TestCase):
    def test_by_name_and_two_of_them(self):
        for name in ("one", "two"):
            self.world.run("up", self.world.write(f"{name}/vm.toml", 'memory = "64M"\nmachine.accel = "tcg"\n'))
        shell = self.attach("one", "two")
        shell.see("[1:one]", "2:two", "running")
        shell.enter("stop")
        shell.see("STOP", "paused")
        shell.keys("a-2")
        shell.see("[2:two]", "running")
        self.assertNotIn("STOP", shell.screen)
        self.assertEqual(self.world.qmp("one", "query-status")["status"], "paused")
        self.assertEqual(self.world.qmp("two", "query-status")["status"], "running")
        shell.keys("a-1")
        shell.enter("cont")
        shell.see("RESUME")
        self.world.run("kill", "one")
        shell.see("NOT CONNECTED")
        self.world.run("up", self.world.base / "one/vm.toml")
        shell.see("running")

    def test_a_vm_that_does_not_run(self):
        result = self.world.run("attach", "--ui", "json", "nobody", status=None)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("nobody", result.stderr)


class Plain(shell_harness.TestCase):
    """Without a screen."""

    def plain(self, text, *arguments, status=0):
        import tempfile
        with tempfile.TemporaryFile("w+") as keys:
            keys.write(text)
            keys.seek(0)
            return self.world.run("attach", *arguments, stdin=keys, status=status, timeout=60)

    def test_a_pipe_gets_no_banner_and_no_prompt(self):
        path = self.qemu()
        result = self.plain("query-status\n", "--plain", "--socket", path)
        self.assertIn('"status": "prelaunch"', result.stdout)
        self.assertNotIn("Welcome", result.stdout)
        self.assertNotIn("> ", result.stdout.replace("-> ", ""))
        self.assertNotIn("\x1b", result.stdout)

    def test_several_entries_one_after_the_other(self):
        path = self.qemu()
        result = self.plain("# a comment\nquery-name\n\ncont\nquery-status\nstop\nquery-version | .qemu.major", "--socket", path)
        self.assertLess(result.stdout.index("query-name"), result.stdout.index("query-status"))
        self.assertIn('"status": "running"', result.stdout)
        self.assertIn("STOP", result.stdout)
        self.assertRegex(result.stdout, r"(?m)\b7$")

    def test_a_thousand_entries(self):
        result = self.plain("query-name\n" * 1000, "--socket", self.qemu())
        self.assertGreaterEqual(result.stdout.count("[OK]"), 1000)

    def test_an_unbalanced_end(self):
        result = self.plain('{"execute": "query-name"', "--socket", self.qemu(), status=None)
        self.assertNotIn("[OK]", result.stdout)


if __name__ == "__main__":
    harness.main()
