// SPDX-License-Identifier: GPL-3.0-or-later
// What QEMU's own manual page qemu-qmp-ref(7) says of a command or an event. The page is part of the QEMU
// package and tells of the QEMU of that package, which need not be the one that runs: version() is shown.
#pragma once
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shell/frame.hpp"

namespace qvm::shell {

/// Where the page may be: next to the QEMU binary (PREFIX/bin/qemu -> PREFIX/share/man/man7), below each
/// directory of `manpath` ("" or the value of $MANPATH), then where packages put it. Both may be empty.
std::vector<std::filesystem::path> manual_places(const std::filesystem::path& qemu_binary,
                                                 std::string_view manpath);

class Manual {
  public:
    /// The first of these files that can be read and documents commands, compressed or not. Only an index is
    /// made of it (about 10 ms); entries are read when they are asked for. Nothing when there is none.
    static std::optional<Manual> load(const std::vector<std::filesystem::path>& places);
    /// The same from the page's text.
    static std::optional<Manual> parse(std::string text);

    /// The first sentence of the description of a command or event, or "".
    std::string_view summary(std::string_view name) const;
    /// Everything the page says of it; empty if it does not know the name.
    std::vector<Line> page(std::string_view name, std::size_t columns) const;
    /// What it says of the type that `value` selects in the union `type` ("BlockdevOptions", "qcow2"): all of
    /// it, or of one member alone, whose way is `inside`. Empty if it does not tell.
    std::vector<Line> branch_page(std::string_view type, std::string_view value,
                                  std::span<const std::string> inside, std::size_t columns) const;
    /// Of all commands and events, sorted.
    std::vector<std::string> names() const;
    /// The QEMU version that the page is for, or "".
    const std::string& version() const { return version_; }

  private:
    enum class Kind { Command, Event, Type };
    struct Entry {
        Kind kind = Kind::Type;
        std::string since;
        std::size_t begin = 0;  ///< in text_, behind the title
        std::size_t length = 0;
    };
    class Index;
    class Printer;

    Manual() = default;
    std::string_view source(const Entry& entry) const;
    /// The type whose members a union has with this value; null if the page does not know it.
    const Entry* branch(std::string_view type, std::string_view value) const;

    std::string text_;
    std::string version_;
    std::map<std::string, Entry, std::less<>> entries_;  ///< commands and events
    std::map<std::string, Entry, std::less<>> types_;
    mutable std::map<std::string, std::string, std::less<>> summaries_;
};

}  // namespace qvm::shell
