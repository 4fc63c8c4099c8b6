// SPDX-License-Identifier: GPL-3.0-or-later
// What is said of a path: tests/golden/explain/PATH.txt, at 80 columns, against the saved QEMU 7.2.22.
#include "config/explain.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "config/explain_qemu.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/saved_qemu.hpp"

namespace qvm::config {
namespace {

constexpr std::size_t columns = 80;

Explanation explanation_of(const std::string& text) {
    const auto path = path_parts(text);
    if (auto word = explain_word(path)) return *word;
    const auto word = find_qemu_word(path, test::saved_qemu());
    if (!word) throw Error(ExitCode::Usage, "this QEMU has none");
    return explain(*word, test::saved_qemu());
}

std::string path_said(const std::string& text) {
    return explanation_of(text).path;
}

std::string refused(const std::string& text) {
    try {
        explanation_of(text);
    } catch (const Error& error) {
        CHECK(error.exit_code() == ExitCode::Usage);
        return std::string(error.what()) + "; " + error.advice();
    }
    return "nothing wrong";
}

/// Which is one for every line of the text.
bool is_narrow(const std::string& text, std::size_t width) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (display_width(line) > width) {
            UNSCOPED_INFO(line);
            return false;
        }
    return true;
}

TEST_CASE("explanations are as they were") {
    for (const auto& file : std::filesystem::directory_iterator(QVM_SOURCE_DIR "/tests/golden/explain")) {
        const auto path = file.path().stem().string();
        INFO(path);
        test::check_golden(file.path(), explanation_of(path).to_text(columns));
    }
}

TEST_CASE("the id of a table may be left out") {
    CHECK(path_said("disk") == "disk.X");
    CHECK(path_said("disk.cache") == "disk.X.cache");
    CHECK(path_said("disk.root") == "disk.root");
    CHECK(path_said("disk.root.cache") == "disk.root.cache");
    CHECK(path_said("disk.cache.cache") == "disk.cache.cache");
    CHECK(path_said("disk.encrypt.secret") == "disk.X.encrypt.secret");
    CHECK(path_said("disk.encrypt.encrypt.secret") == "disk.encrypt.encrypt.secret");
    CHECK(path_said("throttle.gold.iops.total") == "throttle.gold.iops.total");
    CHECK(path_said("lifecycle.hooks.started") == "lifecycle.hooks.started");
    CHECK(path_said("name") == "name");
    CHECK(path_said("vars.images") == "vars");
}

TEST_CASE("QEMU's words need no table before them, and may have a dot") {
    CHECK(path_said("virtio-blk-pci") == "device.virtio-blk-pci");
    CHECK(path_said("virtio-blk-pci.num-queues") == "device.virtio-blk-pci.num-queues");
    CHECK(path_said("cfi.pflash01.width") == "device.\"cfi.pflash01\".width");
    CHECK(path_said("qcow2.encrypt") == "blockdev.qcow2.encrypt");
    CHECK(path_said("throttle-group") == "object.throttle-group");
    CHECK(path_said("iothread.io0.poll-max-ns") == "object.iothread.poll-max-ns");
    CHECK(path_said("machine.vmport") == "machine.q35.vmport");
    CHECK(path_said("machine.pc.vmport") == "machine.pc.vmport");
    CHECK(path_said("cpu.avx2") == "cpu.max.avx2");
    CHECK(path_said("global.virtio-blk-pci.serial") == "device.virtio-blk-pci.serial");
    CHECK(path_said("netdev.stream.addr.inet.host") == "netdev.stream.addr.inet.host");
    CHECK(path_said("netdev.stream.addr.host") == "netdev.stream.addr.host");
    CHECK(path_said("chardev.socket.addr.inet.data.host") == "chardev.socket.addr.inet.data.host");
    CHECK(explanation_of("machine.kernel").meaning == "It is said as 'kernel.image'.");
}

TEST_CASE("what there is not is told with what there is") {
    CHECK(refused("disk.cahce") == "disk.X has no key 'cahce'; did you mean 'disk.X.cache'?");
    CHECK(refused("disk.root.cahce") == "disk.root has no key 'cahce'; did you mean 'disk.root.cache'?");
    CHECK(refused("memory.size.x") ==
          "memory.size has no keys, so no 'x'; `qvm explain memory.size` tells what it takes");
    CHECK(refused("throttle.iops.totl") ==
          "throttle.X.iops has no key 'totl'; did you mean 'throttle.X.iops.total'?");
    CHECK(refused("disk.X.device.serial") ==
          "what disk.X.device takes is QEMU's, and depends on its driver; name that: for example `qvm "
          "explain virtio-blk-pci.serial`");
    CHECK(refused("net.X.device.mq").ends_with("`qvm explain virtio-net-pci.mq`"));
    CHECK(refused("net.X.netdev.addr").ends_with("`qvm explain netdev.stream.addr`"));
    const std::string qemu = test::saved_qemu().to_string();
    CHECK(refused("blockdev.qcow2.l2-cach-size") == "blockdev.qcow2 has no member 'l2-cach-size' in " + qemu +
                                                        "; did you mean 'blockdev.qcow2.l2-cache-size'?");
    CHECK(refused("netdev.stream.addr.hots").ends_with("did you mean 'netdev.stream.addr.host'?"));
    CHECK(refused("virtio-blk-pci.serail").ends_with("did you mean 'device.virtio-blk-pci.serial'?"));
    CHECK(refused("dsik") == "this QEMU has none; ");
}

TEST_CASE("no explanation is wider than it may be") {
    for (const auto& explanation : explain_language()) {
        INFO(explanation.path);
        CHECK(is_narrow(explanation.to_text(columns), columns));
    }
    for (const auto* table : {"device", "blockdev", "object", "netdev", "chardev", "option"})
        for (const auto& type : types_of(table, test::saved_qemu())) {
            const auto explanation = explain({table, type, {}}, test::saved_qemu());
            INFO(explanation.path);
            CHECK(is_narrow(explanation.to_text(60), 60));
        }
}

TEST_CASE("the JSON says what the text says") {
    const auto json = explanation_of("disk.X.cache").to_json();
    CHECK(json.at("path") == "disk.X.cache");
    CHECK(json.at("takes").get<std::string>().find("writethrough") != std::string::npos);
    CHECK(json.at("qemu").is_null());
    const auto member = explanation_of("blockdev.qcow2").to_json();
    CHECK(member.at("qemu") == test::saved_qemu().to_string());
    CHECK(member.at("groups").at(0).at("parts").at(0).at("name") == "file");
}

}  // namespace
}  // namespace qvm::config
