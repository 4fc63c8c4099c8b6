#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every C++ file is formatted as .clang-format says.

usage: clang_format.py SOURCE_DIR      (exit status 77, skipped, where clang-format is not installed)
"""
import pathlib
import shutil
import subprocess
import sys


def main():
    source = pathlib.Path(sys.argv[1])
    if shutil.which("clang-format") is None:
        print("skipped: clang-format is not installed")
        sys.exit(77)
    files = sorted(str(p) for folder in ("src", "tests", "cmake") for p in (source / folder).rglob("*.[ch]pp"))
    assert files, f"no C++ files below {source}"
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], capture_output=True, text=True)
    bad = sorted({line.split(":")[0] for line in result.stderr.splitlines() if ": error:" in line})
    for name in bad:
        print(f"{pathlib.Path(name).relative_to(source)} is not formatted (clang-format -i)")
    sys.exit(1 if bad or result.returncode else 0)


if __name__ == "__main__":
    main()
