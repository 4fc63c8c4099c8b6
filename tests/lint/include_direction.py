#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each folder of src/ includes only the folders below it, and each third-party library stays in its place.

usage: include_direction.py SOURCE_DIR
"""
import pathlib
import re
import sys

# What stands below each folder. cli may include everything.
BELOW = {
    "base": [],
    "qapi": ["base"],
    "qmp": ["qapi", "base"],
    "config": ["qapi", "base"],
    "jail": ["base"],
    "launch": ["config", "jail", "qmp", "qapi", "base"],
    "shell": ["qmp", "qapi", "base"],
}

# Heavy or foreign headers: never in a header of ours, and in the sources of these folders only.
CONFINED = {
    r"toml\+\+/": ["config"],
    r"CLI/": ["cli"],
    r"(n?curses|readline/)": ["shell"],
    r"seccomp\.h": ["jail"],
    r"boost/asio": ["qmp", "launch", "shell", "cli"],
}
# Asio's awaitable and executors are part of these folders' own interfaces.
IN_HEADERS_TOO = {r"boost/asio"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
FORBIDDEN_NAMES = {"util", "utils", "common", "misc", "helper", "helpers", "types"}


def findings(source):
    folders = {path.name for path in (source / "src").iterdir() if path.is_dir()}
    for path in sorted((source / "src").rglob("*")):
        if path.suffix not in (".cpp", ".hpp"):
            continue
        folder = path.relative_to(source / "src").parts[0]
        shown = path.relative_to(source)
        if path.stem in FORBIDDEN_NAMES:
            yield f"{shown}:1: a file named '{path.stem}' says nothing of what it holds"
        for number, line in enumerate(path.read_text().splitlines(), 1):
            include = INCLUDE.match(line)
            if include is None:
                continue
            quoted, name = include.group(1) == '"', include.group(2)
            target = name.split("/")[0]
            if quoted and target not in folders:
                yield f'{shown}:{number}: "{name}" is not a path from src/ (write "folder/file.hpp")'
            elif quoted and folder in BELOW and target != folder and target not in BELOW[folder]:
                yield f"{shown}:{number}: {folder} must not include {target} (it may include: {', '.join(BELOW[folder]) or 'nothing'})"
            for pattern, homes in CONFINED.items():
                if quoted or not re.match(pattern, name):
                    continue
                if folder not in homes:
                    yield f"{shown}:{number}: <{name}> belongs to {' and '.join(homes)} only"
                elif path.suffix == ".hpp" and pattern not in IN_HEADERS_TOO:
                    yield f"{shown}:{number}: <{name}> must not be in a header"


def main():
    found = list(findings(pathlib.Path(sys.argv[1])))
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
