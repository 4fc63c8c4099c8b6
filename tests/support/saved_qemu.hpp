// SPDX-License-Identifier: GPL-3.0-or-later
// A real QEMU's capabilities, saved by make_fixture.py: what tests check files against.
#pragma once
#include "qapi/capabilities.hpp"

namespace qvm::test {

/// QEMU 7.2.22 of Debian 12, read once from tests/golden/qemu-7.2.22.json.
const qapi::Capabilities& saved_qemu();

}  // namespace qvm::test
