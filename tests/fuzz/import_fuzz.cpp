// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a script or a domain's XML holds: reading it ends, and what is imported is TOML, or refused.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.hpp"
#include "config/document.hpp"
#include "config/import.hpp"
#include "config/import_libvirt.hpp"
#include "config/shell_words.hpp"

using namespace qvm;
using namespace qvm::config;

namespace {

Import imported(const std::string& text) {
    if (text.starts_with('<')) return import_libvirt(text);
    const auto words = qemu_command(text).words;
    return words.empty() ? Import{} : import_command(words);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const auto import = imported(std::string(data, data + size));
        Diagnostics diagnostics;
        static_cast<void>(load({{"a.toml", "/vm/a.toml", import.toml}}, {}, diagnostics));
        if (diagnostics.size() != 0) std::abort();
    } catch (const Error&) {
        return 0;
    }
    return 0;
}
