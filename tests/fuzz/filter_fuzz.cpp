// SPDX-License-Identifier: GPL-3.0-or-later
// Any text as a filter: it is one, or a mistake within the text; and it says something of any item.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>

#include "base/text.hpp"
#include "shell/filter.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace qvm::shell;
    // SAFETY: bytes are bytes.
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto parsed = Filter::parse(text);
    if (const auto* error = std::get_if<FilterError>(&parsed)) {
        if (error->column < 1 || error->column > size + 1 ||
            qvm::escape_controls(error->message) != error->message) {
            std::fprintf(stderr, "the mistake is told wrongly: %zu: %s\n", error->column,
                         error->message.c_str());
            std::abort();
        }
        return 0;
    }
    Item item;
    item.name = item.received = text;
    item.edit_command().sent = item.edit_command().client = text;
    for (const auto kind : {ItemKind::Command, ItemKind::Event, ItemKind::Notice}) {
        item.kind = kind;
        const bool matches = std::get<Filter>(parsed).matches(item);
        const auto opposite = Filter::parse("!(" + std::string(text) + ")");
        if (const auto* filter = std::get_if<Filter>(&opposite);
            filter != nullptr && filter->matches(item) == matches) {
            // "a) | (b" is one only with parentheses around it.
            if (text.find(')') == std::string_view::npos && !std::get<Filter>(parsed).text().empty())
                std::abort();
        }
    }
    return 0;
}
