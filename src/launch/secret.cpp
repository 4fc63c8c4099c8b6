// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/secret.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/base64.hpp"
#include "base/error.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;

/// Not by read_file(), which a file without an end would keep for ever.
std::string text_of(int fd, const std::string& action) {
    std::string text(longest_secret + 1, '\0');
    std::size_t length = 0;
    while (length < text.size()) {
        const auto got = ::read(fd, text.data() + length, text.size() - length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw SystemError(action, errno, {}, ExitCode::HostCannot);
        if (got == 0) break;
        length += static_cast<std::size_t>(got);
    }
    text.resize(length);
    return text;
}

std::string text_of_file(const fs::path& path, const std::string& action) {
    // Not blocking: a FIFO without a peer would hold the start for ever.
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!file) throw SystemError(action, errno, {}, ExitCode::HostCannot);
    return text_of(file.get(), action);
}

std::string variable(const std::string& name, const std::string& action, const std::string& advice) {
    const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): one thread
    if (value == nullptr)
        throw Error(ExitCode::HostCannot, fmt::format("cannot {}: there is no variable {}", action, name),
                    advice);
    return value;
}

std::string text_of(const ReadSecret& secret, const std::string& action) {
    if (!secret.path.empty()) return text_of_file(secret.path, action);
    if (!secret.env.empty()) return variable(secret.env, action, "export it in the shell that starts the VM");
    const fs::path credentials =
        variable("CREDENTIALS_DIRECTORY", action,
                 "systemd sets it for a service with LoadCredential= or SetCredentialEncrypted=");
    return text_of_file(credentials / secret.credential, action);
}

/// What somebody types: without the end of its line.
std::string as_password(std::string text, bool spice) {
    // RFC 6143, 7.2.2: the key of DES has eight bytes, and QEMU leaves out what is beyond them.
    // spice/protocol.h: SPICE_MAX_PASSWORD_LENGTH
    const std::size_t longest = spice ? 60 : 8;
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    if (text.empty() || text.size() > longest)
        throw Error(ExitCode::HostCannot,
                    fmt::format("the password of {} has {} characters: it can have from 1 to {}",
                                spice ? "SPICE" : "VNC", text.size(), longest),
                    spice ? ""
                          : "a longer one would count for no more; let VNC listen on a Unix socket, or "
                            "behind a tunnel");
    return text;
}

}  // namespace

std::string source_of(const ReadSecret& secret) {
    if (!secret.path.empty()) return '\'' + secret.path.string() + '\'';
    if (!secret.env.empty()) return '$' + secret.env;
    return "the credential '" + secret.credential + '\'';
}

Fd read_secret(const ReadSecret& secret) {
    const auto action = "read the secret of " + source_of(secret);
    const auto text = text_of(secret, action);
    if (text.empty() || text.size() > longest_secret)
        throw Error(
            ExitCode::HostCannot,
            fmt::format("cannot {}: it {}", action,
                        text.empty() ? "is empty" : fmt::format("has more than {} bytes", longest_secret)));
    Fd memory(::memfd_create("secret", MFD_CLOEXEC));
    if (!memory || ::write(memory.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::lseek(memory.get(), 0, SEEK_SET) != 0)
        throw_errno(action);
    return memory;
}

bool takes_secret(std::string_view command) {
    return command == "object-add" || command == "set_password";
}

Json with_secret(std::string_view command, Json arguments, int fd) {
    auto text = text_of(fd, "read a secret");
    if (command == "set_password") {
        arguments["password"] = as_password(std::move(text), arguments.value("protocol", "") == "spice");
        return arguments;
    }
    // Base64 already, says the user: of what another secret encrypts (keyid), for example.
    const bool encoded = arguments.value("format", "raw") == "base64";
    arguments["data"] = encoded ? std::move(text) : base64(text);
    arguments["format"] = "base64";
    return arguments;
}

}  // namespace qvm::launch
