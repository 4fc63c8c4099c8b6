#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a QEMU binary what it is and prints it in the form of qapi::Capabilities::to_json().

    make_fixture.py /usr/bin/qemu-system-x86_64 > tests/golden/qemu-7.2.22.json

The unit tests and the goldens check files against such a saved QEMU, so they need no QEMU and never change with
the one that is installed. CPU types are left out, except two: their properties are 92 % of everything.
"""
import json
import socket
import subprocess
import sys

FORM = 1  # saved_form in src/qapi/capabilities.cpp
KEEP_CPUS = ("max-x86_64-cpu", "qemu64-x86_64-cpu")


class Qmp:
    def __init__(self, binary, *options):
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [binary, "-M", "none", "-S", "-nodefaults", "-no-user-config", "-display", "none",
             "-chardev", f"socket,id=m,fd={theirs.fileno()}", "-mon", "chardev=m,mode=control", *options],
            pass_fds=[theirs.fileno()])
        theirs.close()
        self.socket = ours
        self.stream = ours.makefile("rw", encoding="utf-8")
        self.greeting = json.loads(self.stream.readline())["QMP"]
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        json.dump({"execute": command, "arguments": arguments}, self.stream)
        self.stream.write("\n")
        self.stream.flush()
        while True:
            line = self.stream.readline()
            if not line:
                raise ConnectionError(f"{command} {arguments}: QEMU has gone")
            answer = json.loads(line)
            if "event" in answer:
                continue
            if "error" in answer:
                raise RuntimeError(f"{command} {arguments}: {answer['error']['desc']}")
            return answer["return"]

    def quit(self):
        self.execute("quit")
        self.process.wait(timeout=10)
        self.stream.close()
        self.socket.close()


def rows(properties):
    """[name, type, description, default as JSON], without what is empty at the end; what cannot be set is left out."""
    result = []
    for p in sorted(properties, key=lambda p: p["name"]):
        if p["type"].startswith("child<") or p["name"] == "type":
            continue
        description = p.get("description", "")
        row = [p["name"], p["type"], description, json.dumps(p["default-value"]) if "default-value" in p else ""]
        while not row[-1]:
            row.pop()
        result.append(row)
    return result


def machine_properties(binary, version):
    """Of the machine types the tests use, from a process that never leaves preconfig: making a machine object for
    a look at its properties leaves QEMU 7.2 with dangling hooks, and it dies when the start goes on."""
    qmp = Qmp(binary, "--preconfig")
    properties = {}
    for pattern in ("pc-q35-{major}.{minor}-machine", "pc-i440fx-{major}.{minor}-machine", "microvm-machine"):
        name = pattern.format(**version)
        properties[name] = rows(qmp.execute("qom-list-properties", typename=name))
    qmp.quit()
    return properties


def main():
    binary = sys.argv[1]
    qmp = Qmp(binary)
    v = qmp.greeting["version"]
    properties = machine_properties(binary, v["qemu"])
    introspection = qmp.execute("query-qmp-schema")
    options = qmp.execute("query-command-line-options")
    all_types = qmp.execute("qom-list-types", abstract=True)
    parents = sorted([t["name"], t.get("parent", "")] for t in all_types)
    objects = sorted(t["name"] for t in qmp.execute("qom-list-types", implements="user-creatable", abstract=False))
    devices = sorted(t["name"] for t in qmp.execute("qom-list-types", implements="device", abstract=False))
    for device in devices:
        if device.endswith("-cpu") and device not in KEEP_CPUS:
            continue
        try:
            properties[device] = rows(qmp.execute("device-list-properties", typename=device))
        except RuntimeError:
            continue  # not a device for users
        except ConnectionError as error:  # a type whose module is not complete kills QEMU 7.2
            print(f"left out: {error}", file=sys.stderr)
            qmp = Qmp(binary)
    machines = [{"name": m["name"], "alias": m.get("alias", ""), "cpu_max": m["cpu-max"],
                 "hotpluggable_cpus": m["hotpluggable-cpus"], "deprecated": m["deprecated"],
                 "default_ram_id": m.get("default-ram-id", "")} for m in qmp.execute("query-machines")]
    models = [{"name": m["name"], "type": m["typename"], "deprecated": m.get("deprecated", False)}
              for m in qmp.execute("query-cpu-definitions")]
    arch = qmp.execute("query-target")["arch"]
    qmp.quit()
    saved = {
        "form": FORM, "binary": binary, "version": [v["qemu"]["major"], v["qemu"]["minor"], v["qemu"]["micro"]],
        "package": v["package"], "arch": arch, "parents": parents, "device_types": devices, "object_types": objects,
        "properties": dict(sorted(properties.items())), "machines": sorted(machines, key=lambda m: m["name"]),
        "cpu_models": sorted(models, key=lambda m: m["name"]),
        "options": {o["option"]: [[p["name"], p["type"]] for p in o["parameters"]]
                    for o in sorted(options, key=lambda o: o["option"])},
        "introspection": introspection,
    }
    # One line for each part, so that a new fixture can be compared with the old one.
    print("{" + ",\n".join(f"{json.dumps(k)}: {json.dumps(x, separators=(',', ':'))}" for k, x in saved.items()) + "}")


main()
