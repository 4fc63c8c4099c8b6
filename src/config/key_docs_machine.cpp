// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/key_docs_parts.hpp"

namespace qvm::config::docs {
namespace {

constexpr auto files = std::to_array<KeyDoc>({
    {"enabled",
     "Whether the table counts. TABLE = false is its short form: nothing is made of the table, and an "
     "inherited one is switched off.",
     "true", "", "", "rng = false"},
    {"name",
     "The VM's name. It begins with a-z and has at most 63 of a-z, 0-9 and -. State, sockets and the verbs "
     "of qvm know the VM by it.",
     "the file's name without .toml; for a file called vm.toml its directory's", "-name", "",
     "name = \"web\""},
    {"extends",
     "The file or template that this file is a variant of. A word without a / that does not end in .toml is "
     "a template: WORD.toml beside the file, in ~/.config/qvm/templates or in /etc/qvm/templates.",
     "", "", "", "extends = \"base.toml\""},
    {"include",
     "Further files, merged one over the other below this one. One path or a list of them; they win over "
     "what is extended.",
     "", "", "", "include = [\"network.toml\", \"disks.toml\"]"},
    {"unset", "Keys and tables that are taken out of what this file inherits. Each is a dotted key.", "", "",
     "", "unset = [\"disk.data\", \"cpus.threads\"]"},
    {"vars",
     "Variables for ${NAME} in strings. Each is a string, a number, true or false; all files of the VM share "
     "them. ${env:X}, ${dir} and ${name} are there without it, and $${ is a literal ${.",
     "", "", "", "vars.images = \"/srv/images\"\ndisk.root.file = \"${images}/root.qcow2\""},
    {"defaults",
     "Whether what nobody asked for is made: the console, the random number generator, the UUID and the "
     "spare PCIe ports.",
     "true", "", "", "defaults = false"},
});

constexpr auto machine = std::to_array<KeyDoc>({
    {"memory",
     "The guest's memory: how much of it, how much there may ever be, and what it is made of on the host.",
     "512M", "-m", "", "memory = \"4G\""},
    {"memory.size",
     "How much memory the guest has. At least 1M; a number without a unit counts bytes. With virtio-mem a "
     "multiple of 2M; a DIMM has a multiple of 128M. With numa, the sum of the nodes', and it may be left "
     "out.",
     "512M", "-m",
     "while the VM runs, between what it was started with and max; the guest takes and gives it in its own "
     "time. Else at the next start",
     "memory.size = \"4G\""},
    {"memory.max",
     "The most memory that the VM may ever have, size included. What is above size comes and goes by a "
     "virtio-mem device, for which the guest needs the driver (Linux 5.8, Windows with virtio-win), or as "
     "memory.via says.",
     "size", "-m maxmem; as memory.via says, object and device memory.hot (virtio-mem-pci)", next_start,
     "memory = { size = \"2G\", max = \"8G\" }"},
    {"memory.hugepages",
     "Takes the memory from the host's huge pages: of a size such as \"2M\" or \"1G\", or true for the "
     "host's usual ones. An administrator sets them aside with the sysctl vm.nr_hugepages.",
     "false", "memory-backend-memfd's hugetlb and hugetlbsize", next_start,
     "memory = { size = \"4G\", hugepages = \"1G\" }"},
    {"memory.prealloc",
     "Takes all of the memory from the host before the guest runs, so that a host without enough of it is "
     "noticed then. With max, the guest gets of the rest only what the host has at that moment.",
     "false", "the memory object's prealloc", next_start, "memory = { size = \"4G\", prealloc = true }"},
    {"memory.share", "Whether other processes can share the memory, as devices of vhost-user need it.",
     "false, or true with hugepages, [share.X] and a [net.X] of type vhost-user",
     "memory-backend-memfd's share", next_start, "memory = { size = \"4G\", share = true }"},
    {"memory.lock",
     "Keeps all of QEMU's memory in place, so that the host never swaps it out. An ordinary user may lock as "
     "much as his limit memlock allows. Not together with the virtio-mem device of max.",
     "false", "-overcommit mem-lock, and the limit RLIMIT_MEMLOCK", next_start,
     "memory = { size = \"4G\", lock = true }"},
    {"memory.via",
     "What fills the room up to max: a virtio-mem device; dimm, which any guest knows: each time that size "
     "grows while the VM runs a DIMM comes, of a multiple of 128M, and they go again whole and from the last "
     "on, if the guest lets them; or none, which leaves it to devices of the raw level.",
     "virtio-mem", "with dimm: objects and devices memory.dimmN (pc-dimm)", next_start,
     "memory = { size = \"2G\", max = \"8G\", via = \"dimm\" }"},
    {"cpus",
     "The guest's processors and how they sit together. Numbers that are not said follow from the others: "
     "threads and dies are 1, and cores fill one socket.",
     "1", "-smp, always complete", "", "cpus = { count = 2, max = 8 }"},
    {"cpus.count", "How many processors the VM has.", "sockets x dies x cores x threads", "-smp cpus",
     "while the VM runs, between the number it was started with and max; what is added are devices called "
     "qvm.cpuN. With tcg some of it waits for the next start",
     "cpus.count = 4"},
    {"cpus.sockets", "The number of sockets.", "1", "-smp sockets", next_start,
     "cpus = { sockets = 2, cores = 4 }"},
    {"cpus.dies", "Dies in a socket.", "1", "-smp dies", next_start, "cpus = { dies = 2, cores = 2 }"},
    {"cpus.cores", "Cores in a die.", "what fills one socket", "-smp cores", next_start,
     "cpus = { cores = 4, threads = 2 }"},
    {"cpus.threads", "Threads in a core.", "1", "-smp threads", next_start,
     "cpus = { cores = 4, threads = 2 }"},
    {"cpus.max",
     "How many processors the VM may ever have. It is sockets x dies x cores x threads, where these are "
     "said.",
     "as many as count", "-smp maxcpus", next_start, "cpus = { count = 2, max = 8 }"},
    {"cpus.pin",
     "The CPUs of the host on which those of the guest run: a list such as \"8-15\" or \"0,2,4-7\" for all "
     "of "
     "them, or an array of as many lists as cpus.max, in which \"any\" leaves one where the kernel puts it.",
     "any", "sched_setaffinity(2) on QEMU's threads", "while the VM runs",
     "cpus = { count = 2, pin = [\"2\", \"3\"] }"},
    {"numa",
     "The guest's nodes, of processors and memory that are near each other. They are numbered from 0 on. "
     "Every "
     "CPU up to cpus.max is in exactly one, and memory.size is what they have together. What memory.max adds "
     "comes to node 0.",
     "none", "objects numaN and -numa", "",
     "numa.0 = { cpus = \"0-1\", memory = \"2G\" }\nnuma.1 = { cpus = \"2-3\", memory = \"2G\" }\ncpus = 4"},
    {"numa.cpus", "The guest's CPUs in the node, counted from 0: one, or a list such as \"0-3,8\".", "none",
     "-numa node,cpus=", next_start, "cpus = 4\nnuma.0 = { cpus = \"0-3\", memory = \"2G\" }"},
    {"numa.memory", "How much of the memory is in the node.", "none",
     "object numaN and -numa node,memdev=", next_start, "numa.0 = { cpus = 0, memory = \"2G\" }"},
    {"numa.host-nodes", "The host's memory nodes that the node's memory is taken from, and from no others.",
     "any", "the object's host-nodes, with policy bind", next_start,
     "numa.0 = { cpus = 0, memory = \"2G\", host-nodes = [0] }"},
    {"numa.pin",
     "The CPUs of the host on which those of the node run: a list such as \"8-15\", or an array of one list "
     "for each of the node's CPUs, as in cpus.pin, which it excludes.",
     "any", "sched_setaffinity(2) on QEMU's threads", "while the VM runs",
     "numa.0 = { cpus = 0, memory = \"2G\", pin = \"8-11\" }"},
    {"numa.distance",
     "How far each node is from this one, in their order: 10 to itself, 11 to 254 to others, and 255 for one "
     "that cannot be reached. One direction stands for both.",
     "10 to itself and 20 to others", "-numa dist", next_start,
     "numa.0 = { cpus = 0, memory = \"2G\", distance = [10, 21] }\nnuma.1 = { memory = \"1G\" }"},
    {"machine",
     "The board: its type, the accelerator, and every property of QEMU's machine type. `qvm explain "
     "machine.KEY` tells of such a property.",
     "q35", "-machine", next_start, "machine = { type = \"q35\", vmport = \"off\" }"},
    {"machine.type", "The machine type, by its name or its alias in this QEMU.", "q35", "-machine TYPE",
     next_start, "machine.type = \"microvm\""},
    {"machine.accel",
     "The accelerator: a name, or a list of which the first that works is taken. qvm says so when that is "
     "not the first.",
     "[\"kvm\", \"tcg\"]", "-accel", next_start, "machine.accel = \"kvm\""},
    {"cpu",
     "The processor's model, and every property of QEMU's CPU type. A feature with a dot in its name is "
     "written in quotes: \"sse4.1\" = true. `qvm explain cpu.KEY` tells of one.",
     "max", "-cpu", next_start, "cpu = { model = \"max\", \"sse4.1\" = true }"},
    {"cpu.model", "The name of the CPU model in this QEMU.", "max", "-cpu MODEL", next_start,
     "cpu.model = \"max\""},
    {"kernel", "A kernel that is booted directly, without a boot loader. It needs an image.", "",
     "-kernel, -initrd, -append and -dtb, with copies of the files in the jail", next_start,
     "[kernel]\nimage = \"vmlinuz\"\ninitrd = \"initrd.gz\"\nappend = \"console=ttyS0\""},
    {"kernel.image", "The kernel's file.", "", "-kernel", next_start, "kernel.image = \"vmlinuz\""},
    {"kernel.initrd", "The initial RAM disk's file.", "none", "-initrd", next_start,
     "kernel = { image = \"vmlinuz\", initrd = \"initrd.gz\" }"},
    {"kernel.append", "The kernel's command line.", "empty", "-append", next_start,
     "kernel = { image = \"vmlinuz\", append = \"console=ttyS0\" }"},
    {"kernel.dtb", "A device tree's file, for machines that take one.", "none", "-dtb", next_start,
     "kernel = { image = \"vmlinuz\", dtb = \"board.dtb\" }"},
    {"firmware",
     "What runs before the boot loader: what QEMU has for the machine by itself (bios), or UEFI, which is "
     "found "
     "through QEMU's firmware descriptors.",
     "bios", "block nodes firmware-code and firmware-vars, machine.pflash0 and pflash1", next_start,
     "firmware = \"uefi\""},
    {"firmware.type", "The kind of firmware.", "bios", "", next_start, "firmware.type = \"uefi\""},
    {"firmware.secure-boot",
     "Takes a firmware that has keys and boots only what is signed with them. Its variables are kept apart "
     "from those of the other.",
     "false", "machine.smm and cfi.pflash01's property secure, where the firmware needs them", next_start,
     "firmware = { type = \"uefi\", secure-boot = true }"},
    {"firmware.vars",
     "The file of the VM's own variables, boot entries among them. It is made where it is missing, as a copy "
     "of the firmware's template, and never replaced.",
     "efivars.fd, with Secure Boot efivars-secure-boot.fd, in the VM's state directory",
     "block node firmware-vars", next_start, "firmware = { type = \"uefi\", vars = \"web-vars.fd\" }"},
    {"uuid",
     "What the guest's firmware calls the machine: a UUID of 8-4-4-4-12 hexadecimal digits, true for one "
     "that is made of the VM's name and so always the same, or false for none.",
     "true, or false with defaults = false", "-uuid", next_start,
     "uuid = \"0fe3a1b2-7f6b-4c3a-9d52-2f6c1c0b8e11\""},
    {"rtc", "The guest's clock.", qemus_own, "-rtc", next_start, "rtc = \"localtime\""},
    {"rtc.base",
     "What the clock shows at the start: \"utc\", \"localtime\" (what Windows expects) or a date as in "
     "\"2026-01-31T12:00:00\".",
     "utc", "-rtc base", next_start, "rtc.base = \"localtime\""},
    {"rtc.clock", "What drives the clock: the host's clock, one that is never set, or the VM's own time.",
     "host", "-rtc clock", next_start, "rtc.clock = \"vm\""},
    {"rtc.driftfix", "Whether ticks that were missed are delivered later (slew).", "none", "-rtc driftfix",
     next_start, "rtc.driftfix = \"slew\""},
    {"hotplug", "Room for devices that are added while the VM runs.", "",
     "devices pcie-root-port, in groups of eight", next_start, "hotplug.pcie-ports = 8"},
    {"hotplug.pcie-ports", "The number of free PCIe root ports for devices that come later.",
     "4, or 0 with defaults = false", "devices pcie-root-port, in groups of eight", next_start,
     "hotplug.pcie-ports = 8"},
    {"hotplug.usb",
     "Whether USB devices of the host can come while the VM runs. The jail's filter has to let their "
     "requests "
     "through then, which it does from the start on for a VM that has one.",
     "false, but true while the VM has a [host-device.X] with usb", "", next_start, "hotplug.usb = true"},
});

}  // namespace

std::span<const KeyDoc> of_files() {
    return files;
}

std::span<const KeyDoc> of_machine() {
    return machine;
}

}  // namespace qvm::config::docs
