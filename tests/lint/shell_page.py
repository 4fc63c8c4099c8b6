#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""man/qvm-shell.7 has every command of the shell with its arguments, every action with its keys, and no other.

The tables are read from their source: src/shell/builtins.cpp and src/shell/keymap.cpp. Where groff is installed, it has
nothing to say of the page.

usage: shell_page.py SOURCE_DIRECTORY
"""
import pathlib
import re
import shutil
import subprocess
import sys


def plain(text):
    """The page without its markup: one space for all blanks, no fonts, no macros at the beginning of lines."""
    text = re.sub(r"^\.(TP|IP|PP|nf|fi|EX|EE|RS|RE)\b.*$", "", text, flags=re.M)
    text = re.sub(r"^\.(BR|RB|BI|IB|IR|RI|B|I) ", "", text, flags=re.M)
    text = re.sub(r"\\f[BIRP]", "", text).replace("\\-", "-").replace("\\(rs", "\\").replace('"', "")
    return re.sub(r"[ \t]+", " ", text)


def spoken(key):
    """As src/shell/keymap.cpp has it, but for the mouse."""
    if key.startswith("wheel-"):
        return key.replace("-", " ")
    out = ""
    for prefix, word in (("c-", "Ctrl+"), ("a-", "Alt+"), ("s-", "Shift+")):
        if len(key) > 2 and key.startswith(prefix):
            out, key = out + word, key[2:]
    if key in ("pgup", "pgdn"):
        return out + {"pgup": "PgUp", "pgdn": "PgDn"}[key]
    return out + (key[0].upper() + key[1:] if out or len(key) > 1 else key)


def part(page, kind, title):
    """The lines of a section (SH) or subsection (SS)."""
    found = re.search(rf"^\.{kind} {re.escape(title)}\n(.*?)(?=^\.SH |^\.S{kind[1]} |\Z)", page, flags=re.M | re.S)
    return found.group(1) if found else ""


def wrong_commands(source, page):
    table = re.findall(r'BuiltinCommand\{"([a-z-]+)",\s*"([^"]*)"', source)
    assert table, "no table of commands in src/shell/builtins.cpp"
    section = plain(part(page, "SH", "THE SHELL'S COMMANDS"))
    heads = [line for line in section.splitlines() if line.startswith("/")]
    for name, arguments in table:
        if not any(re.search(rf"(^|, )/{name}( |,|$)", head) for head in heads):
            yield f"/{name} is not among the shell's commands"
        # Several commands that take nothing may stand in one line.
        words = f"/{name} {arguments}".split()
        if arguments and not any(head.split()[:len(words)] == words for head in heads):
            yield f"/{name}: its arguments are {arguments}"
    known = {name for name, _ in table}
    for name in {name for head in heads for name in re.findall(r"(?:^|, )/([a-z-]+)", head)} - known:
        yield f"/{name} is no command of the shell"


def wrong_actions(source, page):
    table = re.findall(r'Action\{"([^"]+)",\s*Mode::(\w+),\s*"([^"]*)"', source)
    assert table, "no table of actions in src/shell/keymap.cpp"
    for mode in dict.fromkeys(mode for _, mode, _ in table):
        rows = dict(re.findall(r"^([a-z0-9-]+)\|([^|\n]*)\|", plain(part(page, "SS", f"{mode} mode")), flags=re.M))
        should = {name: ", ".join(map(spoken, keys.split())) for name, in_mode, keys in table if in_mode == mode}
        for name in should.keys() - rows.keys():
            yield f"{mode} mode: the action {name} is missing"
        for name in rows.keys() - should.keys():
            yield f"{mode} mode: there is no action {name}"
        for name in sorted(should.keys() & rows.keys()):
            if rows[name] != should[name]:
                yield f"{mode} mode: {name} has the keys {should[name]}, the page says {rows[name]}"


def complaints_of_groff(page):
    if not shutil.which("groff"):
        return []
    result = subprocess.run(["groff", "-ww", "-t", "-man", "-Tutf8", page], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)
    return result.stderr.splitlines()


def main():
    root = pathlib.Path(sys.argv[1])
    page = (root / "man/qvm-shell.7").read_text()
    found = [f"man/qvm-shell.7: {finding}" for finding in
             [*wrong_commands((root / "src/shell/builtins.cpp").read_text(), page),
              *wrong_actions((root / "src/shell/keymap.cpp").read_text(), page)]]
    found += complaints_of_groff(root / "man/qvm-shell.7")
    print("\n".join(found) or "the page has what the shell has")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
