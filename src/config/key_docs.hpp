// SPDX-License-Identifier: GPL-3.0-or-later
// What the words of the language mean, as data beside the vocabulary: `qvm explain` prints it. A key that the
// vocabulary has and this has not fails a test, and the other way round.
#pragma once
#include <span>
#include <string_view>
#include <vector>

namespace qvm::config {

struct KeyDoc {
    /// "disk", "disk.cache", "throttle.iops.total": as in the vocabulary, without ids.
    std::string_view path;
    /// Its first sentence stands alone in a list of keys.
    std::string_view meaning;
    /// What is there if nothing is said; empty: nothing.
    std::string_view otherwise = {};
    /// The resources and options of QEMU that it results in; empty where it is qvm's own affair.
    std::string_view becomes = {};
    /// When a change of it reaches a VM that runs; empty: not known, or not a question.
    std::string_view changes = {};
    /// TOML that is valid by itself.
    std::string_view example = {};
};

/// In the order of the vocabulary. `enabled`, which many tables have, is there once, as "enabled".
const std::vector<KeyDoc>& key_docs();

/// Null if there is none; that of "enabled" for every "TABLE.enabled".
const KeyDoc* key_doc(std::string_view path);

}  // namespace qvm::config
