// SPDX-License-Identifier: GPL-3.0-or-later
// Real QEMUs in the jail.
#include <cstdlib>
#include <filesystem>
#include <sys/socket.h>

#include "contained.hpp"
#include "jail/profile.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::jail;
using namespace qvm::jail::test;

namespace {

/// The first line QEMU says on its monitor, which is socket number 3.
std::string greeting(const Program& program, std::vector<std::string> more, Mode mode = Mode::Strict) {
    auto spec =
        qemu_profile(program, false, qemu_filter(descriptor_ceiling(), Violation::Errno, {.mode = mode}));
    spec.mode = mode;
    if (mode == Mode::Reduced) reduce(spec);
    spec.name = "greeting";
    if (::geteuid() == 0) spec.host_uid = jail_uid;
    for (const char* word :
         {"-nodefaults", "-no-user-config", "-S", "-display", "none", "-M", "q35,accel=tcg", "-m", "64",
          "-chardev", "socket,id=m,fd=3", "-mon", "chardev=m,mode=control"})
        spec.argv.emplace_back(word);
    spec.argv.insert(spec.argv.end(), more.begin(), more.end());
    SocketPair monitor(SOCK_STREAM);
    spec.fds = {{monitor.second.get(), 3}};
    const Fd log = memory_file();
    spec.stub.log = log.get();
    const auto child = spawn(spec);
    monitor.second.reset();
    std::string line(4096, '\0');
    const auto count = ::recv(monitor.first.get(), line.data(), line.size(), 0);
    line.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    INFO(content_of(log.get()));
    CHECK_FALSE(line.empty());
    return line;
}

}  // namespace

TEST_CASE("the installed QEMU greets from its jail, from a reduced one, and without any", "[jail][qemu]") {
    const Program program{.binary = "/usr/bin/qemu-system-x86_64"};
    if (!std::filesystem::exists(program.binary)) {
        WARN("skipped: no " << program.binary);
        return;
    }
    CHECK_THAT(greeting(program, {}), ContainsSubstring("\"QMP\""));
    CHECK_THAT(greeting(program, {}, Mode::Reduced), ContainsSubstring("\"QMP\""));
    CHECK_THAT(greeting(program, {}, Mode::Off), ContainsSubstring("\"QMP\""));
}

TEST_CASE("the installed QEMU greets from a jail of single files, its display modules among them",
          "[jail][qemu]") {
    const Program program{.binary = "/usr/bin/qemu-system-x86_64", .by_file = true};
    if (!std::filesystem::exists(program.binary)) {
        WARN("skipped: no " << program.binary);
        return;
    }
    const auto spec = qemu_profile(program, false);
    for (const auto& bind : spec.binds) {
        INFO(bind.source);
        CHECK(std::filesystem::is_regular_file(bind.source));
    }
    CHECK_THAT(greeting(program, {"-device", "virtio-vga", "-device", "qxl"}), ContainsSubstring("\"QMP\""));
}

TEST_CASE("the installed QEMU greets with a filter of its own below ours", "[jail][qemu]") {
    const Program program{.binary = "/usr/bin/qemu-system-x86_64"};
    if (!std::filesystem::exists(program.binary)) {
        WARN("skipped: no " << program.binary);
        return;
    }
    CHECK_THAT(greeting(program, {"-sandbox",
                                  "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"}),
               ContainsSubstring("\"QMP\""));
}

TEST_CASE("QEMUs that came with their own loader greet from their jails", "[jail][qemu]") {
    const char* root = std::getenv("QVM_TEST_QEMUS");
    if (root == nullptr) {
        WARN("skipped: QVM_TEST_QEMUS does not name a directory with VERSION/root of unpacked QEMUs");
        return;
    }
    for (const auto& version : std::filesystem::directory_iterator(root)) {
        const auto usr = version.path() / "root/usr";
        if (!version.is_directory() || !std::filesystem::exists(usr)) continue;
        const auto libraries = usr / "lib/x86_64-linux-gnu";
        INFO(version.path());
        for (const bool by_file : {false, true}) {
            const Program program{.binary = usr / "bin/qemu-system-x86_64",
                                  .loader = usr / "lib64/ld-linux-x86-64.so.2",
                                  .library_path = {libraries, libraries / "sasl2", libraries / "rsocket"},
                                  .modules = libraries / "qemu",
                                  .by_file = by_file};
            CHECK_THAT(greeting(program, {"-L", usr / "share/qemu", "-L", usr / "share/seabios", "-L",
                                          usr / "lib/ipxe/qemu", "-device", "virtio-vga"}),
                       ContainsSubstring("\"QMP\""));
        }
    }
}
