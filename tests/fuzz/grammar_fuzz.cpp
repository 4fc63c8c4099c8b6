// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever is typed: reading it and completing it end, what is said of it lies within it, and what it means
// is written as an entry that means the same.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "shell/completion.hpp"
#include "shell/grammar.hpp"
#include "unit/shell/saved_vocabulary.hpp"

namespace {

using namespace qvm;
using namespace qvm::shell;

[[noreturn]] void fail(const char* what, const std::string& text) {
    std::fprintf(stderr, "%s: %s\n", what, text.c_str());
    std::abort();
}

void check_round_trip(const Request& request, Vocabulary& vocabulary) {
    const std::string text = to_text(request.command, request.arguments, &vocabulary);
    const Entered again = parse(text, vocabulary);
    if (again.blocked()) fail("what was written cannot be read", text);
    const auto* same = std::get_if<Request>(&again.what);
    if (same == nullptr) return;  // a name that only a whole message can have
    if (same->command != request.command || same->arguments.dump() != request.arguments.dump())
        fail("what was written means something else", text);
}

void check_entries(std::string_view text) {
    const std::size_t all = text.size();
    std::size_t seen = 0;
    while (true) {
        const std::size_t before = text.size();
        if (!next_entry(text, true)) break;
        if (text.size() >= before) fail("an entry takes nothing", std::string(text));
        seen += before - text.size();
    }
    if (seen != all) fail("entries lose text", std::string(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0 || size > 4096) return 0;
    static test::SavedVocabulary vocabulary;
    vocabulary.asked.clear();
    const std::string text(data, data + size);
    const Entered entered = parse(text, vocabulary);
    for (const Finding& finding : entered.findings)
        if (finding.where.begin > finding.where.end || finding.where.end > text.size())
            fail("a finding lies outside the text", text);
    const auto* request = std::get_if<Request>(&entered.what);
    if (request != nullptr && !entered.blocked() && request->deferred.empty())
        check_round_trip(*request, vocabulary);
    const std::size_t cursor = data[0] % (size + 1);
    const Completion completion = complete(text, cursor, vocabulary);
    if (completion.replaced.begin > completion.replaced.end || completion.replaced.end != cursor)
        fail("completion replaces something else", text);
    check_entries(text);
    return 0;
}
