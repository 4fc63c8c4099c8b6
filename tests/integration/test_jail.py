# SPDX-License-Identifier: GPL-3.0-or-later
"""What users see of the jail: any command in one, its plan, and what the kernel says of it."""
import ctypes
import json
import os
import pathlib
import shutil
import unittest

import harness

CALL_NAME = "unshare"  # of a call that every jail refuses


def verdicts(process):
    return {row["property"]: row.get("verdict") for row in process["properties"]}


def has_landlock():
    """ABI 1 and up, as landlock_create_ruleset(2) tells it."""
    return ctypes.CDLL(None, use_errno=True).syscall(444, None, 0, 1) > 0


def may_read_the_kernels_log():
    try:
        os.close(os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK))
    except OSError:
        return False
    logged = pathlib.Path("/proc/sys/kernel/seccomp/actions_logged")
    return not harness.as_user() and logged.exists() and "errno" in logged.read_text().split()


class AnyCommand(harness.TestCase):
    def jail(self, *words, **options):
        return self.world.run("jail", *words, **options)

    def shell(self, script, *options, **more):
        return self.jail("--bind-ro", "/usr/bin", *options, "--", "sh", "-c", script, **more)

    def test_streams_and_status_are_the_commands_own(self):
        self.assertEqual(self.jail("--", "/bin/echo", "one", "--json", "plan").stdout, "one --json plan\n")
        self.assertEqual(self.jail("echo", "two").stdout, "two\n")
        self.shell("echo no >&2; exit 7", status=7)
        self.shell("kill -TERM $$", status=128 + 15)
        file = self.world.write("words", "from here\n")
        with file.open() as stdin:
            self.assertEqual(self.jail("--", "cat", stdin=stdin).stdout, "from here\n")

    def test_nothing_of_the_host_is_there(self):
        self.assertEqual(self.shell("ls / /etc /home /proc /sys 2>/dev/null; id -u", "--bind-ro", "/usr/sbin").stdout.split(),
                         ["/:", "dev", "lib", "lib64", "usr", "1000"])
        self.assertIn("Read-only", self.shell("echo x >/usr/bin/x", status=None).stderr)
        self.assertIn("TOKEN=[]", self.shell('echo "TOKEN=[$TOKEN]"', env={"TOKEN": "secret"}).stdout)
        self.assertIn("TOKEN=[secret]", self.shell('echo "TOKEN=[$TOKEN]"', "--env", "TOKEN", env={"TOKEN": "secret"}).stdout)

    def test_what_the_kernel_says_inside(self):
        status = dict(line.split(":\t", 1) for line in self.shell("cat /proc/self/status", "--proc").stdout.splitlines() if ":\t" in line)
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[capabilities], 16), 0, capabilities)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")
        self.assertIn("not permitted", self.shell("unshare --user true", status=None).stderr)
        self.assertIn("ermitted", self.shell("kill -9 1", status=None).stderr)

    def test_a_directory_that_may_be_written(self):
        directory = self.world.directory("shared")
        directory.chmod(0o777)
        made = self.shell("cd /w && ln -s a link && mkfifo pipe && echo x >file && mkdir d && mv file d && ls", "--bind-rw", f"{directory}:/w")
        self.assertEqual(made.stdout.split(), ["d", "link", "pipe"])
        self.assertEqual((directory / "d/file").read_text(), "x\n")
        self.shell("cp /usr/bin/true /w/true; /w/true", "--bind-rw", f"{directory}:/w", status=126)
        self.assertEqual(self.shell("touch /tmp/a && ls /tmp", "--tmpfs", "/tmp").stdout, "a\n")

    def test_network(self):
        interfaces = self.shell("cat /proc/net/dev", "--proc", status=None).stdout
        self.assertNotIn("eth", interfaces)
        refused = self.jail("--", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/1", status=1)
        self.assertNotIn("Connection refused", refused.stderr)
        there = self.jail("--net", "host", "--", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/1", status=1)
        self.assertIn("Connection refused", there.stderr)

    def test_landlock_is_a_choice(self):
        self.jail("--landlock", "off", "--", "true")
        self.jail("--landlock", "require", "--", "true", status=0 if has_landlock() else 125)

    def test_words_that_make_no_sense(self):
        for words, says in ((["--", "no-such-program"], "no-such-program"), (["--net", "x", "--", "true"], "--net x"),
                            (["--profile", "qem", "--", "true"], "'qemu'"), (["--limit", "a=1", "--", "true"], "nofile"),
                            (["--landlock", "on", "--", "true"], "auto, require and off"), (["--bogus", "--", "true"], "there is no option '--bogus'"),
                            (["--fd", "77", "--", "true"], "descriptor 77"), ([], "no command"),
                            (["--bind-ro", "/nonexistent", "--", "true"], "/nonexistent")):
            result = self.jail(*words, status=125)
            self.assertIn(says, result.stderr, words)
            self.assertIn("qvm: ", result.stderr)
        self.assertIn("did you mean '--json'?", self.jail("plan", "--jsn", status=1).stderr)
        self.assertIn("did you mean `qvm jail plan`?", self.jail("plna", status=125).stderr)
        refused = self.jail("--uid", "0" if not harness.as_user() else "70000", "--", "true", status=125)
        self.assertIn("root cannot be" if not harness.as_user() else "--uid is for root", refused.stderr)


class OfAVm(harness.TestCase):
    def bare(self, more="", name="bare"):
        """A VM without a guest: what is asked is only its jail."""
        return self.world.write(f"{name}/vm.toml", f'memory = "64M"\nmachine.accel = "tcg"\n{more}\n')

    def verdict(self, status=0, name="bare"):
        return json.loads(self.world.run("status", "--jail", "--json", name, status=status).stdout)

    def test_plan(self):
        disk = self.world.image("disks/a.qcow2")
        file = self.bare(f'disk.a.file = "{disk}"\njail = {{ on-violation = "kill", landlock = "off", binds-ro = ["/usr/share/misc"] }}')
        plan = json.loads(self.world.run("jail", "plan", "--json", file).stdout)
        self.assertEqual(plan["capabilities"], [])
        self.assertEqual(plan["namespaces"]["net"], "new")
        self.assertEqual(plan["seccomp"]["other-calls"], "kill")
        self.assertEqual(plan["landlock"]["mode"], "off")
        self.assertIn("/usr/share/misc", [mount["target"] for mount in plan["mounts"]])
        self.assertIn(str(disk), [fd["what"] for fd in plan["fds"]])
        text = self.world.run("jail", "plan", file).stdout
        self.assertIn(str(disk), text)
        self.assertIn("ends QEMU", text)
        self.assertFalse((self.world.base / "state/qvm/bare").exists())
        plain = json.loads(self.world.run("jail", "plan", "--json", "--no-host", self.bare(name="plain")).stdout)
        self.assertNotIn("host-abi", plain["landlock"])
        self.assertEqual(plain["landlock"]["paths"][0], {"path": "/", "rights": ["read_file", "read_dir"]})

    def test_plan_is_what_the_kernel_shows(self):
        file = self.bare()
        plan = json.loads(self.world.run("jail", "plan", "--json", file).stdout)
        self.world.run("up", file)
        qemu = next(p for p in self.verdict()["processes"] if p["process"] == "qemu")
        planned = {mount["target"] for mount in plan["mounts"]} | {"/"}
        self.assertEqual({mount["target"] for mount in qemu["mounts"]}, planned)
        self.assertLessEqual({fd["number"] for fd in plan["fds"]}, {str(fd["number"]) for fd in qemu["fds"]})

    def test_verdict(self):
        self.world.run("up", self.bare('jail.on-violation = "log"'))
        verdict = self.verdict()
        self.assertTrue(verdict["as-promised"])
        processes = {process["process"]: process for process in verdict["processes"]}
        self.assertEqual(sorted(processes), ["qemu", "qemu (stub)", "supervisor"])
        self.assertIn(processes["qemu"]["pid"], self.world.qemus())
        for of_qemu in ("uid", "gid", "capabilities", "no_new_privs", "seccomp", "namespaces", "root", "mounts", "descriptors",
                        "core dumps", "open files"):
            self.assertEqual(verdicts(processes["qemu"])[of_qemu], "yes", of_qemu)
        told = {row["property"]: row["kernel"] for row in processes["qemu"]["properties"]}
        self.assertIn("auto", told["landlock"])
        self.assertIn("log", told["other calls"])
        stub = verdicts(processes["qemu (stub)"])
        self.assertEqual(stub["seccomp"], "yes")
        self.assertEqual(stub["namespaces"], "unread" if harness.as_user() else "yes")
        self.assertEqual(set(verdicts(processes["supervisor"]).values()) - {None}, {"yes"})
        self.assertIn("the jail is as promised", self.world.run("status", "--jail", "bare").stdout)

    def test_an_orphan_has_a_verdict(self):
        self.world.run("up", self.bare())
        os.kill(self.world.status("bare")["supervisor-pid"], 9)
        harness.wait_until(lambda: self.world.status("bare")["state"] == "orphaned", "the orphan")
        self.assertEqual([process["process"] for process in self.verdict()["processes"]], ["qemu (stub)", "qemu"])

    @unittest.skipUnless(shutil.which("passt"), "no passt")
    def test_passt(self):
        self.world.run("up", self.bare('net.lan.type = "user"'))
        processes = {process["process"]: process for process in self.verdict()["processes"]}
        self.assertEqual(len(processes), 5, sorted(processes))
        passt = next(process for name, process in processes.items() if "lan" in name and "stub" not in name)
        for property_ in ("uid", "capabilities", "no_new_privs", "seccomp", "namespaces"):
            self.assertEqual(verdicts(passt)[property_], "yes", property_)

    def test_a_broken_promise_is_told(self):
        """The state is made to name a process without a jail: this one."""
        self.world.run("up", self.bare())
        file = self.world.base / "state/qvm/bare/applied.json"
        applied = json.loads(file.read_text())
        jailed = applied["stub"]
        applied["stub"] = applied["supervisor"]
        file.write_text(json.dumps(applied))
        verdict = self.verdict(status=13)
        self.assertFalse(verdict["as-promised"])
        self.assertIn("NO", verdicts(verdict["processes"][0]).values())
        self.assertIn("NOT as promised", self.world.run("status", "--jail", "bare", status=13).stdout)
        applied["stub"] = jailed
        file.write_text(json.dumps(applied))

    def test_no_jail_to_judge(self):
        self.assertIn("no VM is called", self.world.run("status", "--jail", "bare", status=8).stderr)
        self.world.run("up", self.bare('jail.mode = "off"'))
        self.assertIn("without a jail", self.world.run("status", "--jail", "bare", status=1).stderr)
        self.world.run("kill", "bare")
        self.assertIn("not running", self.world.run("status", "--jail", "bare", status=8).stderr)
        self.assertIn("no jail at all", self.world.run("jail", "plan", self.bare('jail.mode = "off"')).stdout)


class Log(harness.TestCase):
    def test_log(self):
        if not may_read_the_kernels_log():
            self.skipTest("the kernel's log is not for us")
        self.world.run("jail", "--log", "--bind-ro", "/usr/bin", "--", "sh", "-c", f"{CALL_NAME} --user true", status=1)
        refusals = json.loads(self.world.run("jail", "log", "--json").stdout)
        self.assertTrue(any(refusal["call"] == CALL_NAME and refusal["program"].endswith("/unshare") for refusal in refusals))
        self.world.run("up", self.world.write("bare/vm.toml", 'memory = "64M"\nmachine.accel = "tcg"\njail.on-violation = "log"\n'))
        mine = json.loads(self.world.run("jail", "log", "--json", "bare").stdout)
        self.assertEqual({refusal["uid"] for refusal in mine}, {os.stat(f"/proc/{self.world.qemus()[0]}").st_uid})
        self.assertTrue(all("qemu" in refusal["program"] for refusal in mine))

    def test_log_that_is_not_for_us(self):
        result = self.world.run("jail", "log", status=None)
        if result.returncode == 9:
            self.assertIn("/dev/kmsg", result.stderr)
            self.assertRegex(result.stderr, "root|host")
        else:
            self.assertEqual(result.returncode, 0, result.stderr)
        self.world.run("jail", "log", "no-such-vm", status=8 if result.returncode == 0 else None)


if __name__ == "__main__":
    harness.main()
