// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/saved_qemu.hpp"

#include <fstream>

namespace qvm::test {

const qapi::Capabilities& saved_qemu() {
    static const qapi::Capabilities saved = [] {
        std::ifstream file(QVM_SOURCE_DIR "/tests/golden/qemu-7.2.22.json");
        return qapi::Capabilities::from_json(Json::parse(file));
    }();
    return saved;
}

}  // namespace qvm::test
