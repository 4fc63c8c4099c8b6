// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/command.hpp"

#include <algorithm>
#include <csignal>
#include <unistd.h>

#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

CommandWords words_for(std::vector<std::string> command) {
    CommandWords words;
    words.command = std::move(command);
    if (::geteuid() == 0) words.uid = 70000;
    return words;
}

}  // namespace

TEST_CASE("SRC:DST is a bind, and only what cannot be written can be executed") {
    const auto read_only = parse_bind("/usr/bin/", false);
    CHECK(read_only.source == "/usr/bin");
    CHECK(read_only.target == "/usr/bin");
    CHECK_FALSE(read_only.writable);
    CHECK(read_only.executable);
    const auto writable = parse_bind("/a/../b:/c/", true);
    CHECK(writable.source == "/b");
    CHECK(writable.target == "/c");
    CHECK(writable.writable);
    CHECK_FALSE(writable.executable);
    CHECK(parse_bind("/a:b", false).source == "/a:b");
    CHECK_THROWS_WITH(parse_bind(":/a", false), ContainsSubstring("is not SRC or SRC:DST"));
    CHECK_THROWS_WITH(parse_bind("/a:", false), ContainsSubstring("is not SRC or SRC:DST"));
}

TEST_CASE("limits have the kernel's names, and sizes have units") {
    CHECK(parse_limit("nofile=256").value == 256);
    CHECK(parse_limit("fsize=1M").value == 1U << 20U);
    CHECK(parse_limit("fsize=1M").resource == RLIMIT_FSIZE);
    CHECK_THROWS_WITH(parse_limit("files=1"), ContainsSubstring("is no limit"));
    CHECK_THROWS_WITH(parse_limit("nofile"), ContainsSubstring("is no limit"));
    CHECK_THROWS_WITH(parse_limit("nofile=1k"), ContainsSubstring("is a number"));
    CHECK_THROWS_WITH(parse_limit("as=lots"), ContainsSubstring("is a size"));
}

TEST_CASE("a command's Spec is what its words say") {
    auto words = words_for({"sh", "-c", "true"});
    words.env = {"A=1", "A=2"};
    words.limits = {"nproc=5"};
    words.tmpfs = {"/tmp/"};
    words.landlock = "require";
    words.log = true;
    const auto spec = command_spec(words);
    CHECK(spec.argv.back() == "true");
    CHECK(std::ranges::count(spec.env, "A=2") == 1);
    CHECK(std::ranges::count(spec.env, "A=1") == 0);
    CHECK(std::ranges::count(spec.limits, static_cast<int>(RLIMIT_NPROC), &jail::Limit::resource) == 1);
    CHECK(spec.tmpfs == std::vector<std::string>{"/tmp"});
    CHECK(spec.landlock == jail::Landlock::Require);
    CHECK(spec.filter.log);
    CHECK(spec.namespaces.net);
    CHECK(spec.inherit_streams);
    CHECK(spec.end_with_parent);
    CHECK(spec.host_uid.has_value() == (::geteuid() == 0));
}

TEST_CASE("words that make no jail are refused by name") {
    CHECK_THROWS_WITH(command_spec(words_for({})), ContainsSubstring("no command"));
    CHECK_THROWS_WITH(command_spec(words_for({"no-such-program"})), ContainsSubstring("no-such-program"));
    auto words = words_for({"sh"});
    SECTION("profile") {
        words.profile = "comand";
        CHECK_THROWS_WITH(command_spec(words), ContainsSubstring("--profile comand"));
    }
    SECTION("net") {
        words.net = "bridge";
        CHECK_THROWS_WITH(command_spec(words), ContainsSubstring("--net bridge"));
    }
    SECTION("landlock") {
        words.landlock = "on";
        CHECK_THROWS_WITH(command_spec(words), ContainsSubstring("--landlock on"));
    }
    SECTION("env") {
        words.env = {"QVM_NO_SUCH_VARIABLE"};
        CHECK_THROWS_WITH(command_spec(words), ContainsSubstring("no such variable"));
    }
    SECTION("uid of an ordinary user") {
        if (::geteuid() == 0) return;
        words.uid = 70000;
        CHECK_THROWS_WITH(command_spec(words), ContainsSubstring("--uid is for root"));
    }
}

TEST_CASE("a command's end is a shell's status") {
    CHECK(shell_status({false, 7}) == 7);
    CHECK(shell_status({true, SIGKILL}) == 137);
    CHECK(run_command(command_spec(words_for({"sh", "-c", "exit 9"}))).code == 9);
}
