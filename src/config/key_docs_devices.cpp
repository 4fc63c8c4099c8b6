// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/key_docs_parts.hpp"

namespace qvm::config::docs {
namespace {

constexpr auto nets = std::to_array<KeyDoc>({
    {"net", "A nic of the guest and the network it is on.", "",
     "netdev X, device X, and a host resource: X.passt of type user (netdev stream), X.tap of type tap, "
     "bridge or macvtap (netdev tap), with X.vhost for vhost-net; chardev X.socket of type vhost-user",
     "", "net.lan = { type = \"user\", forward = [\"2222 -> 22\"] }"},
    {"net.type",
     "The network: user is the host's, through passt(1), without privileges and in a process of its own; "
     "bridge is that of a bridge of the host, through an interface that is made and goes with the VM; tap is "
     "whatever a tap interface of the host is in; macvtap is that of an interface of the host, beside the "
     "host and without reaching it; vhost-user is a switch in another process of the host, which moves the "
     "packets in the guest's memory; none is a nic on no network. It has to be said, unless netdev has a "
     "type. Where /dev/vhost-net opens, and the processors are not emulated, the kernel moves "
     "the packets of tap, bridge and macvtap; netdev.vhost = false keeps it out.",
     "", "netdev X, host resources X.passt, X.tap and X.vhost, chardev X.socket, or nothing", replug,
     "net.lan.type = \"user\""},
    {"net.model", "The nic's driver in QEMU, such as e1000e; virtio is the one that fits the machine.",
     "virtio", "device X: driver, virtio-net-pci (on microvm virtio-net-device) for virtio", replug,
     "net.lan = { type = \"user\", model = \"e1000e\" }"},
    {"net.mac", "The nic's address. It is no group address: the first byte is even.",
     "made of the VM's name and the nic's id, always the same", "device X: mac", replug,
     "net.lan = { type = \"user\", mac = \"52:54:00:12:34:56\" }"},
    {"net.forward",
     "Ports of the host that lead to the guest: a list of \"[udp:][ADDRESS:]PORT[-PORT] -> PORT\". The "
     "address is 127.0.0.1 unless said, an IPv6 address is in brackets, and a range leads to as many ports "
     "of the guest. Type user only.",
     "none", "host resource X.passt: -t and -u of its command", replug,
     "[net.lan]\ntype = \"user\"\nforward = [\"2222 -> 22\", \"udp:5353 -> 53\"]"},
    {"net.host-loopback",
     "Whether the guest reaches services on the host's loopback address, through its gateway. Type user "
     "only.",
     "false", "host resource X.passt: without --no-map-gw", replug,
     "net.lan = { type = \"user\", host-loopback = true }"},
    {"net.ifname",
     "The tap interface. Of type tap, one that is there, which is left as it is, or else one that is made, "
     "which needs privileges; of type bridge the name of the one that is made. What is made goes with the "
     "VM. For a user, `ip tuntap add dev NAME mode tap user UID` as root makes one beforehand. As long as "
     "the VM has the interface, changes of it wait for the next start.",
     "the next free of qvm0, qvm1, ..; of type tap it has to be said", "host resource X.tap: ifname", replug,
     "net.lan = { type = \"tap\", ifname = \"tap0\" }"},
    {"net.bridge",
     "The bridge of the host that the nic joins, by an interface made for it. A user's is made by QEMU's "
     "qemu-bridge-helper, which has to be setuid root, and looks into /etc/qemu/bridge.conf whether it may. "
     "Type bridge only.",
     "", "host resource X.tap: bridge", replug, "net.lan = { type = \"bridge\", bridge = \"br0\" }"},
    {"net.parent",
     "The interface of the host on whose network the nic is, by a macvtap that is made over it, with the "
     "nic's address; it is in a network namespace of its own, and gone with the VM. It needs privileges. The "
     "host and the guest do not reach each other by it. Type macvtap only.",
     "", "host resource X.tap: parent and mac", replug,
     "net.lan = { type = \"macvtap\", parent = \"eth0\" }"},
    {"net.socket",
     "The Unix socket on which the switch listens, or with mode = \"server\" QEMU. One of the switch's has "
     "to "
     "be there, and as root the VM's uid needs the right to write to it; a switch that ends then leaves the "
     "nic without a network until the VM's next start. It makes memory.share true, so the switch can read "
     "and write all of the guest's "
     "memory. Not in a reduced jail. Type vhost-user only.",
     "", "chardev X.socket: path; object memory.boot: share", next_start,
     "net.fast = { type = \"vhost-user\", socket = \"/run/switch/vm5.sock\" }"},
    {"net.mode",
     "Which end of the socket QEMU is. client connects to the switch; server listens, and the switch (in "
     "Open "
     "vSwitch a port of type dpdkvhostuserclient) may end and come back. The VM does not start before it has "
     "connected: that is waited for 30 seconds. The socket belongs to the owner of its directory, and to "
     "the directory's group where that may write there; it goes with the VM. Type vhost-user only.",
     "client", "chardev X.socket: server", next_start,
     "[net.fast]\ntype = \"vhost-user\"\nsocket = \"/run/switch/vm5.sock\"\nmode = \"server\""},
    {"net.queues",
     "How many pairs of queues the nic has, one for each processor at best. Types tap, bridge, macvtap and "
     "vhost-user only, and virtio models. A tap that is there has to be made with multi_queue for more than "
     "one.",
     "1", "host resources X.tap: queues, X.vhost: count; netdev X: fds, vhostfds, queues; device X: mq",
     replug, "net.lan = { type = \"bridge\", bridge = \"br0\", queues = 4 }"},
    {"net.mtu", "The MTU that the guest is told, and that of an interface that is made. Virtio models only.",
     "what QEMU and passt say; of an interface in a bridge the bridge's",
     "device X: host_mtu; host resource X.passt: -m, X.tap: mtu", replug,
     "net.lan = { type = \"user\", mtu = 1500 }"},
    {"net.link", "Whether the nic begins with its cable plugged in.", "true",
     "link-down, and set_link of device X", live, "net.lan = { type = \"user\", link = false }"},
    {"net.boot", "The place in the firmware's boot order, lowest first.", "none", "device X: bootindex", live,
     "net.lan = { type = \"user\", boot = 2 }"},
    {"net.netdev",
     "Overrides: members of the network, merged into what qvm makes. With a type it replaces the key type. "
     "`qvm explain netdev.TYPE` tells the members.",
     "", "netdev X", "", "net.lan.netdev = { type = \"hubport\", hubid = 0 }"},
    {"net.device",
     "Overrides: properties of the nic, merged into what qvm makes. `qvm explain DRIVER` tells them, for "
     "example of virtio-net-pci.",
     "", "device X", "", "net.lan = { type = \"user\", device = { rx_queue_size = 1024 } }"},
    {"link-down",
     "The ids of the devices that begin with their link down. It is what link = false of a [net.X] becomes.",
     "none", "set_link of each", live, "link-down = [\"lan\"]\nnet.lan.type = \"user\""},
});

constexpr auto shares = std::to_array<KeyDoc>({
    {"share",
     "A directory of this host that the guest can mount: `mount -t virtiofs X /mnt`, with X its tag. It is "
     "served by virtiofsd(1) (the one in Rust, 1.13 or later) in a jail that has nothing else of the host. "
     "All "
     "that the guest's users make belongs to one user of the host: the one who starts the VM; as root the "
     "directory's owner, or the VM's own uid where that is root. In the guest it is uid 1000. uid-map lets "
     "files "
     "have several owners. It makes "
     "memory.share true.",
     "",
     "host resource X.virtiofsd, chardev X.socket and device X (vhost-user-fs-pci); object memory.boot: "
     "share",
     "", "share.src = { path = \"/home/me/src\" }"},
    {"share.path", "The directory, with what is mounted in it when the VM is started.", "",
     "host resource X.virtiofsd: path", replug, "share.src = { path = \"/home/me/src\" }"},
    {"share.tag", "The name that the guest mounts.", "the id X", "device X: tag", replug,
     "share.src = { path = \"/home/me/src\", tag = \"sources\" }"},
    {"share.read-only", "Whether the guest can only read in it.", "false",
     "host resource X.virtiofsd: access", replug,
     "share.src = { path = \"/home/me/src\", read-only = true }"},
    {"share.uid-map",
     "Which users of the host those of the guest are: a list of \"GUEST:HOST:COUNT\", each so many ids from "
     "one on. "
     "Then a file belongs to its user on the host, and chown works among these; those of all others belong "
     "to nobody in the guest. The guest's root has to be somebody, and nobody may be the host's. Only root "
     "can "
     "start such a VM.",
     "there is one user", "host resource X.virtiofsd: uid-map", replug,
     "share.src = { path = \"/srv/data\", uid-map = [\"0:100000:65536\"] }"},
    {"share.gid-map", "The same of groups.", "uid-map", "host resource X.virtiofsd: gid-map", replug,
     "[share.src]\npath = \"/srv/data\"\nuid-map = [\"0:100000:65536\"]\ngid-map = [\"0:100000:65536\"]"},
    {"share.virtiofsd", "Where virtiofsd is, if not in the usual places.", "", "", replug,
     "[share.src]\npath = \"/home/me/src\"\nvirtiofsd = { binary = \"/opt/fs/bin/virtiofsd\" }"},
    {"share.virtiofsd.binary", "The program.", "/usr/libexec/virtiofsd, /usr/lib/virtiofsd, or that of PATH",
     "host resource X.virtiofsd: command", replug,
     "[share.src]\npath = \"/home/me/src\"\nvirtiofsd.binary = \"/opt/fs/bin/virtiofsd\""},
    {"share.virtiofsd.loader", "The ELF interpreter that it is started with.", "its own",
     "host resource X.virtiofsd: loader", replug,
     "[share.src]\npath = \"/home/me/src\"\nvirtiofsd.loader = \"/opt/fs/lib/ld.so\""},
    {"share.virtiofsd.library-path", "The directories with its libraries.", "the system's",
     "host resource X.virtiofsd: library-path", replug,
     "[share.src]\npath = \"/home/me/src\"\nvirtiofsd.library-path = [\"/opt/fs/lib\"]"},
    {"share.device",
     "Overrides: properties of the device, merged into what qvm makes. `qvm explain vhost-user-fs-pci` tells "
     "them.",
     "", "device X", "", "[share.src]\npath = \"/home/me/src\"\ndevice = { queue-size = 512 }"},
});

constexpr auto devices = std::to_array<KeyDoc>({
    {"console", "What `qvm console` shows.", "serial, or none with defaults = false",
     "host resource, chardev and device console; console.bus for a virtio one", next_start,
     "console = \"virtio\""},
    {"console.type", "A serial port, a virtio console, or none.", "serial",
     "device console: driver isa-serial, or virtconsole on console.bus (virtio-serial-pci)", next_start,
     "console.type = \"virtio\""},
    {"console.log",
     "A file that all that comes on the console is added to. `qvm log --console` tells the last of it "
     "without "
     "one.",
     "none", "chardev console: logfile, logappend", next_start, "console.log = \"web.log\""},
    {"rng", "A virtio random number generator, fed by QEMU.", "true, or false with defaults = false",
     "object rng0 (rng-builtin) and device rng0 (virtio-rng-pci)", "", "rng = false"},
    {"balloon", "A device by which the guest gives back memory that it does not use.", "none",
     "device balloon0 (virtio-balloon-pci)", "", "balloon = true"},
    {"balloon.size",
     "How much of its memory the guest is asked to keep, what virtio-mem gives not counted. Its driver gives "
     "back the rest in its own time, and "
     "may take it again: it is a request, not a limit. `qvm qmp NAME query-balloon` tells what it has.",
     "all", "the command balloon, before the guest runs", live,
     "memory = \"2G\"\nballoon = { size = \"1G\" }"},
    {"balloon.deflate-on-oom", "Whether memory comes back when the guest has none left.", "false",
     "device balloon0: deflate-on-oom", replug, "balloon.deflate-on-oom = true"},
    {"balloon.free-page-reporting", "Whether the guest gives back what is free without being asked.", "false",
     "device balloon0: free-page-reporting", replug, "balloon.free-page-reporting = true"},
    {"agent",
     "The port for qemu-ga(8) in the guest. `qvm attach --agent` talks to it, and so does a client of the "
     "socket agent.sock in the VM's runtime directory.",
     "none", "host resource, chardev and device agent (virtserialport)", "", "agent = true"},
    {"vsock", "Sockets between host and guest, see vsock(7). The host needs its module vhost_vsock.", "none",
     "host resource and device vsock0 (vhost-vsock-pci)", "", "vsock.cid = 42"},
    {"vsock.cid", "The guest's address.", "made of the VM's name, always the same",
     "device vsock0: guest-cid", replug, "vsock.cid = 42"},
    {"input", "Devices that type and point. `input = true` makes a tablet and a keyboard.", "none",
     "devices tablet0, keyboard0 and mouse0", "", "input = { bus = \"virtio\", mouse = true }"},
    {"input.bus", "The bus they are on.", "usb; virtio on the machine microvm",
     "driver of tablet0, keyboard0 and mouse0: usb-tablet, usb-kbd, usb-mouse or the virtio ones", replug,
     "input.bus = \"virtio\""},
    {"input.tablet", "Whether there is a pointer that has a place on the screen.", "true", "device tablet0",
     "", "input.tablet = false"},
    {"input.keyboard", "Whether there is a keyboard.", "true", "device keyboard0", "",
     "input.keyboard = false"},
    {"input.mouse", "Whether there is a mouse, which tells how far it moved.", "false", "device mouse0", "",
     "input.mouse = true"},
    {"watchdog", "A device that acts when the guest does not feed it in time.", "none",
     "device watchdog0, and -action", "", "watchdog = { action = \"poweroff\" }"},
    {"watchdog.model", "A PCI card (i6300esb) or an ISA one (ib700).", "i6300esb", "device watchdog0: driver",
     next_start, "watchdog = \"ib700\""},
    {"watchdog.action", "What becomes of a guest that does not feed it in time.", "reset, as QEMU has it",
     "-action watchdog", next_start, "watchdog.action = \"poweroff\""},
    {"host-device",
     "A device of this host that the VM has for itself: a PCI device, by vfio, or a USB device. Of a PCI "
     "device the host's driver must have let go: qvm never rebinds one, but tells how; and all of the "
     "guest's "
     "memory is locked then. A reduced jail of root's cannot have one. Of a USB device the host's driver "
     "lets "
     "go while the VM has it. A guest can change for good what is stored in a device, its firmware too.",
     "none", "device X: vfio-pci or usb-host", "pci: next start; usb: live",
     "host-device.gpu.pci = \"0000:41:00.0\""},
    {"host-device.pci", "Where the device is, as `lspci -D` prints it.", "none: it or usb must be said",
     "device X: host", next_start, "host-device.gpu = { pci = \"41:00.0\" }"},
    {"host-device.usb",
     "Which USB device it is: VENDOR:PRODUCT, as `lsusb` prints it, or where it is plugged in, as \"3-1.2\" "
     "for bus 3, port 1 of the computer and port 2 of the hub there (`lsusb -t`), which also tells one of "
     "two "
     "equal devices. It comes and goes while the VM runs, if the VM was started with one or with "
     "hotplug.usb.",
     "none: it or pci must be said", "host X, device X: hostdevice", replug,
     "host-device.key = { usb = \"046d:c52b\" }"},
    {"host-device.boot", "Its place in the order of what is booted from; 0 is first.", "not booted from",
     "device X: bootindex", next_start, "host-device.nic = { pci = \"41:00.0\", boot = 0 }"},
    {"host-device.device", "Properties of the device, in QEMU's own words.", "none", "device X", next_start,
     "[host-device.gpu]\npci = \"0000:41:00.0\"\ndevice = { x-vga = true }"},
    {"audio",
     "A sound card. The host's own sound does not get into the jail: a display carries it, SPICE both "
     "ways, and VNC what the guest plays, to a viewer that asks for it (those made with gtk-vnc do, TigerVNC "
     "does not). Without one, the guest plays to nobody.",
     "none", "audiodev audio, device audio0, and audio0.codec for hda; -vnc audiodev", next_start,
     "audio = true\ndisplay = \"vnc\""},
    {"audio.model",
     "Which sound card: hda, which systems know without drivers; virtio, from QEMU 8.2 on; usb; or ac97, for "
     "old systems.",
     "hda; virtio on the machine microvm",
     "devices audio0 (ich9-intel-hda; on pc intel-hda) and audio0.codec (hda-duplex), or audio0 alone "
     "(virtio-sound-pci, usb-audio, AC97)",
     next_start, "audio.model = \"usb\""},
    {"audio.backend",
     "Where QEMU itself plays: a driver of -audiodev. Those for the host's sound (pa, pipewire, alsa, ..) "
     "need "
     "jail.mode = \"off\".",
     "spice with such a display, else none, which leaves it to VNC", "audiodev audio: driver", next_start,
     "audio = { backend = \"none\" }"},
    {"video", "A graphics card.", "none", "device video0", "", "video = { model = \"virtio\", heads = 2 }"},
    {"video.model", "Which graphics card.", "virtio",
     "device video0: driver virtio-vga, VGA, qxl-vga, bochs-display or cirrus-vga (virtio on microvm: "
     "virtio-gpu-device)",
     next_start, "video = \"qxl\""},
    {"video.heads", "How many screens it has. Models virtio and qxl only.", "1, as QEMU has it",
     "device video0: max_outputs", next_start, "video = { model = \"virtio\", heads = 2 }"},
    {"video.memory",
     "The card's memory; for virtio the most that it takes of the host for pictures. For vga, qxl and cirrus "
     "it is a power of two.",
     qemus_own, "device video0: max_hostmem (virtio), vgamem (bochs) or vgamem_mb", next_start,
     "video = { model = \"vga\", memory = \"32M\" }"},
    {"display",
     "How the screen can be looked at: by VNC, which QEMU serves on a socket that qvm opens, or by SPICE, "
     "for "
     "which qvm accepts the clients and hands them to QEMU. Unless the file says otherwise, there is a "
     "graphics card then, a tablet and a keyboard.",
     "none",
     "host resource display; -vnc none and display-update, or -spice with chardev and device vdagent; "
     "devices "
     "video0, tablet0 and keyboard0",
     next_start, "display = \"vnc\""},
    {"display.type",
     "vnc: for `qvm view` and any viewer of VNC. window: the same, and `qvm up` opens a window. spice: for "
     "`qvm view` and any client of SPICE, with sound and, through spice-vdagent in the guest, the clipboard; "
     "QEMU's modules for it may be in a package of their own. gtk, sdl: QEMU itself opens a window, which is "
     "there from the start to the end of the VM; it needs your session, so a reduced jail or none. none: no "
     "screen.",
     "vnc", "-display for gtk and sdl", next_start, "display.type = \"window\""},
    {"display.listen",
     "Where it is served: ADDRESS:PORT, or the path of a Unix socket. What others than this host can reach "
     "needs a password, and neither VNC nor SPICE without TLS protects much: ssh -L is better.",
     "vnc.sock or spice.sock in the VM's runtime directory, which only you can open",
     "host resource display: address, path or runtime", next_start,
     "display = { type = \"vnc\", listen = \"127.0.0.1:5901\" }"},
    {"display.password",
     "The [secret.X] that is the password: of VNC of at most 8 characters, of SPICE of at most 60.", "none",
     "-vnc password=on or -spice disable-ticketing=off, and set_password", next_start,
     "secret.vnc.env = \"VNC\"\n"
     "display = { listen = \"0.0.0.0:5901\", password = \"vnc\" }"},
    {"display.full-screen", "Whether the window of gtk or sdl fills the screen at first.", "false",
     "-display full-screen", next_start,
     "jail.mode = \"reduced\"\ndisplay = { type = \"gtk\", full-screen = true }"},
    {"display.show-cursor", "Whether the host's pointer is seen over the window of gtk or sdl.",
     "QEMU's own: only where the guest has none", "-display show-cursor", next_start,
     "jail.mode = \"reduced\"\ndisplay = { type = \"sdl\", show-cursor = true }"},
    {"display.zoom-to-fit", "Whether the picture is as large as the window of gtk.", "QEMU's own",
     "-display zoom-to-fit", next_start,
     "jail.mode = \"reduced\"\ndisplay = { type = \"gtk\", zoom-to-fit = true }"},
    {"tpm",
     "A TPM, which swtpm(8) emulates in a process of its own. It is blank at first, without certificates of "
     "a "
     "maker, and keeps what is put into it over the ends of its VM.",
     "none", "host resource tpm.swtpm, chardev tpm, -tpmdev tpm and device tpm0", next_start, "tpm = true"},
    {"tpm.version", "The TPM's specification.", "2.0", "host resource tpm.swtpm: --tpm2 of its command",
     next_start, "tpm.version = \"1.2\""},
    {"tpm.model", "How the guest reaches it: crb, which is of TPM 2.0 only, or tis.",
     "crb; tis for version 1.2 and on the machine virt",
     "device tpm0: driver tpm-crb, or tpm-tis (on virt tpm-tis-device)", next_start, "tpm.model = \"tis\""},
    {"tpm.state",
     "The directory that the TPM's state is kept in, of this TPM alone. It is made where it is missing, and "
     "`qvm rm` leaves it.",
     "tpm in the VM's state directory, which `qvm rm` deletes", "host resource tpm.swtpm: path", next_start,
     "tpm.state = \"web.tpm\""},
});

}  // namespace

std::span<const KeyDoc> of_nets() {
    return nets;
}

std::span<const KeyDoc> of_shares() {
    return shares;
}

std::span<const KeyDoc> of_devices() {
    return devices;
}

}  // namespace qvm::config::docs
