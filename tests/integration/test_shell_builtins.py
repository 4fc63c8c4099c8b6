# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the shell itself: files, pictures, macros, replay, watching others."""
import json
import os
import stat

import harness
import shell_harness

DISK = ("-blockdev", '{"driver": "null-co", "node-name": "below", "size": 1048576}',
        "-blockdev", '{"driver": "raw", "node-name": "above", "file": "below"}',
        "-device", "virtio-blk-pci,id=disk,drive=above")


class Files(shell_harness.TestCase):
    def ran(self, shell, *entries):
        for entry in entries:
            shell.enter(entry)
            shell.wait(lambda: any(entry.split()[0] in line and "[" in line for line in shell.log), f"{entry} done")
        shell.wait(lambda: "pending" not in shell.status, "every reply")

    def test_save_and_load(self):
        shell = self.shell_on_qemu()
        self.ran(shell, "query-version", "query-name")
        file = self.sockets / "saved.jsonl"
        shell.enter(f"/save {file}")
        shell.see("saved", "/load")
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        messages = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertIn({"execute": "query-version"}, [{k: v for k, v in m["msg"].items() if k == "execute"} for m in messages if m["dir"] == "client"])
        shell.enter(f"/load {file}")
        shell.see("saved.jsonl", "a loaded log", "query-version", "[OK]")
        shell.enter("/search query-version")
        shell.keys("enter")
        shell.see("Details: query-version")
        shell.keys("q", "q")
        shell.enter("query-name")
        shell.see("not connected")
        shell.keys("a-1")
        shell.see("prelaunch")

    def test_a_log_is_looked_at_without_a_vm(self):
        file = self.world.write("old.jsonl", '{"t":1,"dir":"client","msg":{"execute":"cont","id":1}}\n'
                                             '{"t":2,"dir":"server","msg":{"return":{},"id":1}}\nrubbish\n')
        shell = self.attach("--load", file)
        shell.see("cont [OK]", "rubbish", "a loaded log")
        self.assertIn("No such file", self.world.run("attach", "--ui", "json", "--load", "nowhere", status=1).stderr)

    def test_what_cannot_be_saved_or_loaded_is_told(self):
        shell = self.shell_on_qemu()
        shell.enter("/save /nowhere/at/all")
        shell.see("/nowhere/at/all", "No such file")
        shell.enter("/load /nowhere/at/all")
        shell.see("/load: cannot open '/nowhere/at/all': No such file")
        shell.enter("/load")
        shell.see("which file?")

    def test_the_automatic_log(self):
        shell = self.shell_on_qemu()
        shell.enter("/log on")
        shell.see("logged to")
        self.ran(shell, "query-name", "set_password protocol=vnc password=hunter2")
        file = next((self.world.base / "state/qvm/shell").glob("*.jsonl"))
        harness.wait_until(lambda: "set_password" in file.read_text(), "the command in the log")
        self.assertNotIn("hunter2", file.read_text())
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        shell.enter("/log off")
        self.ran(shell, "query-version")
        self.assertNotIn("query-version", file.read_text())

    def test_export(self):
        shell = self.shell_on_qemu()
        self.ran(shell, "query-name", "cont")
        shell.enter("/export sh")
        shell.see("#!/bin/sh", "qvm qmp", "query-name")
        shell.keys("q")
        for kind, holds in (("json", '"execute"'), ("python", "QMPClient"), ("iotest", "iotests"), ("sh", "#!/bin/sh")):
            file = self.sockets / f"export.{kind}"
            shell.enter(f"/export {kind} {file}")
            shell.see(f"export.{kind}", "items to")
            self.assertIn(holds, file.read_text())
        shell.enter("/export perl")
        shell.see("json, sh, python or iotest")

    def test_an_exported_script_runs(self):
        path = self.world.write("vm.toml", 'name = "vm"\nmemory = "64M"\nmachine.accel = "tcg"\n')
        self.world.run("up", path)
        shell = self.attach("vm")
        shell.see("running")
        self.ran(shell, "stop", "query-name")
        file = self.sockets / "export.sh"
        shell.enter(f"/export sh {file}")
        shell.see("items to")
        shell.enter("cont")
        shell.see("RESUME")
        tools = self.world.directory("tools")
        (tools / "qvm").symlink_to(self.world.qvm)
        environment = {"PATH": f"{tools}:{os.environ['PATH']}"}
        if not harness.as_user():
            self.world.run(file, "vm", program=["sh"], env=environment)
            self.assertEqual(self.world.qmp("vm", "query-status")["status"], "paused")

    def test_replay_tells_what_differs(self):
        shell = self.shell_on_qemu()
        self.ran(shell, "query-status", "query-name")
        file = self.sockets / "saved.jsonl"
        shell.enter(f"/save {file}")
        shell.see("saved")
        shell.enter("cont")
        shell.see("RESUME")
        shell.enter(f"/replay {file} --diff")
        shell.see("replies differ", "prelaunch")
        shell.enter(f"/replay {file}")
        shell.see("replayed 3 commands" if "cont" in file.read_text() else "replayed 2 commands")
        shell.enter("/replay /nowhere")
        shell.see("/nowhere")

    def test_macros(self):
        shell = self.shell_on_qemu()
        shell.enter("/macro record twice")
        shell.see("recording")
        self.ran(shell, "query-name", "query-version")
        shell.enter("/macro stop")
        shell.see("2 entries")
        macro = next((self.world.home / ".config/qvm/macros").iterdir())
        self.assertEqual(macro.read_text(), "query-name\nquery-version\n")
        shell.enter("/clear")
        shell.see_not("query-name")
        shell.enter("/macro run twice")
        shell.see("query-name", "query-version")
        shell.enter("/macro list")
        shell.see("macros: twice")
        shell.enter("/macro edit twice")
        shell.see("query-name")
        shell.keys("c-e", "a-enter")
        shell.text("query-status")
        shell.keys("enter")
        shell.see("3 entries")
        self.assertTrue(macro.read_text().endswith("query-status\n"))
        shell.enter("/macro run ../../evil")
        shell.see("a name has letters")
        shell.enter("/macro delete twice")
        harness.wait_until(lambda: not macro.exists(), "the macro's end")
        shell.enter("/macro run twice")
        shell.see("there is no macro 'twice'")

    def test_a_macro_that_runs_itself_ends(self):
        self.world.directory("home/.config/qvm/macros")
        self.world.write("home/.config/qvm/macros/loop", "/macro run loop\n")
        shell = self.shell_on_qemu()
        shell.enter("/macro run loop")
        shell.see("too deeply")
        shell.enter("query-name")
        shell.see("query-name [OK]")


class Server(shell_harness.TestCase):
    def test_wait_for_an_event(self):
        server, shell = self.shell_on_fake()
        shell.enter("/wait STOP 300ms")
        shell.see("STOP did not come within 300ms")
        shell.enter("/wait DEVICE_DELETED device=b 60s")
        server.event("DEVICE_DELETED", {"device": "a"})
        shell.see("device=a")
        server.event("DEVICE_DELETED", {"device": "b"})
        shell.see("device=b")
        shell.enter("/wait")
        shell.see("name is missing")

    def test_job_wait(self):
        shell = self.shell_on_qemu(more=DISK)
        shell.enter("/job wait nobody")
        shell.see("there is no job 'nobody'")
        shell.enter("blockdev-create job-id=j options={driver: 'file', filename: '/nowhere/x', size: 0}")
        shell.see("blockdev-create", "JOB_STATUS_CHANGE")
        shell.enter("/job wait j 10s")
        shell.enter("query-jobs")
        shell.see("concluded")
        self.assertNotIn("had not concluded", shell.screen)

    def test_watch_needs_a_supervisor(self):
        shell = self.shell_on_qemu()
        shell.enter("/watch")
        shell.see("only the attach socket of a VM that qvm supervises")

    def test_watch(self):
        self.world.run("up", self.world.write("vm.toml", 'name = "vm"\nmemory = "64M"\nmachine.accel = "tcg"\n'))
        shell = self.attach("vm")
        shell.see("running")
        shell.enter("/watch")
        shell.see("is shown from now on")
        self.world.run("qmp", "vm", "query-name")
        shell.see("query-name [OK]")
        self.assertRegex(shell.see_log("query-name"), r"\(\S+ \d+\)")
        shell.enter("/watch off")
        shell.see("no longer shown")
        self.world.run("qmp", "vm", "query-uuid")
        shell.settle()
        self.assertNotIn("query-uuid", shell.screen)

    def test_hmp(self):
        shell = self.shell_on_qemu(more=DISK)
        shell.enter("/hmp info status")
        shell.see("VM status: paused", "QMP: query-status")
        shell.enter("/hmp info qtree")
        shell.see("hmp: info qtree", "bus: main-system-bus")
        shell.keys("q")
        shell.enter("/hmp")
        shell.see("a command of the human monitor is missing")

    def test_aliases(self):
        shell = self.shell_on_qemu()
        shell.enter("/alias st query-status")
        shell.enter("/st")
        shell.see("query-status", "[OK]")
        shell.enter("/alias quit query-name")
        shell.see("a command of the shell already")
        shell.enter("/sst")
        shell.see("there is no shell command '/sst'")

    def test_diff(self):
        server, shell = self.shell_on_fake(answers={"query-version": {"a": 1, "b": 2}, "stop": {"a": 1, "b": 3}})
        for command in ("query-version", "stop"):
            shell.enter(command)
            shell.see(f"{command} [OK]")
        shell.keys("a-up", "enter")
        shell.see("Details: stop  item 4")  # after the welcome, the connection and the other command
        shell.keys("q", "q")
        shell.enter("/diff 3 4")
        shell.see("Diff:")
        self.assertRegex(shell.screen, r"\.return\.b: 3")


class Pictures(shell_harness.TestCase):
    def test_block_graph(self):
        shell = self.shell_on_qemu(more=DISK)
        shell.enter("/graph block")
        shell.see("above", "below", "null-co")
        shell.keys("q")
        for kind, holds in (("dot", "digraph"), ("svg", "<svg")):
            file = self.sockets / f"graph.{kind}"
            shell.enter(f"/graph block --{kind} {file}")
            shell.see(f"bytes of {kind}")
            self.assertIn(holds, file.read_text())
            self.assertIn("above", file.read_text())
        shell.enter("/graph everything")
        shell.see("block, qom [PATH] or pci")

    def test_pci_and_qom_graphs(self):
        shell = self.shell_on_qemu(more=DISK)
        shell.enter("/graph pci")
        shell.see("Host bridge")
        shell.keys("q")
        shell.enter("/graph qom /machine/peripheral")
        shell.see("disk [virtio-blk-pci]")

    def test_tables_in_the_details(self):
        shell = self.shell_on_qemu(more=DISK)
        shell.enter("query-named-block-nodes")
        shell.wait(lambda: "[OK]" in shell.see_log("query-named-block-nodes"), "the reply")
        shell.keys("a-up", "enter")
        shell.see("above", "below", "null-co")
        self.assertNotIn('"return"', shell.screen)
        shell.keys("v")
        shell.see('"return"')
        shell.keys("v")
        shell.see('{"return": [{')
        shell.keys("v")
        shell.see_not('"return"')

    def test_top(self):
        shell = self.shell_on_qemu(more=DISK)
        shell.enter("/top")
        shell.see("Top", "vCPU")
        shell.keys("q")
        shell.see("QMP Mode")

    def test_help_names_every_command(self):
        shell = self.shell_on_qemu()
        shell.resize(100, 100)
        shell.enter("/help")
        for name in ("/alias", "/bind", "/graph", "/macro", "/replay", "/watch", "/window"):
            shell.see(name)
        self.assertIn("qvm-shell(7)", "".join(shell.lines))


if __name__ == "__main__":
    harness.main()
