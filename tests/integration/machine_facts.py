# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest would find in a machine, asked of a QEMU: to compare two that were started in different ways."""
import collections
import re

DEVICE = re.compile(r'( *)dev: ([^,]+), id "(.*)"')
PROPERTY = re.compile(r" *([\w.\-\[\]]+) = (.*)")
# Where a device sits, and by which names its backends are known: the language's own choice.
OWN = {"addr", "drive", "chardev", "netdev", "audiodev", "rng", "iothread", "acpi-index", "failover_pair_id", "slot", "chassis", "port", "memdev", "physical_block_size"}


def devices(qtree):
    """Driver -> the properties of each of its devices, of the text of `info qtree`."""
    found = collections.defaultdict(list)
    current = None
    for line in qtree.splitlines():
        device = DEVICE.fullmatch(line)
        if device:
            current = {}
            found[device[2]].append(current)
        elif line.lstrip().startswith("bus:"):
            current = None
        elif current is not None and (found_property := PROPERTY.fullmatch(line)) and found_property[1] not in OWN:
            current[found_property[1]] = found_property[2]
    return found


def facts(command):
    """{what: how}; `command` runs a QMP command and returns what it returns, None for an error."""
    def monitor(line):
        return command("human-monitor-command", {"command-line": line})

    made = {"devices": devices(monitor("info qtree"))}
    memory = command("query-memory-size-summary")
    made["memory"] = memory["base-memory"]
    made["processors"] = sorted(str(sorted(cpu.get("props", {}).items())) for cpu in command("query-cpus-fast"))
    made["processor"] = {slot["type"] for slot in command("query-hotpluggable-cpus") or []}  # none of a microvm
    for item in command("qom-list", {"path": "/machine"}):
        if item["type"] in ("bool", "string", "int", "size") or item["type"].startswith("On"):
            made["machine", item["name"]] = command("qom-get", {"path": "/machine", "property": item["name"]})
    blocks = []
    for block in command("query-block"):
        image = block.get("inserted")
        if image:
            blocks.append((image["drv"], image["ro"], image["image"]["virtual-size"], image["cache"]["direct"], image["cache"]["no-flush"], image["detect_zeroes"]))
    made["blocks"] = sorted(blocks)
    return made


def differences(theirs, ours):
    """(what, theirs, ours) for all that is not the same; a device that one of them lacks is told by its driver alone."""
    for what in sorted({*theirs, *ours} - {"devices"}, key=str):
        if theirs.get(what) != ours.get(what):
            yield what, theirs.get(what), ours.get(what)
    for driver in sorted({*theirs["devices"], *ours["devices"]}):
        before, after = (sorted(one["devices"].get(driver, []), key=lambda device: sorted(device.items())) for one in (theirs, ours))
        if len(before) != len(after):
            yield driver, len(before), len(after)
            continue
        for one, other in zip(before, after):
            for name in sorted({*one, *other}):
                if one.get(name) != other.get(name):
                    yield f"{driver}.{name}", one.get(name), other.get(name)
