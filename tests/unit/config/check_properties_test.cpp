// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/check_properties.hpp"

#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::config;
using qapi::Problem;
using qapi::ProblemKind;
using qapi::Property;

namespace {

struct Outcome {
    Json value;
    std::string message;
    ProblemKind kind{};
    std::string nearest;
};

Outcome run(const Property& property, const Json& value) {
    std::vector<Problem> problems;
    Outcome outcome;
    outcome.value = check_property(property, value, qapi::Path{property.name}, problems);
    if (!problems.empty())
        outcome = {outcome.value, problems[0].message, problems[0].kind, problems[0].nearest};
    return outcome;
}

Property of(const char* type, const char* description = "") {
    return {"p", type, description};
}

}  // namespace

TEST_CASE("booleans") {
    CHECK(run(of("bool", "on/off"), true).value == true);
    CHECK(run(of("bool"), "on").value == true);
    CHECK(run(of("bool"), "off").value == false);
    CHECK(run(of("bool"), "yes").nearest == "true");
    CHECK(run(of("bool"), 1).message == "must be true or false, not an integer");
}

TEST_CASE("integers keep to their range") {
    CHECK(run(of("uint8"), 255).value == 255);
    CHECK(run(of("uint8"), 256).message == "must be between 0 and 255, not 256");
    CHECK(run(of("uint8"), 256).kind == ProblemKind::OutOfRange);
    CHECK(run(of("int8"), -129).kind == ProblemKind::OutOfRange);
    CHECK(run(of("int32"), -1).value == -1);
    CHECK(run(of("uint32"), -1).kind == ProblemKind::OutOfRange);
    CHECK(run(of("int64"), Json(std::uint64_t{1} << 63U)).kind == ProblemKind::OutOfRange);
    CHECK(run(of("uint64"), Json(UINT64_MAX)).message.empty());
    CHECK(run(of("uint64_t"), "18446744073709551615").value == UINT64_MAX);
    CHECK(run(of("uint4"), 16).kind == ProblemKind::OutOfRange);
    CHECK(run(of("uint16"), 1.5).message == "must be an integer, not a fractional number");
    CHECK(run(of("uint16"), Json::array()).message == "must be an integer, not an array");
}

TEST_CASE("integers are written as sizes, digits and hexadecimal digits too") {
    CHECK(run(of("size"), "64K").value == 65536);
    CHECK(run(of("uint32"), "4096").value == 4096);
    CHECK(run(of("uint32"), "0x1af4").value == 0x1af4);
    CHECK(run(of("uint8"), "1K").kind == ProblemKind::OutOfRange);
    CHECK(run(of("size"), "4KB").kind == ProblemKind::BadSize);
    CHECK(run(of("size"), "much").message == "must be an integer, not a string");
    CHECK(run(of("size"), "").message == "must be an integer, not a string");
}

TEST_CASE("enums are told by their description") {
    const Property error = of("BlockdevOnError", "Error handling policy, report/ignore/enospc/stop/auto");
    CHECK(enum_values(error) == std::vector<std::string>{"report", "ignore", "enospc", "stop", "auto"});
    const Property newer = of("BlockdevOnError", "Error handling policy (report/ignore/enospc/stop/auto)");
    CHECK(enum_values(newer) == enum_values(error));
    CHECK(run(error, "stop").message.empty());
    CHECK(run(error, "stpo").nearest == "stop");
    CHECK(run(error, true).message == "must be a string, not a boolean");
    CHECK(run(of("OnOffAuto", "on/off/auto"), false).value == "off");
    CHECK(run(of("OnOffAuto", "Enable ACPI"), true).value == "on");
    CHECK(run(of("OnOffAuto", "Enable ACPI"), "split").kind == ProblemKind::NotInEnum);
    CHECK(run(of("OnOffSplit"), "split").message.empty());
    CHECK(run(of("PCIELinkWidth", "1/2/4/8/12/16/32"), 8).value == "8");
    CHECK(run(of("PCIELinkWidth", "1/2/4/8/12/16/32"), 3).kind == ProblemKind::NotInEnum);
}

TEST_CASE("a description with a slash makes no enum of a plain type") {
    CHECK(enum_values(of("bool", "on/off")).empty());
    CHECK(enum_values(of("str", "Address (bus/device/function) of the host device")).empty());
    CHECK(enum_values(of("link<iothread>", "a/b")).empty());
    CHECK(enum_values(of("BootConfiguration", "Boot configuration")).empty());
}

TEST_CASE("strings") {
    CHECK(run(of("str"), "x").message.empty());
    CHECK(run(of("string"), 5).nearest == "\"5\"");
    CHECK(run(of("link<iothread>"), true).message == "must be a string, not a boolean");
    const Property mac = of("str", "Ethernet 6-byte MAC Address, example: 52:54:00:12:34:56");
    CHECK(run(mac, "52:54:00:12:34:56").message.empty());
    CHECK(run(mac, "52-54-00-AB-cd-56").message.empty());
    for (const char* bad :
         {"", "52:54:00:12:34", "52:54:00:12:34:5g", "52:54:00:12:34:56:78", "525400123456"})
        CHECK(run(mac, bad).kind == ProblemKind::OutOfRange);
}

TEST_CASE("PCI addresses") {
    const Property addr = of("int32", "Slot and optional function number, example: 06.0 or 06");
    for (const char* good : {"0x0", "3", "06.0", "1f.7", "0x1F.2"}) CHECK(run(addr, good).message.empty());
    for (const char* bad : {"", "0x20", "3.8", "x", "0x", "1.", "3.10"})
        CHECK_FALSE(run(addr, bad).message.empty());
    CHECK(run(addr, 8).message.empty());
    CHECK_FALSE(run(addr, true).message.empty());
}

TEST_CASE("what nobody describes is left to QEMU") {
    CHECK(run(of("BootConfiguration", "Boot configuration"), Json::object()).message.empty());
    CHECK(run(of("NewInSomeVersion"), 5).value == 5);
}
