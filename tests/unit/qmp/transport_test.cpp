// SPDX-License-Identifier: GPL-3.0-or-later
#include "qmp/transport.hpp"

#include <fcntl.h>
#include <fstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace qvm;
using namespace qvm::qmp;
using test::TemporaryDirectory;

namespace {

std::string receive(const Fd& socket, std::vector<Fd>& fds) {
    std::string bytes;
    bool would_block = false;
    receive_some(socket.get(), bytes, fds, would_block);
    return bytes;
}

bool same_file(int a, int b) {
    struct stat first {
    }, second{};
    REQUIRE(::fstat(a, &first) == 0);
    REQUIRE(::fstat(b, &second) == 0);
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

void check_pair(const std::string& path) {
    const Fd listener = listen_unix(path);
    const Fd client = connect_unix(path);
    CHECK((::fcntl(client.get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((::fcntl(client.get(), F_GETFL) & O_NONBLOCK) == 0);
    const Fd server(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(server);
    CHECK(send_some(client.get(), "hello", -1) == 5);
    std::vector<Fd> fds;
    CHECK(receive(server, fds) == "hello");
    CHECK(fds.empty());
}

}  // namespace

TEST_CASE("a socket at a short, a long and a relative path") {
    const TemporaryDirectory directory;
    check_pair(directory.path().string() + "/s");
    std::string deep = directory.path().string();
    for (int i = 0; i < 4; ++i) {
        deep += "/" + std::string(60, 'd');
        REQUIRE(::mkdir(deep.c_str(), 0700) == 0);
    }
    REQUIRE(deep.size() > 200);
    check_pair(deep + "/socket");

    const std::string exact =
        directory.path().string() + "/" + std::string(107 - directory.path().string().size() - 1, 'e');
    REQUIRE(exact.size() == 107);
    check_pair(exact);
    check_pair(directory.path().string() + "//" + std::string(80, 'f'));
}

TEST_CASE("a file name too long for any socket address is told so") {
    const TemporaryDirectory directory;
    const std::string path = directory.path().string() + "/" + std::string(120, 'n');
    try {
        listen_unix(path);
        FAIL("no error");
    } catch (const SystemError& error) {
        CHECK(error.error().value() == ENAMETOOLONG);
        CHECK_THAT(error.what(), ContainsSubstring(path));
        CHECK_THAT(error.advice(), ContainsSubstring("80 bytes"));
    }
}

TEST_CASE("only the owner may connect, whatever the umask") {
    const TemporaryDirectory directory;
    const std::string path = directory.path().string() + "/s";
    const mode_t before = ::umask(0);
    const Fd listener = listen_unix(path);
    ::umask(before);
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600U);
}

TEST_CASE("a socket whose listener has gone is replaced, a live one is not") {
    const TemporaryDirectory directory;
    const std::string path = directory.path().string() + "/s";
    Fd first = listen_unix(path);
    try {
        listen_unix(path);
        FAIL("no error");
    } catch (const SystemError& error) {
        CHECK(error.error().value() == EADDRINUSE);
        CHECK_THAT(error.advice(), ContainsSubstring("another process listens"));
    }
    first.reset();
    check_pair(path);

    const std::string file = directory.path().string() + "/file";
    std::ofstream(file) << "precious";
    CHECK_THROWS_AS(listen_unix(file), SystemError);
    CHECK(::access(file.c_str(), F_OK) == 0);
}

TEST_CASE("connecting says what is missing") {
    const TemporaryDirectory directory;
    const std::string path = directory.path().string() + "/s";
    const auto advice = [&path] {
        try {
            connect_unix(path);
        } catch (const SystemError& error) {
            CHECK_THAT(error.what(), ContainsSubstring(path));
            return error.advice();
        }
        return std::string("no error");
    };
    CHECK_THAT(advice(), ContainsSubstring("no such socket"));
    listen_unix(path).reset();
    CHECK_THAT(advice(), ContainsSubstring("has ended"));
    CHECK_THROWS_AS(connect_unix(""), SystemError);
    CHECK_THROWS_AS(connect_unix(std::string("a\0b", 3)), SystemError);
}

TEST_CASE("a listener that is busy is an error, not a wait without end") {
    const TemporaryDirectory directory;
    const std::string path = directory.path().string() + "/s";
    const Fd listener = listen_unix(path);
    REQUIRE(::listen(listener.get(), 0) == 0);
    std::vector<Fd> waiting;
    const auto fill = [&] {
        for (int i = 0; i < 10; ++i) waiting.push_back(connect_unix(path));
    };
    CHECK_THROWS_AS(fill(), SystemError);
    CHECK(!waiting.empty());
}

TEST_CASE("a descriptor travels with the first byte") {
    const SocketPair pair(SOCK_STREAM);
    const Fd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
    CHECK(send_some(pair.first.get(), "before", -1) == 6);
    CHECK(send_some(pair.first.get(), "with", file.get()) == 4);
    CHECK(send_some(pair.first.get(), "after", -1) == 5);
    std::vector<Fd> fds;
    std::string bytes;
    while (bytes.size() < 15) bytes += receive(pair.second, fds);
    CHECK(bytes == "beforewithafter");
    REQUIRE(fds.size() == 1);
    CHECK(same_file(fds[0].get(), file.get()));
    CHECK((::fcntl(fds[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("a full socket takes nothing and does not wait") {
    const SocketPair pair(SOCK_STREAM);
    const std::string bytes(std::size_t{1} << 20U, 'x');
    std::size_t sent = 0;
    while (const auto part = send_some(pair.first.get(), bytes, -1)) sent += part;
    CHECK(sent > 0);
    CHECK(send_some(pair.first.get(), "x", -1) == 0);

    std::string got;
    std::vector<Fd> fds;
    bool would_block = false;
    while (!would_block) CHECK(receive_some(pair.second.get(), got, fds, would_block));
    CHECK(got.size() == sent);
}

TEST_CASE("a closed peer is an error when writing, an end when reading, and never a signal") {
    SocketPair pair(SOCK_STREAM);
    CHECK(send_some(pair.second.get(), "bye", -1) == 3);
    pair.second.reset();
    try {
        send_some(pair.first.get(), "x", -1);
        FAIL("no error");
    } catch (const SystemError& error) {
        CHECK(error.error().value() == EPIPE);
    }
    std::string bytes;
    std::vector<Fd> fds;
    bool would_block = false;
    CHECK(receive_some(pair.first.get(), bytes, fds, would_block));
    CHECK(bytes == "bye");
    CHECK_FALSE(receive_some(pair.first.get(), bytes, fds, would_block));
}
