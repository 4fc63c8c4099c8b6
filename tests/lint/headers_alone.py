#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each header of src/ compiles alone, so that no source depends on the order of its includes.

usage: headers_alone.py SOURCE_DIR BUILD_DIR     (the flags come from BUILD_DIR/compile_commands.json)
"""
import concurrent.futures
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys


def flags(build, folder):
    """The compiler and the flags that sources of `folder` (else any source) are compiled with."""
    commands = json.loads((build / "compile_commands.json").read_text())
    own = [c for c in commands if f"/src/{folder}/" in c["file"]] or [c for c in commands if "/src/" in c["file"]]
    words = shlex.split(own[0].get("command") or shlex.join(own[0]["arguments"]))
    while os.path.basename(words[0]) in ("ccache", "sccache", "distcc"):
        words = words[1:]
    kept, skip = [words[0]], 0
    for i, word in enumerate(words[1:], 1):
        if skip:
            skip -= 1
        elif word in ("-o", "-c", "-include", "-MF", "-MT", "-MQ", "-Winvalid-pch"):
            skip = 0 if word in ("-c", "-Winvalid-pch") else 1
        elif word == "-Xclang":  # -Xclang -include-pch -Xclang FILE and their like, which are about the precompiled header
            skip = 1
        elif word == own[0]["file"] or word in ("-MD", "-MMD", "-fpch-preprocess"):
            pass
        else:
            kept.append(word)
    return kept, own[0]["directory"]


def check(header, source, build):
    """Through ccache where it is installed, so that only what changed costs time."""
    command, directory = flags(build, header.parent.name)
    cache = shutil.which("ccache")
    place = build / "headers_alone"
    place.mkdir(exist_ok=True)
    unit = place / ("_".join(header.relative_to(source / "src").parts) + ".cpp")
    text = f'#include "{header.relative_to(source / "src")}"\n'
    if not unit.exists() or unit.read_text() != text:
        unit.write_text(text)
    result = subprocess.run([*([cache] if cache else []), *command, "-g0", "-c", unit, "-o", unit.with_suffix(".o")],
                            cwd=directory, capture_output=True, text=True)
    return result.returncode, result.stderr


def main():
    source, build = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    headers = sorted((source / "src").rglob("*.hpp"))
    assert headers, f"no headers below {source}/src"
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for header, (status, errors) in zip(headers, pool.map(lambda h: check(h, source, build), headers)):
            if status != 0:
                failed += 1
                print(f"{header.relative_to(source)} does not compile alone:\n{errors}")
    print(f"{len(headers)} headers, {failed} do not compile alone")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
