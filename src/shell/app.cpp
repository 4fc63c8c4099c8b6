// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/app.hpp"

#include <clocale>

#include "shell/curses_ui.hpp"
#include "shell/json_ui.hpp"
#include "shell/plain_ui.hpp"

namespace qvm::shell {

void run(AppOptions options) {
    std::setlocale(LC_ALL, "");
    // Programs that read what we write take UTF-8, whatever the terminal of whoever started them.
    if (options.ui != UiKind::Screen) std::setlocale(LC_CTYPE, "C.UTF-8");
    boost::asio::io_context context(1);
    if (options.ui == UiKind::Plain) return run_plain(context, std::move(options.shell));
    const auto ui = options.ui == UiKind::Json
                        ? make_json_ui(context)
                        : make_curses_ui(context, {.colour = options.colour, .mouse = options.mouse});
    options.shell.mouse = options.mouse;
    Shell shell(context, *ui, std::move(options.shell));
    shell.start();
    context.run();
}

}  // namespace qvm::shell
