// SPDX-License-Identifier: GPL-3.0-or-later
// A text held against the words of the language: unknown keys, wrong types, values out of range.
#pragma once
#include "base/diagnostic.hpp"
#include "config/value.hpp"

namespace qvm::config {

/// A copy of `root` that has only known keys with values of the right type; the rest is reported. A key whose
/// value is wrong stays, as null, so that nobody calls it missing. Sizes, durations and processors
/// become integers (bytes, milliseconds, thousandths).
Table checked_copy(const Table& root, Diagnostics& diagnostics);

}  // namespace qvm::config
