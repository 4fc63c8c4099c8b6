// SPDX-License-Identifier: GPL-3.0-or-later
// Any file as an old session: it reads the same however it is cut, each line is a message, a notice or
// counted, and what was read can be written, masked, exported and read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "shell/export.hpp"
#include "shell/json_text.hpp"
#include "shell/replay.hpp"
#include "shell/transcript_file.hpp"
#include "shell/transcript_loader.hpp"

namespace {

using namespace qvm::shell;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "%s\n", what);
    std::abort();
}

std::string lines_of(const Transcript& transcript) {
    std::string lines;
    for (const auto& message : messages_of(all_items(transcript)))
        lines += log_line(*message.item, message.part) + "\n";
    return lines;
}

void load(Transcript& transcript, std::string_view text, std::size_t piece) {
    TranscriptLoader loader(transcript);
    while (!text.empty()) {
        loader.feed(text.substr(0, piece));
        text.remove_prefix(std::min(piece, text.size()));
    }
    loader.finish();
    if (transcript.pending() != 0) fail("something is pending in an old session");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1) return 0;
    // SAFETY: bytes are bytes.
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    Transcript whole;
    load(whole, text, size);
    Transcript pieces;
    load(pieces, text, 1 + data[0] % 16);
    const auto lines = lines_of(whole);
    if (lines != lines_of(pieces)) fail("the loader depends on how the bytes were cut");
    for (std::string_view rest = lines; !rest.empty();) {
        const auto end = rest.find('\n');
        if (!is_json(rest.substr(0, end))) fail("a line of a log is no JSON");
        rest.remove_prefix(end + 1);
    }
    Transcript again;
    load(again, lines, lines.size() + 1);
    for (const auto format :
         {ExportFormat::Json, ExportFormat::Shell, ExportFormat::Python, ExportFormat::Iotest})
        static_cast<void>(export_items(all_items(whole), format));
    static_cast<void>(replay_of(all_items(whole), ReplayTiming::AsThen));
    return 0;
}
