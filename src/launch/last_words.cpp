// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/last_words.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

#include <fmt/format.h>

#include "base/text.hpp"

namespace qvm::launch {

std::vector<std::string> last_words(const VmState& state, const std::string& log, std::size_t lines) {
    const Fd file = state.open_file(log, O_RDONLY);
    const auto size = ::lseek(file.get(), 0, SEEK_END);
    ::lseek(file.get(), std::max<off_t>(0, size - 8192), SEEK_SET);
    std::array<char, 8192> buffer{};
    const auto got = ::read(file.get(), buffer.data(), buffer.size());
    std::string_view rest(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    std::vector<std::string> words;
    while (!rest.empty()) {
        const auto end = std::min(rest.find('\n'), rest.size());
        auto line = rest.substr(0, end);
        rest.remove_prefix(std::min(rest.size(), end + 1));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (!line.empty()) words.emplace_back(line);
    }
    if (words.size() > lines) words.erase(words.begin(), words.end() - static_cast<std::ptrdiff_t>(lines));
    return words;
}

std::string quoted_words(const std::vector<std::string>& words, const std::string& who) {
    std::string text;
    for (const auto& line : words) {
        if (!text.empty()) text += '\n';
        text += fmt::format("{} said: {}", who, escape_controls(line));
    }
    return text;
}

}  // namespace qvm::launch
