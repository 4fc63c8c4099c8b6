# SPDX-License-Identifier: GPL-3.0-or-later
"""jail.mode = "reduced": the VM runs where namespaces cannot be had, and all else of the jail is in force."""
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import unittest
import unittest.mock

import harness
import test_jail_keys
import test_orphan
from test_hosts import NO_NAMESPACES
from test_jail import has_landlock, verdicts

REDUCED = 'jail.mode = "reduced"\n'
PLAIN = 'memory = "64M"\nmachine.accel = "tcg"\n' + REDUCED


def proc(pid, name):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/{name}").read_text().splitlines() if ":\t" in line)


class Reduced(harness.TestCase):
    def up(self, more="", **options):
        file = self.world.write("guest/vm.toml", self.world.guest_toml(REDUCED + more))
        return self.world.run("up", file, **options)

    def plain(self, more="", **options):
        return self.world.run("up", self.world.write("plain/vm.toml", PLAIN + more), **options)

    def verdict(self, name="guest"):
        verdict = json.loads(self.world.run("status", "--jail", "--json", name).stdout)
        return {process["process"]: process for process in verdict["processes"]}

    def assert_contained(self, pid):
        status = proc(pid, "status")
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapAmb", *(() if harness.as_user() else ("CapBnd",))):
            self.assertEqual(int(status[capabilities], 16), 0, capabilities)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        uids = set(status["Uid"].split())
        self.assertEqual(uids, {str(self.world.uid)} if harness.as_user() else uids - {"0"})
        self.assertEqual(len(uids), 1)
        if not harness.as_user():
            self.assertGreaterEqual(int(uids.pop()), 0x70000000)
            self.assertEqual(status["Groups"].split(), [])
        self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        self.assertFalse([link for link in links if os.path.isdir(link)])
        environment = pathlib.Path(f"/proc/{pid}/environ").read_text().strip("\0").split("\0")
        self.assertEqual(environment, ["PATH=/usr/bin", "HOME=/", "LC_ALL=C.UTF-8"])

    def boots(self):
        disk = self.world.image("guest/disk.qcow2")
        result = self.up(f'disk.root.file = "{disk}"\n')
        self.assertIn('jail.mode = "reduced"', result.stderr)
        self.assertIn("jail reduced", result.stdout)
        report = self.world.report("guest")
        self.assertTrue(report.complete)
        self.assertEqual(len(report.disks), 1)
        self.assertEqual(self.world.status("guest")["jail"], "reduced")
        self.assertRegex(self.world.run("ls").stdout, "guest +running .* reduced ")
        pid = self.world.status("guest")["qemu-pid"]
        self.assert_contained(pid)
        return pid

    def test_boots_and_ends(self):
        pid = self.boots()
        stub = int(proc(pid, "status")["PPid"])
        self.assertEqual(proc(stub, "status")["Seccomp"], "2")
        self.assertNotEqual(stub, 1)
        self.assertEqual(os.readlink(f"/proc/{pid}/ns/mnt"), os.readlink("/proc/self/ns/mnt"))
        self.stop_by_button("guest")
        self.assertEqual(self.world.status("guest")["state"], "stopped")

    def test_each_qemu(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml(REDUCED))

        def check(_, table):
            self.world.run("up", "-f", file, *table)
            self.assertTrue(self.world.report("guest").complete)
            self.world.run("kill", "guest")

        self.on_each_qemu(check)

    def test_kill_ends_all(self):
        pid = self.boots()
        self.world.run("kill", "guest")
        harness.wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "QEMU to be gone")
        self.assertEqual(self.world.processes(), [])

    def test_qemu_dies_with_its_stub(self):
        pid = self.boots()
        os.kill(int(proc(pid, "status")["PPid"]), signal.SIGKILL)
        harness.wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "QEMU to be gone")
        harness.wait_until(lambda: self.world.status("guest")["state"] in ("died", "stopped"), "the VM to have ended")

    def test_how_it_died_is_known(self):
        os.kill(self.boots(), signal.SIGSEGV)
        harness.wait_until(lambda: self.world.status("guest")["state"] == "died", "the VM to be dead")
        self.assertIn("signal 11", self.world.run("status", "guest").stdout)

    def test_orphan(self):
        pid = self.boots()
        os.kill(self.world.status("guest")["supervisor-pid"], signal.SIGKILL)
        harness.wait_until(lambda: self.world.status("guest")["state"] == "orphaned", "the orphan")
        self.assertEqual(sorted(self.verdict()), ["qemu", "qemu (stub)"])
        self.world.run("up", "guest/vm.toml")
        self.assertEqual(self.world.qemus(), [pid])
        self.assertEqual(sorted(self.verdict()), ["qemu", "qemu (stub)", "supervisor"])
        self.stop_by_button("guest")
        self.assertEqual(self.world.status("guest")["state"], "stopped")

    def test_verdict(self):
        self.plain()
        processes = self.verdict("plain")
        for kept in ("uid", "gid", "capabilities", "no_new_privs", "seccomp", "descriptors", "core dumps", "open files"):
            self.assertEqual(verdicts(processes["qemu"])[kept], "yes", kept)
        told = {row["property"]: row["kernel"] for row in processes["qemu"]["properties"]}
        for given_up in ("namespaces", "root"):
            self.assertIn("a reduced jail gives that up", told[given_up])
            self.assertIsNone(verdicts(processes["qemu"])[given_up])
        self.assertIn("the jail is as promised", self.world.run("status", "--jail", "plain").stdout)
        self.assertIn("reduced", self.world.run("status", "plain").stdout)

    def test_plan(self):
        file = self.world.write("guest/vm.toml", self.world.guest_toml(REDUCED))
        plan = json.loads(self.world.run("jail", "plan", "--json", file).stdout)
        self.assertEqual((plan["mode"], plan["contained"]), ("reduced", True))
        self.assertEqual(set(plan["namespaces"].values()), {"host"})
        self.assertEqual(plan["mounts"], [])
        paths = {entry["path"]: entry["rights"] for entry in plan["landlock"]["paths"]}
        self.assertNotIn("/", paths)
        self.assertEqual(paths["/usr/lib"], ["read_file", "read_dir"])
        self.assertTrue(all(path.startswith("/dev/") for path, rights in paths.items() if "write_file" in rights), paths)
        self.assertEqual(plan["landlock"]["tcp"], "refused")
        rules = {rule["text"] for rule in plan["seccomp"]["rules"] if rule["action"] == "allow"}
        self.assertIn("tgkill(tgid = its own)", rules)
        self.assertFalse(rules & {"connect", "bind", "openat", "unlink", "socket(domain = AF_UNIX)"}, rules)
        self.assertTrue(plan["copies"][0]["number"].startswith("/proc/self/fd/"))
        text = self.world.run("jail", "plan", file).stdout
        self.assertIn("the reduced jail", text)
        self.assertIn('mode = "reduced"', self.world.run("show", "--compiled", file).stdout)

    def test_a_violation_can_be_death(self):
        """Nothing that QEMU does of itself in such a jail is one."""
        self.up('jail.on-violation = "kill"\n')
        self.assertTrue(self.world.report("guest").complete)
        self.stop_by_button("guest")
        self.assertEqual(self.world.status("guest")["state"], "stopped")

    def test_landlock(self):
        result = self.plain('jail.landlock = "off"\n')
        self.assertIn("can open every file that its uid can", result.stderr)
        self.world.run("kill", "plain")
        result = self.plain()
        self.assertEqual("this kernel has no Landlock" in result.stderr, not has_landlock())

    def test_paths_of_the_host(self):
        given = self.world.write("shared/words", "x")
        serial = 'chardev.log = { type = "pipe", path = "%s" }\n' % given
        failed = self.plain(serial, status=2)
        self.assertIn("the jail keeps these from QEMU", failed.stderr)

    def test_kvm_of_root_alone(self):
        """In a mount namespace, so that nothing changes for the host: /dev/kvm is root's, then of a group."""
        if os.geteuid() != 0 or harness.as_user() or not os.path.exists("/dev/kvm"):
            self.skipTest("needs root and /dev/kvm")
        script = ('mount -t tmpfs tmpfs /mnt && mknod /mnt/kvm c 10 232 && chgrp "$0" /mnt/kvm && chmod 660 /mnt/kvm && '
                  'mount --bind /mnt/kvm /dev/kvm && exec "$@"')
        file = self.world.write("plain/vm.toml", PLAIN.replace('"tcg"', '["kvm", "tcg"]'))
        for group in ("0", "4711"):
            with self.subTest(group=group), unittest.mock.patch.object(
                    self.world, "prefix", ["unshare", "--mount", "sh", "-c", script, group]):
                plan = self.world.run("jail", "plan", "--json", file, status=None)
                if plan.returncode == 1 or "mknod" in plan.stderr:
                    self.skipTest("no device files can be made here")
                self.assertEqual("only root may open /dev/kvm" in plan.stderr, group == "0", plan.stderr)
                self.assertFalse(group == "0" and "/dev/kvm" in json.loads(plan.stdout)["devices"])

    def test_kernel_in_a_private_home(self):
        home = self.world.directory("private")
        kernel = self.world.copy(self.world.kernel, "private/vmlinuz")
        for path, mode in ((kernel, 0o600), (home, 0o700)):
            path.chmod(mode)
        text = self.world.guest_toml(REDUCED).replace(str(self.world.kernel), str(kernel))
        self.world.run("up", self.world.write("guest/vm.toml", text))
        self.assertTrue(self.world.report("guest").complete)

    @unittest.skipUnless(shutil.which("passt"), "no passt")
    def test_passt(self):
        self.up('net.lan.type = "user"\n')
        self.assertIn("eth0", self.world.report("guest").nics)
        processes = self.verdict()
        passt = next(process for name, process in processes.items() if "lan" in name and "stub" not in name)
        for property_ in ("uid", "capabilities", "no_new_privs", "seccomp"):
            self.assertEqual(verdicts(passt)[property_], "yes", property_)
        if not harness.as_user():  # who may look
            self.assertNotEqual(passt["namespaces"]["mnt"], os.readlink("/proc/self/ns/mnt"))
        self.world.run("kill", "guest")
        harness.wait_until(lambda: not self.world.processes(), lambda: f"no process left: {self.world.leftovers()}", 15)


class Keys(harness.TestCase):
    """[jail]'s other keys mean the same in a reduced jail."""

    def guest(self, more):
        return self.world.write("guest/vm.toml", self.world.guest_toml(REDUCED + more))

    def plain(self, more):
        return self.world.write("plain/vm.toml", PLAIN + more)

    def ids(self):
        status = proc(self.world.qemus()[0], "status")
        return status["Uid"].split(), status["Gid"].split(), status["Groups"].split()

    def expect_kept(self, name):
        verdict = json.loads(self.world.run("status", "--jail", "--json", name).stdout)
        self.assertTrue(verdict["as-promised"], verdict)
        return next(process for process in verdict["processes"] if process["process"] == "qemu")

    def test_single_files_are_no_root(self):
        refused = self.world.run("up", self.plain('jail.root = "files"\n'), status=2).stderr
        self.assertIn("vm.toml:4:13", refused)
        self.assertIn('jail.mode = "reduced" has none', " ".join(refused.split()))

    def test_slirp(self):
        refused = self.world.run("check", self.guest(test_jail_keys.Keys.SLIRP), status=2).stderr
        self.assertIn('jail.net = "host"', refused)
        port = harness.free_port()
        slirp = test_jail_keys.Keys.SLIRP.replace('"user"', f'"user"\n        hostfwd = [{{ str = "tcp:127.0.0.1:{port}-:22" }}]')
        file = self.guest('jail.net = "host"' + slirp)
        warned = self.world.run("up", file).stderr
        self.assertIn('jail.net = "host"', warned)
        self.assertIn('jail.mode = "reduced"', warned)
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
        self.assertEqual(self.world.report("guest").nics["eth0"]["address"], "10.0.2.15/24")
        self.expect_kept("guest")
        plan = json.loads(self.world.run("jail", "plan", "--json", file).stdout)
        self.assertEqual(plan["landlock"]["tcp"], "allowed")
        self.assertIn("/etc/resolv.conf", [entry["path"] for entry in plan["landlock"]["paths"]])
        rules = {rule["text"] for rule in plan["seccomp"]["rules"] if rule["action"] == "allow"}
        self.assertTrue(any("AF_INET6" in rule for rule in rules))
        self.assertNotIn("socket(domain = AF_UNIX)", rules)

    def test_the_hosts_network_is_asked_for(self):
        plan = json.loads(self.world.run("jail", "plan", "--json", self.plain("")).stdout)
        self.assertEqual(plan["landlock"]["tcp"], "refused")
        self.assertFalse(any("AF_INET" in rule["text"] for rule in plan["seccomp"]["rules"]))

    @unittest.skipIf(harness.as_user(), "root chooses")
    def test_a_user_of_the_host(self):
        nobody = pwd.getpwnam("nobody")
        file = self.plain('jail.user = "nobody"\n')
        self.world.run("up", file)
        self.assertEqual(self.ids(), ([str(nobody.pw_uid)] * 4, [str(nobody.pw_gid)] * 4, []))
        self.expect_kept("plain")
        plan = json.loads(self.world.run("jail", "plan", "--json", file).stdout)
        self.assertEqual((plan["uid"], plan["gid"]), ({"outside": nobody.pw_uid}, {"outside": nobody.pw_gid}))
        self.assertIn("those of the user nobody", self.world.run("jail", "plan", file).stdout)
        self.world.run("kill", "plain")
        without = self.world.run("up", self.plain('jail.user = "nobody"\njail.landlock = "off"\n')).stderr
        self.assertIn("its uid is that of the user nobody", " ".join(without.split()))

    @unittest.skipIf(harness.as_user(), "root chooses")
    def test_a_range_of_uids(self):
        first, last = test_jail_keys.FIRST_UID, test_jail_keys.LAST_UID
        self.world.run("up", self.plain(f'jail.uid-range = "{first}-{last}"\n'))
        uids, gids, groups = self.ids()
        self.assertTrue(first <= int(uids[0]) <= last, uids)
        self.assertEqual((uids, groups), (gids, []))
        self.expect_kept("plain")

    @unittest.skipIf(harness.as_user(), "root chooses")
    @unittest.skipUnless(shutil.which("passt"), "no passt")
    def test_helpers_run_as_the_user_too(self):
        self.world.run("up", self.plain('jail.user = "nobody"\nnet.lan.type = "user"\n'))
        verdict = json.loads(self.world.run("status", "--jail", "--json", "plain").stdout)
        rows = {process["process"]: {row["property"]: row["kernel"] for row in process["properties"]}
                for process in verdict["processes"] if process["process"] != "supervisor"}
        self.assertEqual(len(rows), 4)
        self.assertEqual({row["uid"] for row in rows.values()}, {str(pwd.getpwnam("nobody").pw_uid)})

    @unittest.skipUnless(harness.as_user(), "who is not root")
    def test_a_user_is_only_oneself(self):
        self.assertIn("only root may choose", self.world.run("up", self.plain('jail.user = "nobody"\n'), status=2).stderr)

    def test_io_uring(self):
        self.world.image("guest/data.raw")
        disk = 'disk.data = { file = "data.raw", format = "raw", serial = "ring", aio = "io_uring" }\n'
        self.assertIn("jail.io-uring = true", self.world.run("check", self.guest(disk), status=2).stderr)
        disabled = pathlib.Path("/proc/sys/kernel/io_uring_disabled")
        if disabled.exists() and disabled.read_text().strip() != "0":
            self.skipTest("io_uring is disabled here")
        for landlock, without in (("auto", not has_landlock()), ("off", True)):
            with self.subTest(landlock=landlock):
                result = self.world.run("up", self.guest(f'jail.io-uring = true\njail.landlock = "{landlock}"\n' + disk))
                warned = " ".join(result.stderr.split())
                self.assertIn("every Unix socket that its uid can", warned)
                self.assertEqual("make, change and remove every file that its uid can" in warned, without, warned)
                self.assertEqual(self.world.report("guest").serials(), {"ring": "virtio"})
                self.assertIn("io_uring", " ".join(fd["target"] for fd in self.expect_kept("guest")["fds"]))
                self.world.run("kill", "guest")

    def test_qemus_own_filter_on_top(self):
        self.world.run("up", self.guest("jail.qemu-sandbox = true\n"))
        self.assertTrue(self.world.report("guest").complete)
        seccomp = next(row["kernel"] for row in self.expect_kept("guest")["properties"] if row["property"] == "seccomp")
        self.assertGreaterEqual(int(re.search(r"(\d+) filter", seccomp).group(1)), 2)
        self.stop_by_button("guest")

    def test_started_again_after_a_reset(self):
        self.world.run("up", self.guest('lifecycle.on-reboot = "restart"\n'))
        before = self.world.status("guest")["qemu-pid"]
        self.world.run("reset", "guest")
        harness.wait_until(lambda: self.world.status("guest").get("restarts") == 1 and
                           self.world.status("guest")["state"] == "running", "the VM to run again")
        self.assertNotEqual(self.world.status("guest")["qemu-pid"], before)
        self.expect_kept("guest")
        self.world.run("kill", "guest")
        harness.wait_until(lambda: not self.world.processes(), lambda: f"no process left: {self.world.leftovers()}", 15)


class WithoutNamespaces(Reduced):
    """All of it once more where a strict jail cannot be."""

    def setUp(self):
        if not harness.as_user():
            self.skipTest("root needs no permission for namespaces")
        super().setUp()
        self.world.prefix += NO_NAMESPACES

    def test_verdict(self):
        """Each call has a user namespace of its own here, from which nobody may look into another's processes."""
        self.plain()
        qemu = verdicts(self.verdict("plain")["qemu"])
        for kept in ("uid", "capabilities", "no_new_privs", "seccomp"):
            self.assertEqual(qemu[kept], "yes", kept)

    def test_strict_names_the_way_out(self):
        failed = self.world.run("up", self.world.write("plain/vm.toml", PLAIN.replace("reduced", "strict")), status=9)
        self.assertIn("user.max_user_namespaces", failed.stderr)
        self.assertIn('jail.mode = "reduced"', failed.stderr)

    def test_passt(self):
        failed = self.up('net.lan.type = "user"\n', status=None)
        self.assertEqual(failed.returncode, 9, failed.stderr)
        self.assertIn("passt builds its sandbox of user namespaces", failed.stderr)
        self.assertEqual(self.world.processes(), [])


class Starts(harness.TestCase):
    """No namespace ends what is in it: sudden deaths during a start leave nothing all the same."""
    test_killed_up_leaves_nothing = test_orphan.Start.test_killed_up_leaves_nothing
    test_the_supervisor_goes_away = test_orphan.Start.test_the_supervisor_goes_away
    child_of = test_orphan.Start.child_of

    def setUp(self):
        super().setUp()
        plain = self.world.guest_toml
        self.world.guest_toml = lambda more="", **options: plain(REDUCED + more, **options)


if __name__ == "__main__":
    harness.main()
