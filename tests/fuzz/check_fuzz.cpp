// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a file holds: placing it, checking it against a real QEMU's introspection and compiling what has
// no mistakes ends without a crash.
#include <cstddef>
#include <cstdint>
#include <string>

#include "config/check.hpp"
#include "config/dump.hpp"
#include "config/host_uses.hpp"
#include "config/lower.hpp"
#include "launch/compile.hpp"
#include "launch/placement.hpp"
#include "support/saved_qemu.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace qvm;
    Diagnostics diagnostics;
    const auto document =
        config::load({{"a.toml", "/vm/a.toml", std::string(data, data + size)}}, {}, diagnostics);
    config::Vm vm = config::lower(document, diagnostics);
    config::find_host_uses(vm, document, diagnostics);
    launch::place(vm, test::saved_qemu(), diagnostics);
    config::check(vm, test::saved_qemu(), diagnostics);
    diagnostics.sort();
    static_cast<void>(diagnostics.to_text(false));
    static_cast<void>(config::to_toml(vm));
    if (!diagnostics.has_errors())
        static_cast<void>(launch::compile(vm, test::saved_qemu(), "tcg").to_text());
    return 0;
}
