# SPDX-License-Identifier: GPL-3.0-or-later
"""A name belongs to one file, two directories run side by side, and it does not matter where a VM is started from."""
import json
import os
import pathlib
import shutil

import harness


class Names(harness.TestCase):
    def file(self, path, more="", **options):
        return self.world.write(path, self.world.guest_toml(more, **options))

    def test_two_files_of_one_name(self):
        first = self.file("one/web.toml")
        second = self.file("two/web.toml")
        self.world.run("up", first)
        refused = self.world.run("up", second, status=2)
        self.assertIn(str(first), refused.stderr)
        self.assertIn("name =", refused.stderr)
        self.assertIn("qvm rm web", refused.stderr)
        self.assertEqual(self.world.status("web")["state"], "running")
        self.world.run("kill", "web")
        # Stopped, the name still belongs to the first file: its state holds that project's disks.
        self.world.run("up", second, status=2)
        self.world.run("rm", "--yes", "web")
        self.world.run("up", second)

    def test_two_directories(self):
        for name in ("alpha", "beta"):
            self.file(f"{name}/vm.toml")
            self.world.run("up", cwd=self.world.base / name)
        for name in ("alpha", "beta"):
            self.assertTrue(self.world.report(name).complete)
        listed = self.world.run("ls").stdout
        self.assertIn("alpha", listed)
        self.assertIn("beta", listed)
        self.stop_by_button("alpha")
        self.assertEqual(self.world.status("beta")["state"], "running")

    def test_unfit_directory_name(self):
        self.file("My VM/vm.toml")
        refused = self.world.run("up", cwd=self.world.base / "My VM", status=2)
        self.assertIn("name =", refused.stderr)

    def test_moved_project(self):
        self.file("before/vm.toml", head='name = "moved"')
        self.world.run("up", cwd=self.world.base / "before")
        self.world.run("kill", "moved")
        shutil.move(self.world.base / "before", self.world.base / "after")
        taken = self.world.run("up", cwd=self.world.base / "after")
        self.assertIn("after/vm.toml", taken.stdout + taken.stderr)
        self.assertIn("after/vm.toml", self.world.status("moved")["file"])

    def test_path_of_200_characters(self):
        directory = "/".join(["d" * 50] * 4)
        name = self.file(f"{directory}/long.toml")
        runtime = self.world.directory(f"run/{directory}")
        runtime.chmod(0o700)
        env = {"QVM_RUNTIME_DIR": str(runtime)}
        self.world.run("up", name, env=env)
        self.world.report("long")
        self.assertEqual(harness.json.loads(self.world.run("qmp", "long", "query-status", env=env).stdout)["status"], "running")
        self.world.run("stop", "--timeout", "60s", "long", env=env)
        shutil.rmtree(self.world.runtime / ("d" * 50))

    def test_without_a_session(self):
        """No XDG_RUNTIME_DIR and no QVM_RUNTIME_DIR: /run/qvm for root, else /tmp/qvm-UID."""
        name = f"nosession{os.getpid()}"
        file = self.file(f"{name}.toml")
        env = {"QVM_RUNTIME_DIR": None}
        usual = pathlib.Path("/run/qvm" if self.world.uid == 0 else f"/tmp/qvm-{self.world.uid}")
        existed = usual.exists()
        self.world.run("up", file, env=env)
        try:
            self.assertEqual(harness.json.loads(self.world.run("qmp", name, "query-status", env=env).stdout)["status"], "running")
            self.assertEqual(usual.stat().st_mode & 0o777, 0o700)
        finally:
            self.world.run("kill", name, env=env)
            self.assertEqual([path for path in usual.rglob("*") if name in path.name], [])
            if not existed:
                usual.rmdir()

    def test_a_runtime_directory_of_somebody_else(self):
        if self.world.uid == 0 or os.geteuid() != 0:
            self.skipTest("needs two users: root runs qvm as uid 1001")
        usual = pathlib.Path(f"/tmp/qvm-{self.world.uid}")
        if usual.exists():
            self.skipTest(f"{usual} exists")
        usual.mkdir()  # ours, root's
        self.addCleanup(usual.rmdir)
        refused = self.world.run("up", self.file("guest.toml"), env={"QVM_RUNTIME_DIR": None}, status=9)
        self.assertIn(str(usual), refused.stderr)

    def test_simultaneous_up(self):
        file = self.file("both/vm.toml")
        processes = [self.world.start("up", file, stdout=harness.subprocess.PIPE, stderr=harness.subprocess.STDOUT, text=True)
                     for _ in range(3)]
        results = [(process.communicate(timeout=120)[0], process.returncode) for process in processes]
        for process in processes:
            harness.reaper.forget(process)
        self.assertEqual([status for _, status in results], [0, 0, 0], results)
        self.assertEqual(sum("runs already" in text for text, _ in results), 2, results)
        self.assertEqual(len(self.world.qemus()), 1)
        self.world.report("both")

    def test_unknown_name(self):
        self.file("web/vm.toml")
        self.world.run("up", cwd=self.world.base / "web")
        for verb in (["status"], ["stop"], ["console"], ["log"], ["pause"]):
            with self.subTest(verb=verb):
                answer = self.world.run(*verb, "wep", status=8)
                self.assertIn("web", answer.stderr)

    def test_a_word_that_is_no_name(self):
        self.file("web/vm.toml")
        for word in ("..", ".", "Web", "a b"):
            with self.subTest(word=word):
                answer = self.world.run("check", word, status=8)
                self.assertIn("a name begins with a-z", answer.stderr)
                self.assertNotIn(f"./{word}.toml", answer.stderr)
                self.world.run("status", word, status=8)

    def test_a_file_that_is_nearly_named(self):
        self.file("one/web/vm.toml")
        self.file("one/plain")
        base = self.world.base / "one"
        for word, meant in (("web", "./web/vm.toml"), ("plain", "./plain")):
            self.assertIn(meant, self.world.run("check", word, status=8, cwd=base).stderr)
        self.assertIn("'./web/vm.toml'", self.world.run("check", "./web", status=2, cwd=base).stderr)

    def test_json_of_a_file_that_is_not_there(self):
        found = json.loads(self.world.run("check", "--json", "gone.toml", status=2).stdout)
        self.assertEqual([(one["kind"], one["severity"], one["file"]) for one in found],
                         [("file-missing", "error", "gone.toml")])
        self.assertIn("No such file", found[0]["message"])


if __name__ == "__main__":
    harness.main()
