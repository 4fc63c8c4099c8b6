// SPDX-License-Identifier: GPL-3.0-or-later
// The libraries of programs, found without running them: ELF files made here, and real ones.
#include "jail/closure.hpp"

#include <algorithm>
#include <cstring>
#include <elf.h>
#include <fcntl.h>

#include "contained.hpp"
#include "jail/elf.hpp"
#include "jail/libraries.hpp"
#include "jail/profile.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::jail;
using namespace qvm::jail::test;
namespace fs = std::filesystem;

namespace {

/// What an ELF file is made to say.
struct Said {
    std::vector<std::string> needed = {};
    std::string runpath = {};
    std::string rpath = {};
    std::string interpreter = {};
    unsigned machine = EM_X86_64;
};

/// One segment that is all of the file, at an address of its own; the tables one after the other.
std::string elf(const Said& said) {
    constexpr std::uint64_t base = 0x10000;
    std::string strings(1, '\0');
    std::vector<Elf64_Dyn> entries;
    const auto add = [&](Elf64_Sxword tag, const std::string& text) {
        Elf64_Dyn entry{};
        entry.d_tag = tag;
        entry.d_un.d_val = strings.size();
        entries.push_back(entry);
        strings += text + '\0';
    };
    for (const auto& name : said.needed) add(DT_NEEDED, name);
    if (!said.runpath.empty()) add(DT_RUNPATH, said.runpath);
    if (!said.rpath.empty()) add(DT_RPATH, said.rpath);
    const std::size_t interpreter = strings.size();
    strings += said.interpreter + '\0';

    const std::size_t dynamic_at = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr);
    const std::size_t strings_at = dynamic_at + (entries.size() + 2) * sizeof(Elf64_Dyn);
    Elf64_Dyn table{};
    table.d_tag = DT_STRTAB;
    table.d_un.d_ptr = base + strings_at;
    entries.push_back(table);
    entries.push_back({});

    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_machine = static_cast<Elf64_Half>(said.machine);
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 3;
    Elf64_Phdr segments[3] = {};
    segments[0].p_type = PT_LOAD;
    segments[0].p_vaddr = base;
    segments[0].p_filesz = strings_at + strings.size();
    segments[1].p_type = PT_DYNAMIC;
    segments[1].p_offset = dynamic_at;
    segments[1].p_filesz = entries.size() * sizeof(Elf64_Dyn);
    segments[2].p_type = said.interpreter.empty() ? PT_NULL : PT_INTERP;
    segments[2].p_offset = strings_at + interpreter;
    std::string bytes(strings_at, '\0');
    std::memcpy(bytes.data(), &header, sizeof header);
    std::memcpy(bytes.data() + sizeof header, segments, sizeof segments);
    std::memcpy(bytes.data() + dynamic_at, entries.data(), entries.size() * sizeof(Elf64_Dyn));
    return bytes + strings;
}

class Place {
  public:
    fs::path write(const std::string& name, const std::string& bytes) const {
        fs::create_directories((directory_.path() / name).parent_path());
        std::ofstream(directory_.path() / name, std::ios::binary) << bytes;
        return directory_.path() / name;
    }
    fs::path operator/(const std::string& name) const { return directory_.path() / name; }

  private:
    TempDir directory_;
};

using Paths = std::set<fs::path>;

}  // namespace

TEST_CASE("an ELF file tells what it needs", "[jail]") {
    const Fd file = memory_file(elf({.needed = {"liba.so", "libb.so"},
                                     .runpath = "/one:/two",
                                     .rpath = "/three",
                                     .interpreter = "/lib64/ld.so"}));
    const auto facts = read_elf(file.get());
    REQUIRE(facts);
    CHECK(facts->machine == EM_X86_64);
    CHECK(facts->interpreter == "/lib64/ld.so");
    CHECK(facts->needed == std::vector<std::string>{"liba.so", "libb.so"});
    CHECK(facts->runpath == std::vector<std::string>{"/one", "/two"});
    CHECK(facts->rpath == std::vector<std::string>{"/three"});
}

TEST_CASE("a damaged ELF file needs less, or nothing", "[jail]") {
    const auto whole = elf({.needed = {"liba.so"}, .interpreter = "/lib64/ld.so"});
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const Fd file = memory_file(whole.substr(0, size));
        const auto facts = read_elf(file.get());
        if (facts && !facts->needed.empty())
            CHECK((facts->needed.front() == "liba.so" || facts->needed.front().empty()));
    }
    // Every byte in turn holds what it should not.
    for (std::size_t at = 0; at < whole.size(); ++at) {
        auto bytes = whole;
        bytes[at] = '\xff';
        const Fd file = memory_file(bytes);
        read_elf(file.get());
    }
    CHECK_FALSE(read_elf(memory_file("#!/bin/sh\n").get()));
}

TEST_CASE("libraries are found where ld.so would find them", "[jail]") {
    const Place place;
    const auto usual = place / "usual";
    const auto given = place / "given";
    place.write("usual/liba.so", elf({.needed = {"libb.so", "libc.so"}}));
    place.write("usual/libb.so", elf({.needed = {"liba.so"}}));  // a circle
    place.write("usual/libc.so", elf({.needed = {"libfar.so"}, .runpath = "$ORIGIN/far:relative"}));
    place.write("usual/far/libfar.so", elf({}));
    place.write("given/libb.so", elf({.machine = EM_AARCH64}));
    const auto program = place.write("bin/program", elf({.needed = {"liba.so"}}));

    Closure closure({given}, {usual});
    closure.add(program);
    CHECK(closure.missing().empty());
    CHECK(closure.libraries() ==
          Paths{usual / "liba.so", usual / "libb.so", usual / "libc.so", usual / "far/libfar.so"});

    SECTION("what is given comes first") {
        const auto first = place.write("given/libb.so", elf({}));
        Closure other({given}, {usual});
        other.add(program);
        CHECK(other.libraries().contains(first));
        CHECK_FALSE(other.libraries().contains(usual / "libb.so"));
    }
    SECTION("an old RPATH comes before what is given, unless there is a RUNPATH") {
        const auto first = place.write("given/liba.so", elf({}));
        Closure old({given}, {});
        old.add(place.write("bin/old", elf({.needed = {"liba.so"}, .rpath = "${ORIGIN}/../usual"})));
        CHECK(old.libraries().contains(usual / "liba.so"));
        Closure both({given}, {});
        both.add(place.write("bin/both", elf({.needed = {"liba.so"}, .runpath = usual, .rpath = usual})));
        CHECK(both.libraries() == Paths{first});
    }
    SECTION("what is nowhere is told, with who needs it") {
        Closure other({}, {usual});
        const auto lost = place.write("bin/lost", elf({.needed = {"libnone.so", "../usual/liba.so"}}));
        other.add(lost);
        REQUIRE(other.missing().size() == 2);
        CHECK(other.missing().front().library == "libnone.so");
        CHECK(other.missing().front().needed_by == lost);
        CHECK_FALSE(other.add_library("libnone.so", EM_X86_64));
        CHECK(other.add_library("libb.so", EM_X86_64));
        CHECK(other.libraries() ==
              Paths{usual / "liba.so", usual / "libb.so", usual / "libc.so", usual / "far/libfar.so"});
    }
}

TEST_CASE("a directory's name is not taken for a word of ld.so's", "[jail]") {
    const Place place;
    const auto program =
        place.write("$ORIGIN/bin/program", elf({.needed = {"liba.so"}, .runpath = "$ORIGIN/$ORIGIN"}));
    Closure closure({}, {});
    closure.add(program);
    CHECK(closure.missing().size() == 1);
}

TEST_CASE("a real program's files suffice to run it", "[jail]") {
    const Program program{.binary = fs::canonical("/usr/bin/env"), .by_file = true};
    auto spec = shell("");
    spec.binds.clear();
    spec.symlinks.clear();
    set_executable(spec, program);
    add_library_files(spec, program, {});
    spec.argv = {program.binary, "-i", "A=1"};
    const bool no_directories =
        std::ranges::none_of(spec.binds, [](const auto& bind) { return fs::is_directory(bind.source); });
    CHECK(no_directories);
    CHECK(std::ranges::any_of(spec.binds,
                              [](const auto& bind) { return bind.target.ends_with("/libc.so.6"); }));
    const Fd log = memory_file();
    spec.stub.log = log.get();
    auto child = spawn(spec);
    const auto status = child.wait(10'000);
    REQUIRE(status);
    INFO(content_of(log.get()));
    CHECK(status->to_string().find('0') != std::string::npos);
    CHECK(content_of(log.get()) == "A=1\n");
}

TEST_CASE("a program that lacks a library is refused before it is started", "[jail]") {
    const Place place;
    const auto binary = place.write("lost", elf({.needed = {"libnone.so"}}));
    Spec spec;
    CHECK_THROWS_WITH(
        add_library_files(spec, {.binary = binary, .loader = "/lib/ld.so", .library_path = {place / "none"}},
                          {}),
        Catch::Matchers::Contains("libnone.so") && Catch::Matchers::Contains("lost"));
    CHECK_THROWS_WITH(add_library_files(spec, {.binary = place.write("script", "#!/bin/sh\n")}, {}),
                      Catch::Matchers::Contains("no ELF file"));
}
