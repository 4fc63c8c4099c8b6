// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/socket_place.hpp"

#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "qmp/transport.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

namespace fs = std::filesystem;

struct Switch {
    test::TemporaryDirectory directory;
    fs::path socket = directory.path() / "vm.sock";
    fs::path place = directory_for(socket);
    fs::path made = place / socket_in_place;

    SocketPlace prepare() const { return {socket, std::nullopt}; }
};

mode_t mode_of(const fs::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status.st_mode;
}

}  // namespace

TEST_CASE("a socket that QEMU has made gets its name, and the directory for it goes") {
    const Switch host;
    auto place = host.prepare();
    CHECK_FALSE(place.publish());
    const auto listener = qmp::listen_unix(host.made.string());
    CHECK(place.publish());
    CHECK(S_ISSOCK(mode_of(host.socket)));
    CHECK((mode_of(host.socket) & 0777) == 0600);
    CHECK_FALSE(fs::exists(host.place));
}

TEST_CASE("what was not made goes with its place, and what a start has left with the next") {
    const Switch host;
    {
        const auto place = host.prepare();
        CHECK(fs::exists(host.place));
    }
    CHECK_FALSE(fs::exists(host.place));
    fs::create_directory(host.place);
    std::ofstream(host.made) << "left";
    const auto place = host.prepare();
    CHECK_FALSE(fs::exists(host.made));
}

TEST_CASE("the place of a socket is not found by a link, nor taken from another VM") {
    const Switch host;
    const auto elsewhere = host.directory.path() / "elsewhere";
    fs::create_directory(elsewhere);
    std::ofstream(elsewhere / socket_in_place) << "precious";
    fs::create_symlink(elsewhere, host.place);
    CHECK_THROWS_AS(host.prepare(), SystemError);
    CHECK(fs::exists(elsewhere / socket_in_place));
    fs::remove(host.place);
    const auto first = host.prepare();
    CHECK_THROWS_AS(host.prepare(), SystemError);
    CHECK(fs::exists(host.place));
}

TEST_CASE("only a socket gets the name, and only it alone") {
    const Switch host;
    const auto secret = host.directory.path() / "secret";
    std::ofstream(secret) << "secret";
    fs::permissions(secret, fs::perms::owner_read);
    {
        auto place = host.prepare();
        fs::create_symlink(secret, host.made);
        CHECK_THROWS_AS(place.publish(), SystemError);
        CHECK((mode_of(secret) & 0777) == 0400);
    }
    {
        auto place = host.prepare();
        const auto listener = qmp::listen_unix(host.made.string());
        std::ofstream(host.place / "more") << "more";
        CHECK_THROWS_AS(place.publish(), SystemError);
    }
}
