// SPDX-License-Identifier: GPL-3.0-or-later
// Any text as JSON: the tree, the layouts and the views of an item show it without a crash, nothing in what
// they show moves a terminal, and whatever the order of folding, the rows are those that belong there.
#include <clocale>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/text.hpp"
#include "shell/formatter.hpp"
#include "shell/json_diff.hpp"
#include "shell/json_lines.hpp"
#include "shell/json_path.hpp"
#include "shell/json_tree.hpp"

namespace {

using namespace qvm::shell;

[[noreturn]] void fail(const char* what) {
    std::fprintf(stderr, "%s\n", what);
    std::abort();
}

void check(const std::vector<Line>& lines, std::size_t columns) {
    for (const auto& line : lines) {
        for (const auto& span : line)
            if (qvm::escape_controls(span.text) != span.text || span.text.find('\t') != std::string::npos)
                fail("a span is not printable");
        if (columns > 1 && columns_of(line) > columns) fail("a line is too wide");
    }
}

void check_tree(std::string_view text, std::size_t columns, std::string_view moves) {
    JsonTree tree{std::string(text), columns};
    const auto opened = tree.rows();
    for (const char move : moves) {
        if (tree.rows() == 0) break;
        const auto row = static_cast<unsigned char>(move) % tree.rows();
        tree.toggle(row);
        check({tree.row(row, columns)}, columns);
        static_cast<void>(tree.path_of(row));
        static_cast<void>(tree.text_of(row));
        const auto found = tree.find(text.substr(0, row % 4), row, move % 2 == 0);
        if (found && *found >= tree.rows()) fail("what was found is not there");
        if (tree.parent_of(row) > row) fail("a parent is below its child");
    }
    tree.set_columns(columns + 3);
    for (std::size_t row = 0; row < tree.rows(); ++row) check({tree.row(row, columns)}, columns);
    tree.unfold_to(2);
    if (tree.rows() != opened) fail("the tree does not open as it did");
}

void check_views(std::string_view text, std::size_t columns) {
    Item item;
    item.kind = ItemKind::Command;
    item.received = item.name = text;
    auto& command = item.edit_command();
    command.sent = command.typed = command.client = text;
    FormatOptions options;
    options.columns = columns;
    options.message_lines = 5;
    for (const auto kind : {ItemKind::Command, ItemKind::Event, ItemKind::Notice})
        for (const auto state : {ItemState::Ok, ItemState::Error})
            for (const auto mode : {ViewMode::Summary, ViewMode::JsonSummary, ViewMode::Json,
                                    ViewMode::PrettyJson, ViewMode::Raw, ViewMode::Typed}) {
                item.kind = kind;
                item.state = state;
                check(format(item, mode, options), columns);
            }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const bool locale = std::setlocale(LC_CTYPE, "C.UTF-8") != nullptr;
    if (!locale || size < 12) return 0;
    // SAFETY: bytes are bytes.
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const std::size_t columns = data[0] % 100;
    const auto text = bytes.substr(12);
    check_tree(text, columns, bytes.substr(1, 11));
    check_views(text, columns);
    // The library wants surrogates in pairs, which JSON's grammar does not; ends at a NUL; skips a byte order
    // mark.
    const bool comparable = text.find("\\u") == std::string_view::npos &&
                            text.find('\0') == std::string_view::npos && !text.starts_with("\xef\xbb");
    if (comparable && is_json(text) != qvm::Json::accept(text)) fail("what is JSON is not agreed upon");
    check({highlight_json(text)}, std::size_t{0});
    check(diff_json(text, "{\"a\": [1]}"), 0);
    if (unquote_json(quote_json(text)) != text || unquote_json(quote_json_ascii(text)) != text)
        fail("quoting loses something");
    if (const auto path = JsonPath::parse(text.substr(0, text.size() / 2)))
        static_cast<void>(json_values_at(text, *path));
    // Laying out changes whitespace only.
    const auto once = pretty_json(text);
    if (is_json(text) && pretty_json(once) != once) fail("laying out what is laid out changes it");
    return 0;
}
