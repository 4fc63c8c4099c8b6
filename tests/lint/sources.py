#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every file of the project has to keep: a licence line, no words that promise work instead of doing it,
no path or host of somebody's machine.

usage: sources.py SOURCE_DIR
"""
import pathlib
import re
import subprocess
import sys

LICENCE = "SPDX-License-Identifier: GPL-3.0-or-later"
CODE = {".cpp", ".hpp", ".py", ".sh", ".cmake", ".in"}
# Written so that this file does not find itself.
PROMISES = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
MACHINE = re.compile(r"(?<![\w$}])/(?:home|Users)/(?!me\b|u\b|user\b|USER\b)[\w.-]+/|/wo" r"rk/|\bdeb\.debian\.org\b|\b(?:\d{1,3}\.){3}\d{1,3}:\d+/")


def tracked(source):
    """The project's files: what git tracks, or everything when this is no clone (a source package)."""
    listing = subprocess.run(["git", "-C", source, "-c", "safe.directory=*", "ls-files", "-z"], capture_output=True)
    if listing.returncode == 0 and listing.stdout:
        names = listing.stdout.decode().split("\0")
    else:
        names = [str(p.relative_to(source)) for p in source.rglob("*") if "build" not in p.relative_to(source).parts[:1]]
    return sorted(source / name for name in names if name and (source / name).is_file())


def is_code(path, lines):
    return path.suffix in CODE or path.name == "CMakeLists.txt" or (bool(lines) and lines[0].startswith("#!"))


def findings(source):
    for path in tracked(source):
        shown = path.relative_to(source)
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        golden = shown.parts[:2] == ("tests", "golden") or "LICENSE" in path.name
        if is_code(path, lines) and not golden and not any(LICENCE in line for line in lines[:3]):
            yield f"{shown}:1: no '{LICENCE}' in the first lines"
        if golden:
            continue
        for number, line in enumerate(lines, 1):
            if PROMISES.search(line):
                yield f"{shown}:{number}: a promise instead of work: {line.strip()}"
            if MACHINE.search(line):
                yield f"{shown}:{number}: a path or host of one machine: {line.strip()}"


def main():
    found = list(findings(pathlib.Path(sys.argv[1]).resolve()))
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
