// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/saved_qemu.hpp"

#include <fstream>

#include "base/error.hpp"
#include "launch/probe.hpp"
#include "support/catch.hpp"
#include "support/saved_qemu.hpp"
#include "support/temporary_directory.hpp"

namespace qvm::launch {
namespace {

TEST_CASE("a QEMU that was saved is read back, and says where from") {
    const test::TemporaryDirectory directory;
    const auto path = (directory.path() / "here.qemu").string();
    std::ofstream(path) << saved_qemu_text(test::saved_qemu());
    const auto qemu = read_saved_qemu(path);
    CHECK(qemu.to_json() == test::saved_qemu().to_json());
    CHECK(qemu.to_string() == "QEMU 7.2.22 (saved in " + path + ")");

    Probe probe(read_saved_qemu(path));
    CHECK(probe.binary() == test::saved_qemu().binary);
    CHECK(probe.with_properties({"edu", "no-such-device"}).properties_of("no-such-device") == nullptr);
    CHECK(probe.everything().properties.size() == qemu.properties.size());
    CHECK(probe.whole_schema().command("query-status") != nullptr);
}

TEST_CASE("what is no saved QEMU is refused with the file, why, and what to do") {
    const test::TemporaryDirectory directory;
    const auto path = (directory.path() / "wrong").string();
    const auto refusal = [&](const std::string& text) {
        std::ofstream(path) << text;
        try {
            read_saved_qemu(path);
        } catch (const Error& error) {
            CHECK(error.exit_code() == ExitCode::Invalid);
            CHECK_FALSE(error.advice().empty());
            CHECK(std::string(error.what()).starts_with("'" + path + "' "));
            return std::string(error.what()).substr(path.size() + 3);
        }
        return std::string("nothing");
    };
    const auto whole = saved_qemu_text(test::saved_qemu());
    CHECK(refusal("") == "is not a saved QEMU");
    CHECK(refusal("memory = 1") == "is not a saved QEMU");
    CHECK(refusal("{\"$schema\": 1}") == "is a JSON Schema, for editors, and not a saved QEMU");
    CHECK(refusal(whole.substr(0, whole.size() / 2)).starts_with("is damaged: "));
    CHECK(refusal("{\"qvm-saved-qemu\": 1, \"form\": 1}").starts_with("is damaged: "));
    CHECK(
        refusal("{\"qvm-saved-qemu\": \"9.9\", \"form\": 2}").starts_with("was saved by qvm 9.9 in a form"));
}

}  // namespace
}  // namespace qvm::launch
