// SPDX-License-Identifier: GPL-3.0-or-later
// Plans of VMs that are put together by hand; plans of whole files are in plan_test.cpp.
#include "launch/compile.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "launch/argv.hpp"
#include "support/catch.hpp"
#include "support/saved_qemu.hpp"

using namespace qvm;
using namespace qvm::launch;
using config::Access;
using config::Entrance;
using config::HostUse;
using config::Kind;
using config::Resource;
using config::ResourceId;

namespace {

/// A resource as check() leaves it.
Resource resource(Kind kind, std::string id, const char* arguments, std::vector<HostUse> uses = {},
                  std::vector<ResourceId> references = {}) {
    Resource made;
    made.id = {kind, std::move(id)};
    made.arguments = Json::parse(arguments);
    config::Table table;
    for (const auto& item : made.arguments.items())
        if (item.value().is_string()) table.set(item.key(), {}, {item.value().get<std::string>(), {}});
    made.properties = {std::move(table), {}};
    made.host_uses = std::move(uses);
    for (auto& target : references) made.references.push_back({{}, std::move(target), {}});
    return made;
}

config::Vm vm_with(std::vector<Resource> resources) {
    config::Vm vm;
    vm.name.value = "web";
    vm.machine.checked_properties = Json::object();
    vm.cpu.checked_properties = Json::object();
    vm.resources = std::move(resources);
    return vm;
}

HostUse file_at(std::vector<std::string> member, Access access = Access::ReadWrite) {
    return {std::move(member), Entrance::Fdset, access, "/srv/a,b.qcow2", {}, {}};
}

HostUse descriptor(std::vector<std::string> member, std::string host) {
    return {std::move(member), Entrance::Getfd, Access::ReadWrite, {}, std::move(host), {}};
}

Plan compiled(const config::Vm& vm, const std::string& accel = "tcg") {
    return compile(vm, test::saved_qemu(), accel);
}

/// "argv -device {..}", "qmp add-fd", "host blockdev.root.file.filename", ..: the plan in short.
std::vector<std::string> steps_of(const Plan& plan) {
    std::vector<std::string> list;
    const Json json = plan.to_json();
    for (const auto& step : json["steps"]) {
        const auto what = step["do"].get<std::string>();
        if (what == "argv") {
            std::string text;
            for (const auto& word : step["words"]) text += ' ' + word.get<std::string>();
            list.push_back("argv" + text);
        } else if (what == "qmp") {
            list.push_back("qmp " + step["execute"].get<std::string>() + ' ' +
                           step.value("arguments", Json()).dump());
        } else if (what == "wait") {
            list.push_back("wait " + step["event"].get<std::string>());
        } else {
            list.push_back(what + ' ' + step["name"].get<std::string>());
        }
    }
    return list;
}

bool has(const Plan& plan, const std::string& text) {
    const auto steps = steps_of(plan);
    return std::ranges::any_of(steps, [&](const auto& s) { return s.find(text) != std::string::npos; });
}

std::ptrdiff_t index_of(const Plan& plan, const std::string& text) {
    const auto steps = steps_of(plan);
    const auto found =
        std::ranges::find_if(steps, [&](const auto& s) { return s.find(text) != std::string::npos; });
    INFO(text);
    REQUIRE(found != steps.end());
    return found - steps.begin();
}

const char* const disk_node = R"({"driver":"qcow2","backing":null,"file":{"driver":"file","filename":"x"}})";

}  // namespace

TEST_CASE("a VM of nothing gets its machine, a monitor, and begins") {
    CHECK(steps_of(compiled(vm_with({}))) ==
          std::vector<std::string>{"listen monitor", "inherit monitor", "argv -nodefaults -no-user-config -S",
                                   "argv -display none", "argv -name guest=web", "argv -machine q35",
                                   "argv -accel tcg", "argv -cpu max", "argv -m 536870912B",
                                   "argv -smp cpus=1,maxcpus=1,sockets=1,dies=1,cores=1,threads=1",
                                   "argv -chardev socket,id=qvm.monitor,fd=10,server=on,wait=off",
                                   "argv -mon chardev=qvm.monitor,mode=control", "qmp cont null",
                                   "wait RESUME"});
}

TEST_CASE("settings become words, with commas doubled") {
    auto vm = vm_with({});
    vm.machine.checked_properties =
        Json::object({{"vmport", "off"}, {"hpet", false}, {"kernel-irqchip", "a,b"}});
    vm.cpu.checked_properties = Json::object({{"sse4.1", true}, {"level", 13}});
    vm.globals.push_back(
        {"virtio-net-pci", {}, Json::object({{"rx_queue_size", 512}, {"packed", true}}), {}});
    vm.options.push_back({"rtc", {}, Json::object({{"base", "utc"}}), {}});
    vm.options.push_back({"boot-opts", {}, Json::object({{"strict", true}}), {}});
    vm.qemu.data = {"/opt/share/qemu"};
    const auto plan = compiled(vm);
    CHECK(has(plan, "argv -machine q35,vmport=off,hpet=off,kernel-irqchip=a,,b"));
    CHECK(has(plan, "argv -cpu max,sse4.1=on,level=13"));
    CHECK(has(plan, "argv -global driver=virtio-net-pci,property=rx_queue_size,value=512"));
    CHECK(has(plan, "argv -global driver=virtio-net-pci,property=packed,value=on"));
    CHECK(has(plan, "argv -rtc base=utc"));
    CHECK(has(plan, "argv -boot strict=on"));
    CHECK(has(plan, "argv -L /opt/share/qemu"));
}

TEST_CASE("the host's CPU is emulated as max") {
    auto vm = vm_with({});
    vm.cpu.model.value = "host";
    CHECK(has(compiled(vm, "tcg"), "argv -cpu max"));
    CHECK(has(compiled(vm, "kvm"), "argv -cpu host"));
}

TEST_CASE("kernel and initrd are copied into the jail, or named without one") {
    auto vm = vm_with({});
    vm.kernel.emplace();
    vm.kernel->image.value = "/boot/vmlinuz";
    vm.kernel->initrd.emplace().value = "/boot/initrd,1";
    vm.kernel->append.value = "console=ttyS0,115200 quiet";
    auto plan = compiled(vm);
    CHECK(has(plan, "argv -kernel /vm/image"));
    CHECK(has(plan, "argv -initrd /vm/initrd"));
    CHECK(has(plan, "argv -append console=ttyS0,115200 quiet"));
    CHECK(has(plan, "open-file kernel.image"));
    CHECK(has(plan, "copy kernel.initrd"));
    vm.jail_mode.value = config::JailMode::Reduced;
    plan = compiled(vm);
    CHECK(has(plan, "copy kernel.initrd"));
    CHECK_FALSE(has(plan, "/vm/"));
    CHECK(has(plan, "argv -kernel /proc/self/fd/"));
    vm.jail_mode.value = config::JailMode::Off;
    plan = compiled(vm);
    CHECK(has(plan, "argv -initrd /boot/initrd,1"));
    CHECK_FALSE(has(plan, "open-file"));
    CHECK_FALSE(has(plan, "copy"));
}

/// So many that can be plugged that all of them come by QMP.
std::vector<Resource> crowd() {
    std::vector<Resource> devices;
    for (int i = 0; i < 40; ++i) {
        const auto port = fmt::format("p{}", i);
        devices.push_back(resource(Kind::Device, port, R"({"driver":"pcie-root-port","bus":"pcie.0"})"));
        devices.push_back(resource(Kind::Device, fmt::format("rng{}", i),
                                   fmt::format(R"({{"driver":"virtio-rng-pci","bus":"{}"}})", port).c_str(),
                                   {}, {{Kind::Device, port}}));
    }
    return devices;
}

TEST_CASE("a disk behind a port is on the command line, its file a descriptor") {
    const auto plan = compiled(vm_with(
        {resource(Kind::Device, "port0", R"({"driver":"pcie-root-port","bus":"pcie.0","addr":"0x4"})"),
         resource(Kind::Blockdev, "root", disk_node, {file_at({"file", "filename"})}),
         resource(Kind::Device, "root",
                  R"({"driver":"virtio-blk-pci","drive":"root","bus":"port0","addr":"0x0"})", {},
                  {{Kind::Blockdev, "root"}, {Kind::Device, "port0"}})}));
    CHECK(has(plan, R"(argv -device {"driver":"pcie-root-port","id":"port0","bus":"pcie.0","addr":"0x4"})"));
    CHECK(has(plan, "open-file blockdev.root.file.filename"));
    const auto begin = index_of(plan, "argv -add-fd fd=11,set=1,opaque=blockdev.root.file.filename");
    const auto steps = steps_of(plan);
    CHECK(
        std::vector<std::string>(steps.begin() + begin, steps.end()) ==
        std::vector<std::string>{
            "argv -add-fd fd=11,set=1,opaque=blockdev.root.file.filename",
            R"(argv -blockdev {"driver":"qcow2","node-name":"root","backing":null,"file":{"driver":"file","filename":"/dev/fdset/1"}})",
            R"(argv -device {"driver":"virtio-blk-pci","id":"root","drive":"root","bus":"port0","addr":"0x0"})",
            "qmp cont null", "wait RESUME"});
}

TEST_CASE("what needs something that comes by QMP comes by QMP too") {
    const auto plan = compiled(vm_with(
        {resource(Kind::Chardev, "log", R"({"backend":{"type":"file","data":{"out":"/srv/log"}}})",
                  {{{"backend", "data", "out"}, Entrance::Fdset, Access::WriteOnly, "/srv/log", {}, {}}}),
         resource(Kind::Object, "dump", R"({"qom-type":"filter-dump","netdev":"lan"})", {},
                  {{Kind::Chardev, "log"}}),
         resource(Kind::Object, "io0", R"({"qom-type":"iothread"})")}));
    CHECK(has(plan, R"(argv -object {"qom-type":"iothread","id":"io0"})"));
    const auto begin = index_of(plan, "qmp add-fd");
    const auto steps = steps_of(plan);
    CHECK(std::vector<std::string>(steps.begin() + begin, steps.end() - 2) ==
          std::vector<std::string>{
              R"(qmp add-fd {"fdset-id":1,"opaque":"chardev.log.backend.data.out"})",
              R"(qmp chardev-add {"id":"log","backend":{"type":"file","data":{"out":"/dev/fdset/1"}}})",
              R"(qmp object-add {"qom-type":"filter-dump","id":"dump","netdev":"lan"})"});
}

TEST_CASE("a reset makes the firmware see a boot order that came by QMP") {
    auto devices = crowd();
    devices.push_back(resource(Kind::Device, "port0", R"({"driver":"pcie-root-port","bus":"pcie.0"})"));
    devices.push_back(resource(Kind::Device, "nic",
                               R"({"driver":"virtio-net-pci","bus":"port0","bootindex":1})", {},
                               {{Kind::Device, "port0"}}));
    auto vm = vm_with(std::move(devices));
    vm.lifecycle.on_reboot.value = config::OnReboot::Restart;  // as for Stop: QEMU ends
    vm.lifecycle.on_crash.value = config::OnCrash::Pause;
    const auto plan = compiled(vm);
    const auto steps = steps_of(plan);
    CHECK(std::vector<std::string>(steps.end() - 5, steps.end()) ==
          std::vector<std::string>{"qmp system_reset null", "wait RESET",
                                   R"(qmp set-action {"reboot":"shutdown","panic":"pause"})", "qmp cont null",
                                   "wait RESUME"});
    // A boot order on the command line needs none.
    vm.resources = {resource(Kind::Device, "cd", R"({"driver":"ide-cd","bus":"ide.0","bootindex":1})")};
    CHECK_FALSE(has(compiled(vm), "system_reset"));
}

TEST_CASE("of many devices each comes by QMP, because QEMU 10 is slower with many on its command line") {
    auto devices = crowd();
    CHECK_FALSE(has(compiled(vm_with(devices)), "qmp device_add"));
    devices.push_back(resource(Kind::Device, "last", R"({"driver":"virtio-rng-pci","bus":"p39"})", {},
                               {{Kind::Device, "p39"}}));
    const auto plan = compiled(vm_with(std::move(devices)));
    CHECK(has(plan, "qmp device_add {\"driver\":\"virtio-rng-pci\",\"id\":\"rng0\""));
    CHECK_FALSE(has(plan, "argv -device {\"driver\":\"virtio-rng-pci\""));
}

TEST_CASE("a secret is on no command line, nor is what needs it") {
    const auto plan = compiled(
        vm_with({resource(Kind::Object, "key", R"({"qom-type":"secret","data":"letmein"})"),
                 resource(Kind::Object, "sealed", R"({"qom-type":"secret","file":"/vm/key"})"),
                 resource(Kind::Blockdev, "root",
                          R"({"driver":"luks","key-secret":"key","file":{"driver":"null-co"}})", {},
                          {{Kind::Object, "key"}}),
                 resource(Kind::Device, "port0", R"({"driver":"pcie-root-port","bus":"pcie.0"})"),
                 resource(Kind::Device, "root", R"({"driver":"virtio-blk-pci","drive":"root","bus":"port0"})",
                          {}, {{Kind::Blockdev, "root"}, {Kind::Device, "port0"}})}));
    CHECK(has(plan, R"(qmp object-add {"qom-type":"secret","id":"key","data":"letmein"})"));
    CHECK(has(plan, "qmp blockdev-add"));
    CHECK(has(plan, "qmp device_add"));
    CHECK(has(plan, "argv -object {\"qom-type\":\"secret\",\"id\":\"sealed\""));
}

TEST_CASE("what a device on the command line needs is on the command line too") {
    const auto plan = compiled(vm_with(
        {resource(Kind::Host, "console",
                  R"({"kind":"socket","mode":"listen","runtime":"console-qemu.sock"})"),
         resource(
             Kind::Chardev, "console",
             R"({"backend":{"type":"socket","data":{"addr":{"type":"fd","str":"@console"},"server":true,"wait":false}}})",
             {descriptor({"backend", "data", "addr", "str"}, "console")}),
         resource(Kind::Object, "gold", R"({"qom-type":"throttle-group"})"),
         resource(Kind::Blockdev, "cd",
                  R"({"driver":"raw","read-only":true,"file":{"driver":"file","filename":"x"}})",
                  {file_at({"file", "filename"}, Access::ReadOnly)}, {{Kind::Object, "gold"}}),
         resource(Kind::Device, "console", R"({"driver":"isa-serial","chardev":"console"})", {},
                  {{Kind::Chardev, "console"}}),
         resource(Kind::Device, "cd", R"({"driver":"ide-cd","drive":"cd","bus":"ide.0"})", {},
                  {{Kind::Blockdev, "cd"}})}));
    CHECK(has(plan, "argv -chardev socket,id=console,fd=11,server=on,wait=off"));
    CHECK(has(plan, R"(argv -object {"qom-type":"throttle-group","id":"gold"})"));
    CHECK(has(plan, "argv -add-fd fd=12,set=1,opaque=blockdev.cd.file.filename"));
    CHECK(has(plan, R"("filename":"/dev/fdset/1")"));
    CHECK(has(plan, "listen host.console"));
    CHECK(index_of(plan, "argv -object") < index_of(plan, "argv -blockdev"));
    CHECK(index_of(plan, "argv -blockdev") < index_of(plan, R"(argv -device {"driver":"ide-cd")"));
    CHECK_FALSE(has(plan, "getfd"));
    CHECK_FALSE(has(plan, "qmp blockdev-add"));
}

TEST_CASE("what the machine names is on the command line") {
    auto vm = vm_with(
        {resource(Kind::Blockdev, "code", disk_node, {file_at({"file", "filename"}, Access::ReadOnly)}),
         resource(Kind::Object, "ram", R"({"qom-type":"memory-backend-ram","size":536870912})")});
    vm.machine.checked_properties = Json::object({{"pflash0", "code"}, {"memory-backend", "ram"}});
    const auto plan = compiled(vm);
    CHECK(has(plan, "argv -machine q35,pflash0=code,memory-backend=ram"));
    CHECK(has(plan, "argv -blockdev"));
    CHECK(has(plan, "argv -object"));
    CHECK(has(plan, "inherit blockdev.code.file.filename"));
}

TEST_CASE("a helper's socket is inherited, because QEMU knows no names where it connects one") {
    auto passt = resource(Kind::Host, "lan.passt", R"({"kind":"process","profile":"passt"})");
    passt.properties.table()->set("command", {},
                                  {config::Array{{std::string("passt"), {}}, {std::string("{fd}"), {}}}, {}});
    const auto plan = compiled(
        vm_with({std::move(passt),
                 resource(Kind::Netdev, "lan", R"({"type":"stream","addr":{"type":"fd","str":"@lan.passt"}})",
                          {descriptor({"addr", "str"}, "lan.passt")})}));
    CHECK(plan.to_json()["steps"][1]["command"] == Json::array({"passt", "{fd}"}));
    CHECK(has(plan, "inherit host.lan.passt"));
    CHECK(has(plan, R"(argv -netdev {"type":"stream","id":"lan","addr":{"type":"fd","str":"11"}})"));
    CHECK_FALSE(has(plan, "getfd"));
}

TEST_CASE("a tap reaches its netdev by name") {
    const auto plan = compiled(vm_with(
        {resource(Kind::Host, "lan", R"({"kind":"tap","ifname":"tap0"})"),
         resource(Kind::Netdev, "lan", R"({"type":"tap","fd":"@lan"})", {descriptor({"fd"}, "lan")})}));
    CHECK(has(plan, "open-tap host.lan"));
    CHECK(has(plan, R"(qmp getfd {"fdname":"host.lan"})"));
    CHECK(has(plan, R"(qmp netdev_add {"type":"tap","id":"lan","fd":"host.lan"})"));
}

TEST_CASE("newer QEMUs get their monitor as an object") {
    qapi::Capabilities newer;
    newer.version = {11, 1, 3};
    const auto plan = compile(vm_with({}), newer, "tcg");
    CHECK(has(plan, R"(argv -object {"qom-type":"monitor-qmp","id":"qvm.qmp","chardev":"qvm.monitor"})"));
    CHECK_FALSE(has(plan, "-mon "));
}

TEST_CASE("chardevs in the notation of the command line") {
    const auto argument = [](const char* backend) { return chardev_argument("c", Json::parse(backend)); };
    CHECK(argument(R"({"type":"null","data":{}})") == "null,id=c");
    CHECK(argument(R"({"type":"null"})") == "null,id=c");
    CHECK(argument(R"({"type":"file","data":{"out":"/a,b","append":true}})") ==
          "file,id=c,path=/a,,b,append=on");
    CHECK(
        argument(
            R"({"type":"socket","data":{"addr":{"type":"inet","host":"::1","port":"5"},"server":false}})") ==
        "socket,id=c,host=::1,port=5,server=off");
    CHECK(argument(R"({"type":"socket","data":{"addr":{"type":"unix","path":"/s"},"reconnect":1}})") ==
          "socket,id=c,path=/s,reconnect=1");
    // As QMP has it: SocketAddressLegacy.
    CHECK(argument(R"({"type":"socket","data":{"addr":{"type":"fd","data":{"str":"11"}},"server":true}})") ==
          "socket,id=c,fd=11,server=on");
    CHECK(argument(R"({"type":"ringbuf","data":{"size":65536}})") == "ringbuf,id=c,size=65536");
    CHECK(
        argument(
            R"({"type":"udp","data":{"remote":{"type":"inet","host":"h","port":"1"},"local":{"type":"inet","host":"l","port":"2"}}})") ==
        "udp,id=c,host=h,port=1,localaddr=l,localport=2");
}

TEST_CASE("a nic's link is taken down before the processors begin") {
    auto vm = vm_with({resource(Kind::Device, "lan", R"({"driver":"virtio-net-pci","bus":"pcie.0"})")});
    vm.links_down = {{"lan", {std::make_shared<const std::string>("web.toml"), 3, 1, 4, nullptr}}};
    const auto plan = compiled(vm);
    const auto steps = steps_of(plan);
    CHECK(std::vector<std::string>(steps.end() - 3, steps.end()) ==
          std::vector<std::string>{R"(qmp set_link {"name":"lan","up":false})", "qmp cont null",
                                   "wait RESUME"});
    const auto& step = plan.steps[plan.steps.size() - 3];
    CHECK(step.resource == ResourceId{Kind::Device, "lan"});
    CHECK(step.origin.to_string() == "web.toml:3:1");
    CHECK_THAT(plan.to_text(), ContainsSubstring("virtio-net-pci on pcie.0; link down"));
}

TEST_CASE("the plan of a VM reads as a table") {
    auto vm = vm_with({});
    for (const char* id : {"port0", "port1", "port2"})
        vm.resources.push_back(resource(Kind::Device, id, R"({"driver":"pcie-root-port","bus":"pcie.0"})"));
    vm.resources.push_back(resource(Kind::Blockdev, "root", disk_node, {file_at({"file", "filename"})}));
    vm.resources.back().origin = {std::make_shared<const std::string>("web.toml"), 3, 1, 4, nullptr};
    const auto text = compiled(vm).to_text();
    INFO(text);
    CHECK_THAT(text, ContainsSubstring("web with tcg: "));
    CHECK_THAT(text, ContainsSubstring("device.port0 .. device.port2"));
    CHECK_THAT(text, ContainsSubstring("/srv/a,b.qcow2 read-write; qcow2"));
    CHECK_THAT(text, ContainsSubstring("-blockdev"));
    CHECK_THAT(text, ContainsSubstring("web.toml:3:1"));
}
