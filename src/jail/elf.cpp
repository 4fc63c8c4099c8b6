// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/elf.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <elf.h>
#include <string_view>
#include <unistd.h>

#include <climits>

namespace qvm::jail {

namespace {

constexpr std::uint64_t most_entries = 4096;  ///< of the dynamic section; real ones have some fifty

/// Reads tables of a file that may hold anything: whatever does not fit into it is simply not there.
class Reader {
  public:
    explicit Reader(int file) : file_(file) {}

    std::optional<ElfFacts> facts() {
        if (!at(0, header_) || std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0 ||
            header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_phentsize != sizeof(Elf64_Phdr))
            return std::nullopt;
        for (unsigned i = 0; i < header_.e_phnum; ++i) {
            Elf64_Phdr segment{};
            if (!at(header_.e_phoff + std::uint64_t{i} * sizeof segment, segment)) return std::nullopt;
            segments_.push_back(segment);
        }
        ElfFacts facts;
        facts.machine = header_.e_machine;
        for (const auto& segment : segments_) {
            if (segment.p_type == PT_INTERP) facts.interpreter = text(segment.p_offset);
            if (segment.p_type == PT_DYNAMIC) dynamic(segment, facts);
        }
        return facts;
    }

  private:
    template <class T>
    bool at(std::uint64_t offset, T& into) const {
        return ::pread(file_, &into, sizeof into, static_cast<off_t>(offset)) == sizeof into;
    }

    /// Up to its null byte; empty if there is none.
    std::string text(std::uint64_t offset) const {
        std::string buffer(PATH_MAX, '\0');
        const auto count = ::pread(file_, buffer.data(), buffer.size(), static_cast<off_t>(offset));
        const auto end = buffer.find('\0');
        if (count <= 0 || end >= static_cast<std::size_t>(count)) return {};
        buffer.resize(end);
        return buffer;
    }

    /// Where in the file lies what is at this address in memory.
    std::optional<std::uint64_t> offset_of(std::uint64_t address) const {
        for (const auto& segment : segments_)
            if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
                address - segment.p_vaddr < segment.p_filesz)
                return segment.p_offset + (address - segment.p_vaddr);
        return std::nullopt;
    }

    static std::vector<std::string> parts(std::string_view list) {
        std::vector<std::string> parts;
        while (!list.empty()) {
            const auto end = std::min(list.find(':'), list.size());
            if (end > 0) parts.emplace_back(list.substr(0, end));
            list.remove_prefix(std::min(list.size(), end + 1));
        }
        return parts;
    }

    void dynamic(const Elf64_Phdr& segment, ElfFacts& facts) const {
        std::vector<Elf64_Dyn> entries;
        std::optional<std::uint64_t> strings;
        for (std::uint64_t i = 0; i < most_entries && i < segment.p_filesz / sizeof(Elf64_Dyn); ++i) {
            Elf64_Dyn entry{};
            if (!at(segment.p_offset + i * sizeof entry, entry) || entry.d_tag == DT_NULL) break;
            if (entry.d_tag == DT_STRTAB) strings = offset_of(entry.d_un.d_ptr);
            entries.push_back(entry);
        }
        if (!strings) return;
        for (const auto& entry : entries) {
            if (entry.d_tag == DT_NEEDED) facts.needed.push_back(text(*strings + entry.d_un.d_val));
            if (entry.d_tag == DT_RPATH) facts.rpath = parts(text(*strings + entry.d_un.d_val));
            if (entry.d_tag == DT_RUNPATH) facts.runpath = parts(text(*strings + entry.d_un.d_val));
        }
    }

    int file_;
    Elf64_Ehdr header_{};
    std::vector<Elf64_Phdr> segments_;
};

}  // namespace

std::optional<ElfFacts> read_elf(int file) {
    return Reader(file).facts();
}

}  // namespace qvm::jail
