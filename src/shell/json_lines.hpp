// SPDX-License-Identifier: GPL-3.0-or-later
// JSON as coloured lines: as it came, or laid out. Works on the text, broken or not, and reads no more of it
// than is shown.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shell/frame.hpp"
#include "shell/json_text.hpp"

namespace qvm::shell {

/// A line, and how many bytes of the text it shows.
struct JsonLine {
    Line line;
    std::size_t read = 0;
};

/// The text on one line, whitespace between tokens as a single blank. Stops after about `limit` bytes of it.
JsonLine read_json_line(std::string_view json, std::size_t limit);
Line highlight_json(std::string_view json, std::size_t limit = std::string_view::npos);

/// Lays JSON out, two columns to each level, line by line as they are asked for.
class PrettyJson {
  public:
    explicit PrettyJson(std::string_view json) : json_(json), scanner_(json) {}

    /// The next line; of a string in it at most about `limit` bytes. Nothing at the end.
    std::optional<Line> next_line(std::size_t limit = std::string_view::npos);
    /// The next line as it is, for files and the clipboard.
    std::optional<std::string> next_text();
    /// How many bytes have been read.
    std::size_t read() const { return scanner_.at(); }

  private:
    struct Piece {
        JsonToken token;
        bool key = false;
    };
    /// The tokens of the next line; sets indent_.
    std::vector<Piece> next_pieces();
    bool value_ends_line(std::vector<Piece>& pieces);

    std::string_view json_;
    JsonScanner scanner_;
    std::size_t depth_ = 0;
    std::size_t indent_ = 0;
};

/// All of it laid out, with a line end after each line.
std::string pretty_json(std::string_view json);

/// The look of a token; of its text at most about `limit` bytes.
Span json_span(std::string_view json, const JsonToken& token, bool key, std::size_t limit);

}  // namespace qvm::shell
