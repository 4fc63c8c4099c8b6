// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/key_docs.hpp"

#include <algorithm>

#include "config/key_docs_parts.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

std::vector<KeyDoc> collect() {
    std::vector<KeyDoc> all;
    for (const auto part : {docs::of_files(), docs::of_machine(), docs::of_disks(), docs::of_nets(),
                            docs::of_shares(), docs::of_devices(), docs::of_keeping(), docs::of_raw()})
        all.insert(all.end(), part.begin(), part.end());
    const auto place = [](const KeyDoc& doc) {
        const auto table = doc.path.substr(0, doc.path.find('.'));
        return std::ranges::find(vocabulary(), table, &TableRule::name) - vocabulary().begin();
    };
    std::ranges::stable_sort(all, {}, place);
    return all;
}

}  // namespace

const std::vector<KeyDoc>& key_docs() {
    static const std::vector<KeyDoc> all = collect();
    return all;
}

const KeyDoc* key_doc(std::string_view path) {
    const auto found = std::ranges::find(key_docs(), path, &KeyDoc::path);
    if (found != key_docs().end()) return &*found;
    return path.ends_with(".enabled") ? key_doc("enabled") : nullptr;
}

}  // namespace qvm::config
