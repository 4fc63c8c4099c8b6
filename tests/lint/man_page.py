#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""man/qvm.1 and `qvm --help` name the same verbs, and each verb's section the options of `qvm VERB --help`.

usage: man_page.py QVM MAN_PAGE
"""
import pathlib
import re
import subprocess
import sys

ALWAYS = {"--help"}  # said once, in the general section


def help_text(qvm, *verb):
    result = subprocess.run([qvm, *verb, "--help"], capture_output=True, text=True)
    assert result.returncode == 0, f"qvm {' '.join(verb)} --help: exit status {result.returncode}: {result.stderr}"
    return result.stdout


def verbs_of_help(text):
    """The words in the first column below "Subcommands:"."""
    lines = text.partition("Subcommands:")[2].splitlines()
    return {match.group(1) for line in lines if (match := re.match(r"  ([a-z]\S*)(\s|$)", line))}


def options_of_help(qvm, *verb):
    """The long options in the first column; prose in the second may name others. Those of verbs below it belong to it."""
    options, text = set(), help_text(qvm, *verb)
    for line in text.splitlines():
        if match := re.match(r"  ((?:-\S+|,)+)", line):
            options.update(re.findall(r"--[a-z][a-z-]*", match.group(1)))
    for below in verbs_of_help(text):
        options |= options_of_help(qvm, *verb, below)
    return options - ALWAYS


def man_sections(page):
    """Verb -> the text of its part: each begins with a line `.SS qvm VERB ...`; one part may hold several verbs."""
    sections = {}
    for part in re.split(r"^\.SS ", page, flags=re.M)[1:]:
        part = re.split(r"^\.SH ", part, flags=re.M)[0].replace("\\-", "-").replace("\\", "")
        for verb in re.findall(r"qvm ([a-z]+)", part.splitlines()[0]):
            sections[verb] = part
    return sections


def main():
    qvm, page = sys.argv[1], pathlib.Path(sys.argv[2]).read_text()
    known, described = verbs_of_help(help_text(qvm)), man_sections(page)
    assert known, "qvm --help lists no verbs"
    found = [f"verb '{verb}' is in qvm --help but has no '.SS qvm {verb}' in the manual page" for verb in sorted(known - described.keys())]
    found += [f"verb '{verb}' is in the manual page but not in qvm --help" for verb in sorted(described.keys() - known)]
    for verb in sorted(known & described.keys()):
        has, says = options_of_help(qvm, verb), set(re.findall(r"--[a-z][a-z-]*", described[verb])) - ALWAYS
        found += [f"qvm {verb}: option {option} is not in the manual page" for option in sorted(has - says)]
        found += [f"qvm {verb}: the manual page names {option}, which `qvm {verb} --help` does not" for option in sorted(says - has)]
    print("\n".join(found) or f"{len(known)} verbs agree")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
