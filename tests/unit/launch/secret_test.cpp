// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/secret.hpp"

#include <cstdlib>

#include "base/base64.hpp"
#include "base/error.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

/// What QEMU would be sent of it.
Json sent(const ReadSecret& secret) {
    const Fd fd = read_secret(secret);
    return with_secret("object-add",
                       Json::object({{"qom-type", "secret"}, {"id", "k"}, {"data", "@k.secret"}}), fd.get());
}

}  // namespace

TEST_CASE("base64") {
    CHECK(base64("").empty());
    CHECK(base64("f") == "Zg==");
    CHECK(base64("fo") == "Zm8=");
    CHECK(base64("foo") == "Zm9v");
    CHECK(base64("\xFF\xFE\xFD") == "//79");
}

TEST_CASE("the text of a secret takes the place of its name, whatever bytes it has") {
    const test::TemporaryDirectory directory;
    const std::string_view bytes("a\n\0\xFF", 4);
    const auto path = directory.write("key", bytes);
    const auto arguments = sent({path, {}, {}});
    CHECK(arguments.at("data") == base64(bytes));
    CHECK(arguments.at("format") == "base64");
    CHECK(arguments.at("id") == "k");
    const Fd encoded = read_secret({directory.write("encoded", "Zm9v"), {}, {}});
    CHECK(
        with_secret("object-add", {{"data", "@k.secret"}, {"format", "base64"}}, encoded.get()).at("data") ==
        "Zm9v");
    REQUIRE(setenv("QVM_TEST_SECRET", "hunter2", 1) == 0);
    CHECK(sent({{}, "QVM_TEST_SECRET", {}}).at("data") == base64("hunter2"));
    REQUIRE(setenv("CREDENTIALS_DIRECTORY", directory.path().c_str(), 1) == 0);
    CHECK(sent({{}, {}, "key"}).at("data") == arguments.at("data"));
    REQUIRE(unsetenv("CREDENTIALS_DIRECTORY") == 0);
}

TEST_CASE("a password has no line end, and is no longer than VNC looks at") {
    const test::TemporaryDirectory directory;
    const auto password = [&](std::string_view text) {
        const Fd fd = read_secret({directory.write("password", text), {}, {}});
        return with_secret("set_password", {{"protocol", "vnc"}, {"password", "@p.secret"}}, fd.get());
    };
    CHECK(password("geheim\r\n") == Json::object({{"protocol", "vnc"}, {"password", "geheim"}}));
    CHECK(password("12345678").at("password") == "12345678");
    CHECK_THROWS_WITH(password("123456789"), ContainsSubstring("has 9 characters"));
    CHECK_THROWS_WITH(password("\n"), ContainsSubstring("has 0 characters"));
    CHECK(takes_secret("object-add"));
    CHECK(takes_secret("set_password"));
    CHECK_FALSE(takes_secret("device_add"));
}

TEST_CASE("a secret that cannot be read is named, and never quoted") {
    const test::TemporaryDirectory directory;
    const auto file = [&](const std::string& text) {
        return ReadSecret{directory.write("key", text), {}, {}};
    };
    CHECK_THROWS_WITH(read_secret(file("")), ContainsSubstring("key': it is empty"));
    CHECK_THROWS_WITH(read_secret(file(std::string(longest_secret + 1, 'x'))),
                      ContainsSubstring("has more than 65536 bytes") && !ContainsSubstring("xxx"));
    CHECK(read_secret(file(std::string(longest_secret, 'x'))));
    CHECK_THROWS_WITH(read_secret({directory.path() / "none", {}, {}}), ContainsSubstring("none'"));
    CHECK_THROWS_WITH(read_secret({{}, "QVM_TEST_NOT_THERE", {}}),
                      ContainsSubstring("there is no variable QVM_TEST_NOT_THERE"));
    CHECK_THROWS_WITH(read_secret({{}, {}, "disk"}), ContainsSubstring("CREDENTIALS_DIRECTORY"));
}
