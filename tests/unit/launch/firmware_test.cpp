// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/firmware.hpp"

#include <fstream>

#include "config/document.hpp"
#include "config/dump.hpp"
#include "config/lower.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
namespace fs = std::filesystem;

namespace {

struct Described {
    std::string machines = R"(["pc-q35-*", "pc-i440fx-*"])";
    std::string features = "[]";
    std::string mapping = R"("device": "flash", "executable": {"filename": "/fw/CODE.fd", "format": "raw"},
        "nvram-template": {"filename": "/fw/VARS.fd", "format": "raw"})";
};

/// A host with firmware of its own.
class Host {
  public:
    Host() {
        fs::create_directories(system());
        fs::create_directories(own());
    }
    fs::path system() const { return directory_.path() / "system"; }
    fs::path own() const { return directory_.path() / "own"; }

    void describe(const fs::path& file, const Described& said) const {
        std::ofstream(file) << R"({"interface-types": ["uefi"], "features": )" << said.features
                            << R"(, "mapping": {)" << said.mapping
                            << R"(}, "targets": [{"architecture": "x86_64", "machines": )" << said.machines
                            << "}]}";
    }

    config::Vm place(const std::string& text) {
        const auto document =
            config::load({config::SourceText{"vm.toml", "/vm/vm.toml", text}}, {}, diagnostics);
        config::Vm vm = config::lower(document, diagnostics);
        launch::place_firmware(vm, {{system(), own()}, "/state/efivars.fd"}, diagnostics);
        return vm;
    }

    Diagnostics diagnostics;

  private:
    test::TemporaryDirectory directory_;
};

std::string code_of(const config::Vm& vm) {
    const auto* node = vm.find({config::Kind::Blockdev, "firmware-code"});
    return node == nullptr ? "none"
                           : *node->properties.table()->find("file")->table()->find("filename")->string();
}

Described with(const std::string& code, const std::string& features) {
    Described said;
    said.features = features;
    said.mapping = R"("device": "flash", "executable": {"filename": ")" + code +
                   R"(", "format": "raw"}, "nvram-template": {"filename": "/fw/VARS.fd", "format": "raw"})";
    return said;
}

constexpr const char* enrolled = R"(["secure-boot", "enrolled-keys", "requires-smm"])";
constexpr const char* secure = R"(["secure-boot", "requires-smm"])";

}  // namespace

TEST_CASE("uefi becomes two flash chips, of which the VM owns one") {
    Host host;
    host.describe(host.system() / "60-plain.json", {});
    const auto vm = host.place("firmware = \"uefi\"\n");
    CHECK(host.diagnostics.to_text(false) == "");
    const auto text = config::to_toml(vm);
    CHECK_THAT(text, ContainsSubstring("pflash0 = \"firmware-code\"\npflash1 = \"firmware-vars\""));
    CHECK_THAT(text, ContainsSubstring("[blockdev.firmware-code]\ndriver = \"raw\"\nread-only = true\n"
                                       "file = { driver = \"file\", filename = \"/fw/CODE.fd\" }"));
    CHECK_THAT(text, ContainsSubstring("[blockdev.firmware-vars]\ndriver = \"raw\"\n"
                                       "file = { driver = \"file\", filename = \"/state/efivars.fd\" }\n"
                                       "copy-of = \"/fw/VARS.fd\""));
    CHECK_THAT(text, !ContainsSubstring("smm"));

    SECTION("what it is compiled to is lowered to the same") {
        Host nowhere;
        auto again = nowhere.place(text);
        CHECK(nowhere.diagnostics.to_text(false) == "");
        CHECK(config::to_toml(again) == text);
    }
}

TEST_CASE("without Secure Boot the plainest firmware is taken, with it one that has keys") {
    Host host;
    host.describe(host.system() / "40-enrolled.json", with("/fw/ENROLLED.fd", enrolled));
    CHECK(code_of(host.place("firmware = \"uefi\"\n")) == "none");
    host.describe(host.system() / "50-secure.json", with("/fw/SECURE.fd", secure));
    CHECK(code_of(host.place("firmware = \"uefi\"\n")) == "/fw/SECURE.fd");
    host.describe(host.system() / "60-plain.json", {});
    CHECK(code_of(host.place("firmware = \"uefi\"\n")) == "/fw/CODE.fd");
    const auto vm = host.place("firmware = { type = \"uefi\", secure-boot = true }\n");
    CHECK(code_of(vm) == "/fw/ENROLLED.fd");
    const auto text = config::to_toml(vm);
    CHECK_THAT(text, ContainsSubstring("smm = \"on\""));
    CHECK_THAT(text, ContainsSubstring("[global.\"cfi.pflash01\"]\nsecure = true"));
    CHECK(host.diagnostics.to_text(false) == "");
}

TEST_CASE("a descriptor of the administrator's goes before one of the same name, and an empty one hides it") {
    Host host;
    host.describe(host.system() / "60-plain.json", {});
    host.describe(host.own() / "60-plain.json", with("/fw/OWN.fd", "[]"));
    CHECK(code_of(host.place("firmware = \"uefi\"\n")) == "/fw/OWN.fd");
    std::ofstream(host.own() / "60-plain.json", std::ios::trunc).close();
    CHECK(code_of(host.place("firmware = \"uefi\"\n")) == "none");
}

TEST_CASE("what cannot be used is passed over") {
    Host host;
    Described said;
    SECTION("another machine") {
        said.machines = R"(["virt-*"])";
    }
    SECTION("not flash") {
        said.mapping = R"("device": "memory", "filename": "/fw/OVMF.fd")";
    }
    SECTION("one file with its variables") {
        said.mapping += R"(, "mode": "combined")";
    }
    SECTION("a relative path") {
        said.mapping = R"("device": "flash", "executable": {"filename": "CODE.fd", "format": "raw"})";
    }
    SECTION("no object where one should be") {
        said.mapping = R"("device": "flash", "executable": 5)";
    }
    host.describe(host.system() / "60-plain.json", said);
    std::ofstream(host.system() / "70-broken.json") << "{\"targets\": [";
    std::ofstream(host.system() / "80-array.json") << "[1, 2]";
    const auto vm = host.place("firmware = \"uefi\"\n");
    CHECK(code_of(vm) == "none");
    CHECK_THAT(vm.firmware->missing, ContainsSubstring("machine 'q35' of x86_64"));
    CHECK_THAT(vm.firmware->advice.front(), ContainsSubstring("package ovmf"));
}

TEST_CASE("the firmware is that of the machine which QEMU is") {
    Host host;
    host.describe(host.system() / "60-plain.json", {});
    const auto vm =
        host.place("qemu = \"/opt/qemu-system-aarch64\"\nmachine = \"virt\"\nfirmware = \"uefi\"\n");
    CHECK_THAT(vm.firmware->missing, ContainsSubstring("machine 'virt' of aarch64"));
    CHECK_THAT(vm.firmware->advice.front(), ContainsSubstring("qemu-efi-aarch64"));
    CHECK(code_of(host.place("qemu = \"kvm\"\nfirmware = \"uefi\"\n")) ==
          code_of(host.place("firmware = \"uefi\"\n")));
}

TEST_CASE("firmware without variables has one chip") {
    Host host;
    Described said;
    said.mapping =
        R"("device": "flash", "mode": "stateless", "executable": {"filename": "/fw/AMDSEV.fd", "format": "raw"})";
    host.describe(host.system() / "60-plain.json", said);
    const auto text = config::to_toml(host.place("firmware = \"uefi\"\n"));
    CHECK_THAT(text, ContainsSubstring("pflash0") && !ContainsSubstring("pflash1"));
}

TEST_CASE("the user's own variables, and what contradicts") {
    Host host;
    host.describe(host.system() / "60-plain.json", {});
    CHECK_THAT(config::to_toml(host.place("firmware = { type = \"uefi\", vars = \"my.fd\" }\n")),
               ContainsSubstring("filename = \"/vm/my.fd\" }\ncopy-of"));
    CHECK(host.diagnostics.to_text(false) == "");
    SECTION("bios") {
        host.place("firmware = { type = \"bios\", secure-boot = true }\n");
        CHECK_THAT(host.diagnostics.to_text(false), ContainsSubstring("firmware.secure-boot goes with") &&
                                                        ContainsSubstring("or leave it out"));
    }
    SECTION("flash of one's own") {
        host.place("firmware = \"uefi\"\nmachine = { pflash0 = \"mine\" }\n");
        CHECK_THAT(host.diagnostics.to_text(false), ContainsSubstring("beside pflash0"));
    }
    SECTION("the same id") {
        host.place("firmware = \"uefi\"\n[blockdev.firmware-vars]\ndriver = \"null-co\"\n");
        CHECK_THAT(host.diagnostics.to_text(false), ContainsSubstring("'firmware-vars'"));
    }
    SECTION("copy-of without a file") {
        host.place("[blockdev.x]\ndriver = \"null-co\"\ncopy-of = \"a\"\n");
        CHECK_THAT(host.diagnostics.to_text(false), ContainsSubstring("no file that could be made"));
    }
}
