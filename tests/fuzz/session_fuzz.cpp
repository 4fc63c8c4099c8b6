// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes from the other side: a session reads the same however they are cut, and is never stuck
// afterwards.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "qmp/session.hpp"

namespace {

using qvm::qmp::Framer;
using qvm::qmp::Session;

constexpr std::size_t small_limit = 64;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "%s\n", what);
    std::abort();
}

/// What a framer makes of `bytes`, fed in pieces of `piece` bytes.
std::vector<std::string> frames(std::string_view bytes, std::size_t piece, Framer::InvalidByte in_string) {
    Framer framer(small_limit, in_string);
    std::vector<std::string> result;
    while (!bytes.empty()) {
        framer.feed(bytes.substr(0, piece));
        bytes.remove_prefix(std::min(piece, bytes.size()));
        while (const auto frame = framer.next()) result.push_back(frame->error + "\n" + frame->bytes);
    }
    return result;
}

void check_cuts(std::string_view bytes, std::size_t piece, Framer::InvalidByte in_string) {
    if (frames(bytes, piece, in_string) != frames(bytes, bytes.size(), in_string)) {
        fail("the framer depends on how the bytes were cut");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::size_t piece = 1 + data[0] % 16;
    // SAFETY: bytes are bytes.
    const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
    check_cuts(bytes, piece, Framer::InvalidByte::Keep);
    check_cuts(bytes, piece, Framer::InvalidByte::Reset);

    Session session;
    session.feed(bytes);
    while (session.next()) continue;
    session.feed("\n\xff\"\xff\n\xff{\"event\": \"LAST\"}");
    bool came = false;
    while (const auto message = session.next()) {
        const auto* event = std::get_if<qvm::qmp::Event>(&*message);
        came = event != nullptr && event->name == "LAST";
    }
    if (!came) fail("the session is stuck");
    return 0;
}
