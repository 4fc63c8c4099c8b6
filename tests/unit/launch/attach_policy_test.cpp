// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/attach_policy.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"

namespace qvm::launch {
namespace {

using config::AttachAllow;

/// A client that has passed a descriptor "net0" and the set 100000; another has 100007.
PassedFds passed() {
    return {{"net0"}, {100'000}, {100'007}};
}

std::string refused(const std::string& command, const std::string& arguments,
                    AttachAllow allow = AttachAllow::Operate) {
    return refusal(command, Json::parse(arguments), allow, passed()).value_or("");
}

struct Row {
    const char* command;
    const char* arguments;
    const char* member;  ///< named by the refusal; null: may run
};

// What a client may not do where it may operate the VM, and what it may.
const std::vector<Row> rows{
    // Migration.
    {"migrate", R"({"uri": "exec:cat > /tmp/x"})", "'uri'"},
    {"migrate", R"({"uri": "file:/tmp/x"})", "'uri'"},
    {"migrate", R"({"uri": "unix:/tmp/x"})", "'uri'"},
    {"migrate", R"({"uri": "tcp:0:4444"})", "'uri'"},
    {"migrate", R"({"uri": "fd:net0"})", nullptr},
    {"migrate", R"({"uri": "fd:other"})", "(other)"},
    {"migrate", R"({"uri": "fd:17"})", "(17)"},
    {"migrate", R"({"uri": "file:/dev/fdset/100000"})", nullptr},
    {"migrate", R"({"uri": "file:/dev/fdset/0"})", "'uri'"},
    {"migrate-incoming", R"({"uri": "exec:sh"})", "'uri'"},
    {"migrate-recover", R"({"uri": "tcp:0:1"})", "'uri'"},
    {"migrate", R"({"channels": [{"channel-type": "main", "addr": {"transport": "exec", "args": ["sh"]}}]})",
     "'channels[0].addr.transport'"},
    {"migrate",
     R"({"channels": [{"channel-type": "main", "addr": {"transport": "file", "filename": "x", "offset": 0}}]})",
     "'channels[0].addr.transport'"},
    {"migrate",
     R"({"channels": [{"channel-type": "main", "addr": {"transport": "socket", "type": "inet", "host": "a", "port": "1"}}]})",
     "'channels[0].addr.type'"},
    {"migrate",
     R"({"channels": [{"channel-type": "main", "addr": {"transport": "socket", "type": "fd", "str": "net0"}}]})",
     nullptr},
    {"migrate-set-parameters", R"({"cpr-exec-command": ["sh"]})", "'cpr-exec-command[0]'"},
    {"migrate-set-parameters", R"({"max-bandwidth": 1000, "tls-creds": "tls0"})", nullptr},
    {"migrate_cancel", "{}", nullptr},

    // Character devices.
    {"chardev-add", R"({"id": "c", "backend": {"type": "file", "data": {"out": "/etc/passwd"}}})",
     "'backend.data.out'"},
    {"chardev-add", R"({"id": "c", "backend": {"type": "file", "data": {"out": "relative"}}})",
     "'backend.data.out'"},
    {"chardev-add", R"({"id": "c", "backend": {"type": "file", "data": {"out": "/dev/fdset/100000"}}})",
     nullptr},
    {"chardev-add", R"({"id": "c", "backend": {"type": "pty", "data": {}}})", "'backend.type'"},
    {"chardev-add", R"({"id": "c", "backend": {"type": "pipe", "data": {"device": "x"}}})", "'backend.type'"},
    {"chardev-add", R"({"id": "c", "backend": {"type": "serial", "data": {"device": "/dev/ttyS0"}}})",
     "'backend.data.device'"},
    {"chardev-change", R"({"id": "c", "backend": {"type": "parallel", "data": {"device": "p"}}})",
     "'backend.data.device'"},
    {"chardev-add",
     R"({"id": "c", "backend": {"type": "socket", "data": {"addr": {"type": "unix", "data": {"path": "x"}}}}})",
     "'backend.data.addr.type'"},
    {"chardev-add",
     R"({"id": "c", "backend": {"type": "socket", "data": {"addr": {"type": "fd", "data": {"str": "net0"}}}}})",
     nullptr},
    {"chardev-add",
     R"({"id": "c", "backend": {"type": "socket", "data": {"addr": {"type": "fd", "data": {"str": "5"}}}}})",
     "did not pass"},
    {"chardev-add",
     R"({"id": "c", "backend": {"type": "udp", "data": {"remote": {"type": "inet", "data": {"host": "a", "port": "1"}}}}})",
     "'backend.data.remote.type'"},
    {"chardev-add", R"({"id": "c", "backend": {"type": "null", "data": {"logfile": "log"}}})",
     "'backend.data.logfile'"},
    {"chardev-add", R"({"id": "c", "backend": {"type": "ringbuf", "data": {"size": 4096}}})", nullptr},
    {"ringbuf-write", R"({"device": "c", "data": "/etc/passwd"})", nullptr},

    // Block devices.
    {"blockdev-add", R"({"driver": "file", "node-name": "n", "filename": "/etc/shadow"})", "'filename'"},
    {"blockdev-add", R"({"driver": "raw", "file.filename": "/etc/shadow"})", "'file.filename'"},
    {"blockdev-add", R"({"driver": "raw", "file": {"driver": "file", "filename": "shadow"}})",
     "'file.filename'"},
    {"blockdev-add", R"({"driver": "file", "filename": "json:{\"driver\": \"file\"}"})", "'filename'"},
    {"blockdev-add", R"({"driver": "raw", "file": "json:{\"driver\": \"file\"}"})", "'file'"},
    {"blockdev-add", R"({"driver": "raw", "file": "nbd:unix:/x"})", "'file'"},
    {"blockdev-add", R"({"driver": "raw", "file": "/etc/shadow"})", "'file'"},
    {"blockdev-add", R"({"driver": "file", "filename": "fat:/dir"})", "'filename'"},
    {"blockdev-add", R"({"driver": "vvfat", "dir": "/etc"})", "'driver'"},
    {"blockdev-add", R"({"driver": "nvme", "device": "0000:01:00.0", "namespace": 1})", "'driver'"},
    {"blockdev-add", R"({"driver": "https", "url": "https://a/b"})", "'driver'"},
    {"blockdev-add", R"({"driver": "nbd", "server": {"type": "unix", "path": "/x"}})", "'server.type'"},
    {"blockdev-add", R"({"driver": "nbd", "server": {"type": "fd", "str": "net0"}, "export": "/"})", nullptr},
    {"blockdev-add", R"({"driver": "blkdebug", "image": "n", "config": "rules"})", "'config'"},
    {"blockdev-add", R"({"driver": "qcow2", "file": "node0", "backing": "node1"})", nullptr},
    {"blockdev-add", R"({"driver": "qcow2", "file": {"driver": "file", "filename": "/dev/fdset/100000"}})",
     nullptr},
    {"blockdev-add", R"({"driver": "file", "filename": "/dev/fdset/100007"})", "did not make"},
    {"blockdev-add", R"({"driver": "file", "filename": "/dev/fdset/0"})", "did not make"},
    {"blockdev-add", R"({"driver": "file", "filename": "/dev/fdset/100000/../0"})", "path of the host"},
    {"blockdev-add", R"({"driver": "null-co", "node-name": "n"})", nullptr},
    {"blockdev-add", R"({"driver": "file", "filename": "/machine/x"})", "'filename'"},
    {"blockdev-reopen", R"({"options": [{"driver": "file", "filename": "/x"}]})", "'options[0].filename'"},
    {"blockdev-create",
     R"({"job-id": "j", "options": {"driver": "qcow2", "file": "n", "size": 1, "backing-file": "b"}})",
     "'options.backing-file'"},
    {"blockdev-del", R"({"node-name": "n"})", nullptr},
    {"blockdev-mirror", R"({"device": "n", "target": "m", "sync": "full"})", nullptr},
    {"blockdev-mirror", R"({"device": "n", "target": "/x", "sync": "full"})", "'target'"},
    {"drive-mirror", R"({"device": "n", "target": "x", "sync": "full"})", "'target'"},
    {"drive-backup", R"({"device": "n", "target": "x", "sync": "full"})", "'target'"},
    {"blockdev-snapshot-sync", R"({"device": "n", "snapshot-file": "x"})", "'snapshot-file'"},
    {"change-backing-file", R"({"device": "n", "image-node-name": "n", "backing-file": "x"})",
     "into an image"},
    {"block-stream", R"({"device": "n", "backing-file": "x"})", "'backing-file'"},
    {"block-stream", R"({"device": "n", "base-node": "b"})", nullptr},
    {"block-commit", R"({"device": "n", "top": "/x"})", "'top'"},
    {"blockdev-change-medium", R"({"id": "cd", "filename": "x.iso"})", "'filename'"},
    {"eject", R"({"id": "/machine/peripheral/cd"})", nullptr},
    {"transaction",
     R"({"actions": [{"type": "blockdev-snapshot-sync", "data": {"device": "n", "snapshot-file": "x"}}]})",
     "'actions[0].data.snapshot-file'"},
    {"transaction", R"({"actions": [{"type": "drive-backup", "data": {"device": "n", "target": "x"}}]})",
     "'actions[0].data.target'"},
    {"transaction", R"({"actions": [{"type": "blockdev-backup", "data": {"device": "n", "target": "m"}}]})",
     nullptr},
    {"nbd-server-start", R"({"addr": {"type": "inet", "data": {"host": "0", "port": "1"}}})", "'addr.type'"},
    {"nbd-server-start", R"({"addr": {"type": "unix", "data": {"path": "/x"}}})", "'addr.type'"},
    {"nbd-server-start", R"({"addr": {"type": "fd", "data": {"str": "net0"}}})", nullptr},
    {"block-export-add",
     R"({"type": "vhost-user-blk", "id": "e", "node-name": "n", "addr": {"type": "unix", "path": "x"}})",
     "'addr.type'"},
    {"block-export-add", R"({"type": "fuse", "id": "e", "node-name": "n", "mountpoint": "x"})",
     "'mountpoint'"},
    {"block-export-add", R"({"type": "nbd", "id": "e", "node-name": "n", "name": "n"})", nullptr},

    // What writes a file of its own.
    {"screendump", R"({"filename": "x.ppm"})", "'filename'"},
    {"screendump", R"({"filename": "/dev/fdset/100000"})", nullptr},
    {"dump-guest-memory", R"({"paging": false, "protocol": "file:/x"})", "'protocol'"},
    {"dump-guest-memory", R"({"paging": false, "protocol": "fd:net0"})", nullptr},
    {"memsave", R"({"val": 0, "size": 1, "filename": "x"})", "'filename'"},
    {"pmemsave", R"({"val": 0, "size": 1, "filename": "x"})", "'filename'"},
    {"dumpdtb", R"({"filename": "x"})", "'filename'"},
    {"xen-save-devices-state", R"({"filename": "x"})", "'filename'"},

    // Objects.
    {"object-add", R"({"qom-type": "secret", "id": "s", "file": "shadow"})", "'file'"},
    {"object-add", R"({"qom-type": "secret", "id": "s", "data": "/base64=="})", nullptr},
    {"object-add", R"({"qom-type": "secret", "props": {"file": "/x"}, "id": "s"})", "'props.file'"},
    {"object-add", R"({"qom-type": "tls-creds-x509", "id": "t", "dir": "/etc/pki"})", "'dir'"},
    {"object-add", R"({"qom-type": "memory-backend-file", "id": "m", "mem-path": "/x", "size": 1})",
     "'mem-path'"},
    {"object-add", R"({"qom-type": "memory-backend-ram", "id": "m", "size": 1})", nullptr},
    {"object-add", R"({"qom-type": "rng-random", "id": "r", "filename": "/dev/mem"})", "'filename'"},
    {"object-add", R"({"qom-type": "input-linux", "id": "i", "evdev": "/dev/input/event0"})", "'evdev'"},
    {"object-add", R"({"qom-type": "can-host-socketcan", "id": "c", "if": "can0", "canbus": "b"})", "'if'"},
    {"object-add", R"({"qom-type": "authz-list-file", "id": "a", "filename": "x"})", "'filename'"},
    {"object-add", R"({"qom-type": "secret_keyring", "id": "k", "serial": 1})", "'qom-type'"},
    {"object-add", R"({"qom-type": "iommufd", "id": "i"})", "'fd'"},
    {"object-add", R"({"qom-type": "monitor-qmp", "id": "q", "chardev": "c"})",
     "monitor that nothing guards"},
    {"qom-set", R"({"path": "/machine", "property": "dumpdtb", "value": "x"})", "'value'"},
    {"qom-set", R"({"path": "/objects/t", "property": "dir", "value": "x"})", "'value'"},
    {"qom-set", R"({"path": "/machine/x", "property": "romfile", "value": "../x"})", "'value'"},
    {"object-add", R"({"qom-type": "throttle-group", "id": "t"})", nullptr},
    {"qom-set", R"({"path": "/objects/r", "property": "filename", "value": "x"})", "'value'"},
    {"qom-set", R"({"path": "/machine/peripheral/d", "property": "drive", "value": "node0"})", nullptr},
    {"qom-set", R"({"path": "/objects/x", "property": "any", "value": "/etc/shadow"})", "'value'"},

    // Network and devices.
    {"netdev_add", R"({"type": "tap", "id": "n"})", "'fd'"},
    {"netdev_add", R"({"type": "tap", "id": "n", "fd": "net0", "script": "no", "downscript": ""})", nullptr},
    {"netdev_add", R"({"type": "tap", "id": "n", "fds": "net0:3"})", "(3)"},
    {"netdev_add", R"({"type": "tap", "id": "n", "fd": "net0", "script": "/x"})", "'script'"},
    {"netdev_add", R"({"type": "tap", "id": "n", "ifname": "eth0", "fd": "net0"})", "'ifname'"},
    {"netdev_add", R"({"type": "bridge", "id": "n"})", "'type'"},
    {"netdev_add", R"({"type": "user", "id": "n", "guestfwd": [{"str": "tcp:10.0.2.1:1-cmd:sh"}]})",
     "'guestfwd[0].str'"},
    {"netdev_add", R"({"type": "user", "id": "n", "hostfwd": [{"str": ":2222-:22"}]})", "'hostfwd[0].str'"},
    {"netdev_add", R"({"type": "user", "id": "n", "dns": "10.0.2.3"})", nullptr},
    {"netdev_add", R"({"type": "user", "id": "n", "smb": "/home"})", "'smb'"},
    {"netdev_add", R"({"type": "hubport", "id": "n", "hubid": 0})", nullptr},
    {"netdev_add", R"({"type": "stream", "id": "n", "addr": {"type": "unix", "path": "x"}})", "'addr.type'"},
    {"netdev_add", R"({"type": "stream", "id": "n", "addr": {"type": "fd", "str": "net0"}})", nullptr},
    {"netdev_add", R"({"type": "vhost-vdpa", "id": "n", "vhostdev": "/dev/vhost-vdpa-0"})", "'vhostdev'"},
    {"device_add", R"({"driver": "vfio-pci", "host": "01:00.0"})", "'driver'"},
    {"device_add", R"({"driver": "usb-host", "hostbus": 1, "hostaddr": 2})", "'driver'"},
    {"device_add", R"({"driver": "virtio-net-pci", "netdev": "n", "romfile": "/x"})", "'romfile'"},
    {"device_add", R"({"driver": "virtio-net-pci", "netdev": "n", "romfile": "efi-virtio.rom"})", nullptr},
    {"device_add", R"({"driver": "loader", "file": "x"})", "'file'"},
    {"device_add", R"({"driver": "usb-tablet", "pcap": "x"})", "'pcap'"},
    {"device_add", R"({"driver": "vhost-vsock-pci", "guest-cid": 3})", "'vhostfd'"},
    {"netdev_add", R"({"type": "tap", "id": "n", "fd": "net0", "vhost": true})", "'vhostfd'"},
    {"netdev_add", R"({"type": "tap", "id": "n", "fd": "net0", "vhost": false})", nullptr},
    {"device_add", R"({"driver": "vhost-vsock-pci", "guest-cid": 3, "vhostfd": 9})", "(9)"},
    {"device_add", R"({"driver": "virtio-blk-pci", "drive": "node0", "id": "d", "addr": "05.0"})", nullptr},
    {"device_del", R"({"id": "/machine/peripheral-anon/device[0]"})", nullptr},
    {"display-update", R"({"type": "vnc", "addresses": [{"type": "inet", "host": "0", "port": "1"}]})",
     "'addresses[0].type'"},
    {"add_client", R"({"protocol": "vnc", "fdname": "net0"})", nullptr},
    {"add_client", R"({"protocol": "vnc", "fdname": "theirs"})", "(theirs)"},

    // Descriptors.
    {"getfd", R"({"fdname": "new"})", nullptr},
    {"closefd", R"({"fdname": "net0"})", nullptr},
    {"closefd", R"({"fdname": "console"})", "(console)"},
    {"add-fd", R"({"opaque": "/any/text"})", nullptr},
    {"add-fd", R"({"fdset-id": 100001})", nullptr},
    {"add-fd", R"({"fdset-id": 100000})", nullptr},
    {"add-fd", R"({"fdset-id": 100007})", "'fdset-id'"},
    {"add-fd", R"({"fdset-id": 3})", "100000"},
    {"remove-fd", R"({"fdset-id": 100000})", nullptr},
    {"remove-fd", R"({"fdset-id": 3})", "'fdset-id'"},

    // Everyday work.
    {"stop", "{}", nullptr},
    {"cont", "{}", nullptr},
    {"quit", "{}", nullptr},
    {"set_link", R"({"name": "n", "up": false})", nullptr},
    {"balloon", R"({"value": 1048576})", nullptr},
    {"set_password", R"({"protocol": "vnc", "password": "/x"})", nullptr},
    {"send-key", R"({"keys": [{"type": "qcode", "data": "a"}]})", nullptr},
    {"trace-event-set-state", R"({"name": "x", "enable": true})", nullptr},
    {"query-block", "{}", nullptr},
    {"qom-list", R"({"path": "/"})", nullptr},

    // Of a QEMU that does not exist yet.
    {"new-command", R"({"number": 1, "name": "node0"})", nullptr},
    {"new-command", R"({"where": "/machine/unattached"})", nullptr},
    {"new-command", R"({"where": "/etc"})", "'where'"},
    {"new-command", R"({"a": [{"b": "../x"}]})", "'a[0].b'"},
    {"new-command", R"({"filename": "x"})", "'filename'"},
    {"new-command", R"({"path": "/machine/../etc"})", "'path'"},
    {"new-command", R"({"uri": "https://x"})", "'uri'"},

    // The human monitor.
    {"human-monitor-command", R"({"command-line": "info block"})", nullptr},
    {"human-monitor-command", R"({"command-line": "  x/10i $pc"})", nullptr},
    {"human-monitor-command", R"({"command-line": "xp /4xb 0"})", nullptr},
    {"human-monitor-command", R"({"command-line": "p 1+1"})", nullptr},
    {"human-monitor-command", R"({"command-line": ""})", nullptr},
    {"human-monitor-command", R"({"command-line": "migrate exec:sh"})", "(migrate)"},
    {"human-monitor-command", R"({"command-line": "\tlogfile\t/x"})", "(logfile)"},
    {"human-monitor-command", R"({"command-line": "o/b 0x70 1"})", "(o)"},
    {"human-monitor-command", R"({"command-line": "infox"})", "(infox)"},
    {"human-monitor-command", R"({"command-line": "qemu-io disk \"read 0 1\""})", "(qemu-io)"},
};

TEST_CASE("no client is told the text of a secret, whatever it may ask") {
    for (const auto allow : {AttachAllow::Observe, AttachAllow::Operate}) {
        CHECK_THAT(refused("qom-get", R"({"path": "/objects/vault", "property": "data"})", allow),
                   ContainsSubstring("may be the text of a secret"));
        CHECK_FALSE(refused("qom-get", R"({"path": "vault", "property": "data"})", allow).empty());
        CHECK_THAT(refused("qom-list-get", R"({"paths": ["/machine", "/objects/vault"]})", allow),
                   ContainsSubstring("(/objects/vault)"));
        CHECK_FALSE(
            refused("human-monitor-command", R"({"command-line": " qom-get vault data"})", allow).empty());
        CHECK(refused("qom-get", R"({"path": "/objects/vault", "property": "format"})", allow).empty());
        CHECK(refused("qom-list-get", R"({"paths": ["/machine/peripheral"]})", allow).empty());
    }
    CHECK_THAT(refused("qom-get", R"({"path": "/o", "property": "data"})", AttachAllow::Observe),
               ContainsSubstring("attach.allow = \"observe\" keeps"));
    CHECK(refused("qom-get", R"({"path": "/objects/vault", "property": "data"})", AttachAllow::All).empty());
}

}  // namespace

TEST_CASE("a client that operates a VM reaches nothing of the host") {
    for (const auto& row : rows) {
        INFO(row.command << ' ' << row.arguments);
        const auto why = refused(row.command, row.arguments);
        if (row.member == nullptr) {
            CHECK(why.empty());
        } else {
            CHECK_THAT(why, ContainsSubstring(row.member));
            CHECK_THAT(why, ContainsSubstring(row.command));
            CHECK_THAT(why, ContainsSubstring("attach.allow = \"all\""));
        }
        CHECK(refused(row.command, row.arguments, AttachAllow::All).empty());
    }
}

TEST_CASE("a client that observes only asks") {
    for (const char* question : {"query-status", "query-block", "x-query-roms", "qom-get", "qom-list",
                                 "qom-list-types", "qom-list-properties", "device-list-properties"})
        CHECK(refused(question, "{}", AttachAllow::Observe).empty());
    for (const char* command :
         {"stop", "cont", "system_reset", "qom-set", "getfd", "human-monitor-command", "new-command"})
        CHECK_THAT(refused(command, "{}", AttachAllow::Observe),
                   ContainsSubstring("attach.allow = \"operate\""));
}

TEST_CASE("a refusal says what, where and the way out") {
    CHECK(refused("blockdev-add", R"({"driver": "file", "filename": "/etc/shadow"})") ==
          "blockdev-add: 'filename' names a path of the host (/etc/shadow), which attach.allow = \"operate\" "
          "keeps clients from; pass the file with add-fd and say \"/dev/fdset/N\", or say attach.allow = "
          "\"all\" in the VM's file, and apply it");
    CHECK(refused("stop", "{}", AttachAllow::Observe) ==
          "stop: it is no question, and attach.allow = \"observe\" lets clients only ask; say attach.allow = "
          "\"operate\" in the VM's file, and apply it");
}

TEST_CASE("arguments of any shape are looked through") {
    CHECK(refused("transaction", R"({"actions": [1, {"type": 2}, {"type": "x", "data": 3}]})").empty());
    CHECK(refused("human-monitor-command", R"({"command-line": 5})").empty());
    CHECK(refused("qom-set", R"({"property": 1, "value": null})").empty());
    CHECK_FALSE(refused("x", R"({"type": {"type": [{"type": "unix"}]}})").empty());
    const std::string long_path(500, 'a');
    CHECK(refused("screendump", R"({"filename": "/)" + long_path + "\"}").size() < 400);
}

}  // namespace qvm::launch
