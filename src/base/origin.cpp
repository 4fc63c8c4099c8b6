// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/origin.hpp"

#include <tuple>

namespace qvm {

const std::string& Origin::file_name() const {
    static const std::string none;
    return file ? *file : none;
}

std::string Origin::to_string() const {
    if (!file) return {};
    if (line == 0) return *file;
    return *file + ':' + std::to_string(line) + ':' + std::to_string(column);
}

std::strong_ordering operator<=>(const Origin& a, const Origin& b) {
    return std::tie(a.file_name(), a.line, a.column) <=> std::tie(b.file_name(), b.line, b.column);
}

bool operator==(const Origin& a, const Origin& b) {
    return (a <=> b) == std::strong_ordering::equal;
}

}  // namespace qvm
