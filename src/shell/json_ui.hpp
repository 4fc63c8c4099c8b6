// SPDX-License-Identifier: GPL-3.0-or-later
// The shell for programs: frames as JSON lines on standard output, keys as JSON lines on standard input.
//   out  {"frame": {"rows": 24, "columns": 80, "cursor": [22, 7], "lines": [[{"text": "..", "role": "ok"},
//   ..], ..]}}
//        {"copy": "text"}
//   in   {"keys": ["a", "enter", "a-up", "f1"]}  {"text": "query-status"}  {"paste": "text"}
//        {"resize": [rows, columns]}  {"mouse": ["wheel-up", row, column]}
// Each line that came is answered by exactly one frame once its keys are done; others come as things happen.
#pragma once
#include <memory>

#include <boost/asio/io_context.hpp>

#include "shell/ui.hpp"

namespace qvm::shell {

std::unique_ptr<Ui> make_json_ui(boost::asio::io_context& context);

}  // namespace qvm::shell
