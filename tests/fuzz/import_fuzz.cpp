// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a script holds: reading its command ends, and what is imported is TOML, or refused.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.hpp"
#include "config/document.hpp"
#include "config/import.hpp"
#include "config/shell_words.hpp"

using namespace qvm;
using namespace qvm::config;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto words = qemu_command(std::string(data, data + size)).words;
    if (words.empty()) return 0;
    try {
        const auto import = import_command(words);
        Diagnostics diagnostics;
        static_cast<void>(load({{"a.toml", "/vm/a.toml", import.toml}}, {}, diagnostics));
        if (diagnostics.size() != 0) std::abort();
    } catch (const Error&) {
        return 0;
    }
    return 0;
}
