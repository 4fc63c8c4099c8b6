// SPDX-License-Identifier: GPL-3.0-or-later
// [audio]: a sound card, and where its sound goes.
#pragma once
#include "config/lowering.hpp"

namespace qvm::config {

/// The audiodev that [audio] makes, which a display plays.
inline constexpr const char* audio_id = "audio";

void lower_audio(Lowering& lowering);

}  // namespace qvm::config
