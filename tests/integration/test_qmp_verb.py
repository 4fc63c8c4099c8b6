# SPDX-License-Identifier: GPL-3.0-or-later
"""`qvm qmp` and `qvm events`: the grammar on a real QEMU, one command at a time and many from standard input."""
import json
import socket
import subprocess
import tempfile
import threading

import harness


class Foreign(harness.TestCase):
    """A QEMU that qvm did not start."""

    def setUp(self):
        super().setUp()
        self.socket = self.world.directory("q") / "q.sock"
        self.qemu = self.world.start("-M", "q35", "-nodefaults", "-display", "none", "-accel", "tcg", "-S",
                                     "-qmp", f"unix:{self.socket},server,nowait",
                                     "-device", "pcie-root-port,id=root0", program=["qemu-system-x86_64"])
        self.addCleanup(self.end_qemu)
        harness.wait_until(self.socket.exists, "QEMU's monitor")

    def end_qemu(self):
        self.qemu.kill()
        self.qemu.wait()
        harness.reaper.forget(self.qemu)

    def tearDown(self):
        self.end_qemu()
        super().tearDown()

    def run_qmp(self, *words, **options):
        return self.world.run("qmp", "--socket", self.socket, *words, **options)

    def ask(self, *words):
        return json.loads(self.run_qmp(*words).stdout)

    def lines(self, text, *options, status=0):
        with tempfile.TemporaryFile("w+") as file:
            file.write(text)
            file.seek(0)
            result = self.run_qmp(*options, "-", status=status, stdin=file)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def test_a_command(self):
        self.assertEqual(self.ask("query-status")["status"], "prelaunch")
        self.assertEqual(self.ask("query-status", "-r", ".status"), "prelaunch")
        self.assertEqual(self.ask("query-status | .status"), "prelaunch")
        self.assertEqual(self.ask('{"execute": "query-status"}')["status"], "prelaunch")
        self.assertRegex(self.ask("human-monitor-command", "command-line=info version"), r"^\d+\.")

    def test_values_are_typed_by_the_schema(self):
        self.ask("blockdev-add", "driver=null-co", "node-name=n0", "size=0x100000", "read-only=on")
        self.ask("blockdev-add", "{driver: raw, node-name: n1, file: n0, read-only: on}")
        nodes = {node["node-name"]: node for node in self.ask("query-named-block-nodes", "flat=on")}
        self.assertEqual(nodes["n0"]["image"]["virtual-size"], 1 << 20)
        self.assertTrue(nodes["n1"]["ro"])
        # addr is int32 to QEMU, where "2" is slot 2, and 2 is slot 0, function 2.
        self.ask("device_add", "driver=virtio-net-pci", "bus=root0", "id=nic", "addr=0", "mq=on", "rx_queue_size=512")
        self.assertEqual(self.ask("qom-get", "path=/machine/peripheral/nic", "property=rx_queue_size"), 512)

    def test_files_and_other_commands(self):
        path = self.world.write("words", "info name")
        self.ask("human-monitor-command", f"command-line=@{path}")
        self.ask("object-add", "qom-type=secret", "id=s", "data=$(query-status .status)")
        self.assertIn("s", self.ask("qom-list path=/objects | .[].name"))
        self.assertIn("cannot read", self.run_qmp("human-monitor-command", "command-line=@/no/such", status=2).stderr)

    def test_mistakes(self):
        unknown = self.run_qmp("query-statuss", status=1)
        self.assertIn("did you mean 'query-status'?", unknown.stderr)
        self.assertEqual(unknown.stdout, "")
        wrong = self.run_qmp("blockdev-add", "driver=null-co", "node-nam=n0", "size=1M", status=2)
        self.assertIn("did you mean 'node-name'?", wrong.stderr)
        self.assertIn("--force", wrong.stderr)
        self.run_qmp("--force", "blockdev-add", "driver=null-co", "node-nam=n0", "size=1M", status=1)
        self.assertIn("column 14: the '{' has no '}'", self.run_qmp("blockdev-add", '{"a": 1', status=2).stderr)
        self.assertIn("no member 'stat'", self.run_qmp("query-status", "-r", ".stat", status=2).stderr)
        self.assertIn("command of the shell", self.run_qmp("/help", status=2).stderr)
        self.run_qmp("stop", "&", status=2)
        self.run_qmp(status=2)
        self.world.run("qmp", "--socket", self.world.base / "none", "query-status", status=3)
        self.run_qmp("--timeout", "soon", "query-status", status=2)

    def serve(self, clients, **returns):
        """A scripted server for so many clients, one after the other: its socket, and what it is asked for."""
        path, asked = self.world.base / "served.sock", []

        def run():
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
                path.chmod(0o777)
                listener.listen()
                listener.settimeout(60)
                for _ in range(clients):
                    connection, _ = listener.accept()
                    with connection, connection.makefile("rw") as stream:
                        stream.write('{"QMP": {"version": {"qemu": {"major": 9, "minor": 0, "micro": 0}, "package": ""}, "capabilities": []}}\n')
                        stream.flush()
                        for line in stream:
                            message = json.loads(line)
                            asked.append(message["execute"])
                            answer = {"return": returns.get(message["execute"].replace("-", "_"), {})}
                            if message["execute"] == "query-qmp-schema" and "query_qmp_schema" not in returns:
                                answer = {"error": {"class": "CommandNotFound", "desc": "no"}}
                            stream.write(json.dumps({**answer, "id": message["id"]}) + "\n")
                            stream.flush()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 60)
        harness.wait_until(path.exists, "the server")
        return path, asked

    def test_json_asks_for_no_schema(self):
        """Introspection would cost QEMU 30 ms: a command that needs no types must not ask for it."""
        served, asked = self.serve(3)
        self.world.run("qmp", "--socket", served, "balloon", '{"value": 1}')
        self.world.run("qmp", "--socket", served, "device_del", "id=disk0")
        self.assertNotIn("query-qmp-schema", asked)
        self.world.run("qmp", "--socket", served, "balloon", "value=1")  # a server without a schema is no obstacle
        self.assertIn("query-qmp-schema", asked)
        self.assertEqual(asked[-1], "balloon")

    def test_the_schema_is_asked_for_once(self):
        """The next command finds it on disk, as the shell does."""
        schema = [{"name": "balloon", "meta-type": "command", "arg-type": "1", "ret-type": "0"},
                  {"name": "0", "meta-type": "object", "members": []},
                  {"name": "1", "meta-type": "object", "members": [{"name": "value", "type": "str"}]},
                  {"name": "str", "meta-type": "builtin", "json-type": "string"}]
        served, asked = self.serve(2, query_qmp_schema=schema, query_commands=[{"name": "balloon"}])
        self.world.run("qmp", "--socket", served, "balloon", "value=1")
        self.world.run("qmp", "--socket", served, "balloon", "valu=1", status=2)  # and it knows it
        self.assertEqual(asked.count("query-qmp-schema"), 1)

    def test_lines(self):
        out = self.lines("query-status\n# a comment\n\nquery-kvm | .enabled\nfoo\nblockdev-add {\n driver: null-co,\n node-name: n }\n"
                         "query-named-block-nodes | .[].node-name\nbad {x: 1\n\nstop", status=1)
        self.assertEqual(out[0]["return"]["status"], "prelaunch")
        self.assertEqual(out[1], {"return": False})
        self.assertEqual(out[2]["error"]["class"], "CommandNotFound")
        self.assertEqual(out[3], {"return": {}})
        self.assertEqual(out[4], {"return": ["n"]})
        self.assertEqual(out[5]["error"], {"class": "Invalid", "desc": "column 5: the '{' has no '}'"})
        self.assertEqual(out[6], {"return": {}})
        self.assertEqual(len(out), 7)
        self.assertEqual(self.lines(""), [])
        out = self.lines("blockdev-add driver=null-co node-name=m\nobject-add qom-type=secret id=m data=$(query-named-block-nodes flat=on | grep m | .[0].node-name)\n")
        self.assertEqual(out, [{"return": {}}, {"return": {}}])  # what is asked within a command sees what came before it
        self.assertEqual(self.lines("query-status\n" * 500, "-r", ".status"), [{"return": "prelaunch"}] * 500)

    def test_lines_are_answered_as_they_come(self):
        process = self.world.start("qmp", "--socket", self.socket, "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3):
            process.stdin.write("query-status\n")
            process.stdin.flush()
            self.assertEqual(json.loads(process.stdout.readline())["return"]["status"], "prelaunch")
        process.stdin.close()
        self.assertEqual(process.wait(30), 0)
        process.stdout.close()
        harness.reaper.forget(process)

    def test_the_connection_ends(self):
        process = self.world.start("qmp", "--socket", self.socket, "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdin.write("query-status\n")
        process.stdin.flush()
        process.stdout.readline()
        self.qemu.kill()
        self.qemu.wait()
        out, _ = process.communicate("query-status\n", timeout=30)
        harness.reaper.forget(process)
        self.assertEqual(json.loads(out)["error"]["class"] in ("Invalid", "Disconnected"), True)
        self.assertEqual(process.returncode, 3)

    def test_wait_for_an_event(self):
        result = self.run_qmp("cont", "--wait", "RESUME")
        decoder = json.JSONDecoder()
        reply, end = decoder.raw_decode(result.stdout)
        self.assertEqual(reply, {})
        self.assertEqual(json.loads(result.stdout[end:])["event"], "RESUME")
        late = self.run_qmp("stop", "--wait", "STOP reason=never", "--timeout", "500ms", status=4)
        self.assertIn("no STOP reason=never came within 500ms", late.stderr)
        self.run_qmp("stop", "--wait", "=x", status=2)


class Events(harness.TestCase):
    def test_match(self):
        self.start_guest("guest")
        events = self.world.start("events", "--match", "RES*", "--match", "JOB_STATUS_CHANGE status=concluded id!=x",
                                  "--count", "2", "--timeout", "60s", "guest", stdout=subprocess.PIPE, text=True)
        harness.wait_until(lambda: self.world.status("guest").get("attach-clients", 0) >= 2, "qvm events to be attached")
        self.world.run("qmp", "guest", "stop")
        self.world.run("qmp", "guest", "cont")
        self.world.run("qmp", "guest", "-", status=0)
        self.world.run("qmp", "guest", "stop")
        self.world.run("qmp", "guest", "cont")
        out, _ = events.communicate(timeout=60)
        harness.reaper.forget(events)
        self.assertEqual([json.loads(line)["event"] for line in out.splitlines()], ["RESUME", "RESUME"])
        self.assertEqual(events.returncode, 0)
        self.world.run("events", "--match", "x=1", "guest", status=2)
        self.world.run("events", "--timeout", "200ms", "guest", status=4)


if __name__ == "__main__":
    harness.main()
