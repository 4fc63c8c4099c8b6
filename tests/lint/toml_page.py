#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""man/qvm.toml.5 has an entry for each table of the language, which names every key of that table and its words.

usage: toml_page.py QVM MAN_PAGE
"""
import json
import pathlib
import re
import subprocess
import sys


def plain(line):
    """A line of the page without its marks."""
    line = re.sub(r"\\\(dq|\\\(aq", '"', line)
    line = re.sub(r"\\f\(?[A-Z]", "", line).replace("\\", "")
    return re.sub(r"^\.[A-Z]+ ?", "", line).replace('"', " ")


def entries(page):
    """(tag, text) of each entry that is not inside another one."""
    found, depth, tag_next = [], 0, False
    for line in page.splitlines():
        if line.startswith(".RS"):
            depth += 1
        elif line.startswith(".RE"):
            depth -= 1
        elif depth == 0 and line.startswith((".TP", ".SH")):
            tag_next = line.startswith(".TP")
            if not tag_next:
                found.append(["", ""])
        elif tag_next:
            found.append([plain(line), plain(line)])
            tag_next = False
        elif found:
            found[-1][1] += "\n" + plain(line)
    return found


def has_word(text, word):
    return re.search(rf"(?<![a-z0-9-]){re.escape(word)}(?![a-z0-9-])", text) is not None


def language(qvm):
    """Table -> its keys and the words they take."""
    output = subprocess.run([qvm, "explain", "--all", "--json"], capture_output=True, text=True, check=True).stdout
    tables = {}
    for word in json.loads(output):
        parts = [part for part in word["path"].split(".") if part != "X"]
        keys = tables.setdefault(parts[0], set())
        if parts[-1] != "enabled":
            keys.update(parts[1:])
            keys.update(re.findall(r'"([a-z][a-z0-9_-]*)"', word["takes"]))
    return tables


def main():
    qvm, page = sys.argv[1], pathlib.Path(sys.argv[2]).read_text()
    listed = entries(page)
    found = []
    tables = language(qvm)
    for table, keys in tables.items():
        texts = [text for tag, text in listed if has_word(tag, table)]
        if not texts:
            found.append(f"[{table}] has no entry in the manual page")
        found += [f"the entry of [{table}] does not name '{key}'" for key in sorted(keys) if texts and not any(has_word(text, key) for text in texts)]
    print("\n".join(found) or f"{len(tables)} tables are described")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
