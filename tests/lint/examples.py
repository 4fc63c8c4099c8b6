#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example passes `qvm check` against the installed QEMU without an error or a warning.

usage: examples.py QVM SOURCE_DIR     (exit status 77, skipped, where no QEMU is installed)
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile


def main():
    qvm, source = sys.argv[1], pathlib.Path(sys.argv[2])
    if shutil.which("qemu-system-x86_64") is None:
        print("skipped: qemu-system-x86_64 is not installed")
        sys.exit(77)
    examples = sorted((source / "examples").glob("*.toml"))
    assert examples, f"no examples in {source}/examples"
    failed = 0
    with tempfile.TemporaryDirectory(prefix="qvm-examples.") as scratch:
        places = {name: f"{scratch}/{name}" for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "QVM_RUNTIME_DIR")}
        for example in examples:
            # Without the host's files: the guest they name is made by a tool of its own.
            result = subprocess.run([qvm, "check", "--no-host", example], env={**os.environ, **places},
                                    capture_output=True, text=True, stdin=subprocess.DEVNULL)
            if result.returncode != 0 or "warning" in result.stderr:
                failed += 1
                print(f"{example.name}: exit status {result.returncode}\n{result.stdout}{result.stderr}")
    print(f"{len(examples)} examples, {failed} not clean")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
