// SPDX-License-Identifier: GPL-3.0-or-later
// The Client against the QEMU that is installed, if one is: what the script of a fake server only claims.
#include <csignal>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/fd.hpp"
#include "qmp/async.hpp"
#include "qmp/client.hpp"
#include "qmp/session.hpp"
#include "qmp/transport.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::qmp;
using std::chrono::milliseconds;

namespace {

constexpr const char* binary = "/usr/bin/qemu-system-x86_64";
constexpr milliseconds long_enough{60'000};

bool installed() {
    if (::access(binary, X_OK) == 0) return true;
    WARN("skipped: there is no " << binary);
    return false;
}

/// A QEMU without a machine, with its monitor on a socketpair.
class Qemu {
  public:
    Qemu() {
        SocketPair pair(SOCK_STREAM);
        const Fd theirs(::fcntl(pair.second.get(), F_DUPFD, 10));  // inherited, unlike the pair
        const std::string chardev = fmt::format("socket,id=m,fd={}", theirs.get());
        const std::vector<const char*> argv = {binary,     "-M",
                                               "none",     "-nodefaults",
                                               "-S",       "-display",
                                               "none",     "-no-user-config",
                                               "-chardev", chardev.c_str(),
                                               "-mon",     "chardev=m,mode=control",
                                               nullptr};
        pid_ = ::fork();
        if (pid_ == 0) {
            // SAFETY: execv(2) does not change what argv points to.
            ::execv(binary, const_cast<char* const*>(argv.data()));
            ::_exit(127);
        }
        if (pid_ < 0) throw_errno("fork");
        socket = std::move(pair.first);
    }
    Qemu(const Qemu&) = delete;
    Qemu& operator=(const Qemu&) = delete;
    ~Qemu() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Fd socket;

  private:
    pid_t pid_ = -1;
};

net::awaitable<void> shake_hands(Client& client, Greeting& greeting) {
    auto greeted = client.handshake(long_enough);
    greeting = co_await std::move(greeted);
}

net::awaitable<void> execute(Client& client, std::string command, Json arguments, ExecuteOptions options,
                             Json& value) {
    auto reply = client.execute(std::move(command), std::move(arguments), options);
    value = co_await std::move(reply);
}

net::awaitable<void> wait_closed(Client& client) {
    auto over = client.closed();
    co_await std::move(over);
}

/// One connection, and a call that waits.
struct Attached {
    explicit Attached(Fd socket) : client(context, std::move(socket)) {
        qmp::run(context, shake_hands(client, greeting));
    }
    Json run(std::string command, Json arguments = Json::object(), ExecuteOptions options = {}) {
        Json value;
        qmp::run(context, execute(client, std::move(command), std::move(arguments), options, value));
        return value;
    }
    net::io_context context{1};
    Client client;
    Greeting greeting;
};

std::string read_text(int socket) {
    std::string bytes;
    std::vector<Fd> fds;
    bool would_block = true;
    net::io_context context(1);
    while (would_block) {
        run(context, wait_readable(socket));
        receive_some(socket, bytes, fds, would_block);
    }
    return bytes;
}

}  // namespace

TEST_CASE("a real QEMU: handshake, commands, errors, the end") {
    if (!installed()) return;
    Qemu qemu;
    Attached attached(std::move(qemu.socket));
    CHECK(attached.greeting.major >= 7);
    CHECK(attached.greeting.capabilities == std::vector<std::string>{"oob"});
    CHECK(attached.run("query-status")["running"] == false);
    CHECK(attached.run("query-qmp-schema").size() > 500);
    ExecuteOptions oob;
    oob.oob = true;
    CHECK(attached.run("query-yank", Json::object(), oob).is_array());
    CHECK_THROWS_AS(attached.run("no-such-command"), ExecuteError);
    CHECK(attached.run("quit") == Json::object());
    run(attached.context, wait_closed(attached.client));
    CHECK_THROWS_AS(attached.run("query-status"), StateError);
}

TEST_CASE("a real QEMU takes a descriptor with add-fd") {
    if (!installed()) return;
    Qemu qemu;
    Attached attached(std::move(qemu.socket));
    const Fd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    ExecuteOptions options;
    options.fd = file.get();
    Json arguments = Json::object();
    arguments["fdset-id"] = 1;
    CHECK(attached.run("add-fd", arguments, options)["fdset-id"] == 1);
    const Json sets = attached.run("query-fdsets");
    REQUIRE(sets.size() == 1);
    CHECK(sets[0]["fds"].size() == 1);
    Json with_path = Json::object();
    with_path["node-name"] = "d";
    with_path["driver"] = "file";
    with_path["filename"] = "/dev/fdset/1";
    with_path["read-only"] = true;
    CHECK(attached.run("blockdev-add", with_path) == Json::object());
}

TEST_CASE("a real QEMU serves a client after another's unended command and byte 0xFF") {
    if (!installed()) return;
    Qemu qemu;
    CHECK_THAT(read_text(qemu.socket.get()), ContainsSubstring("QMP"));
    REQUIRE(send_some(qemu.socket.get(), "{\"execute\": {\xff", -1) > 0);
    CHECK_THAT(read_text(qemu.socket.get()), ContainsSubstring("error"));
    REQUIRE(send_some(qemu.socket.get(), Session::encode("qmp_capabilities", Json(), Json(), false), -1) > 0);
    CHECK_THAT(read_text(qemu.socket.get()), ContainsSubstring("return"));
}

TEST_CASE("a real QEMU that is killed ends what is under way") {
    if (!installed()) return;
    auto qemu = std::make_unique<Qemu>();
    Attached attached(std::move(qemu->socket));
    qemu.reset();
    CHECK_THROWS_AS(attached.run("query-status"), Error);
    run(attached.context, wait_closed(attached.client));
    CHECK(attached.client.runstate() == Runstate::Disconnected);
}
