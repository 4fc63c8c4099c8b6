// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_jail.hpp"

namespace qvm::config {

void lower_jail_more(Lowering& lowering, const Item& jail) {
    JailOptions& options = lowering.vm().jail;
    if (const auto word = jail.text("root"))
        options.root = {*word == "files" ? JailRoot::Files : JailRoot::Dirs, jail.origin_of("root")};
    if (const auto word = jail.text("net"))
        options.net = {*word == "host" ? JailNet::Host : JailNet::None, jail.origin_of("net")};
}

}  // namespace qvm::config
