# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of a jailed QEMU, seen from outside by strace(1), against the rules of its filter."""
import re

# Every argument is a number: nothing of memory is read, and nothing has to be parsed that strace has names for.
STRACE = ["strace", "-D", "-f", "-qq", "-e", "raw=all", "-e", "signal=none", "-o"]
LINE = re.compile(r"(\d+) +(\w+)\(([^)<]*)")
RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>.*= 0$")
WORD = (1 << 32) - 1


def calls(path):
    """Each kind of call that the processes made which were started by execveat: {name: {arguments}}."""
    before, inside, made = set(), set(), {}
    asked = None
    with open(path, encoding="ascii", errors="replace") as lines:
        for line in lines:
            match = LINE.match(line)
            if match is None:
                match = RESUMED.match(line)
                if match and match[2] == "execveat":
                    inside.add(match[1])
                continue
            thread, name, words = match.groups()
            if name == "execveat":
                # The filter of the new program is already in force.
                asked = numbers(words)
                if line.rstrip().endswith("= 0"):
                    inside.add(thread)
            if not inside:
                before.add(thread)
            elif thread in inside or thread not in before:
                # Later come only QEMU's threads: what starts a VM makes no process after it.
                made.setdefault(name, set()).add(numbers(words))
    if asked is not None:
        made.setdefault("execveat", set()).add(asked)
    return made


def numbers(words):
    return tuple(int(word, 0) for word in words.split(",") if word.strip())


def holds(rule, arguments):
    """As the filter tests them: the low 32 bits, under a mask."""
    return all(test["index"] < len(arguments) and arguments[test["index"]] & WORD & test["mask"] == test["value"]
               for test in rule.get("arguments", []))


def is_seen(rule, made):
    return any(holds(rule, arguments) for arguments in made.get(rule["call"], ()))
