// SPDX-License-Identifier: GPL-3.0-or-later
#include "probe.hpp"

#include <array>
#include <cstring>
#include <elf.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace qvm::probe {

World world;

std::vector<Class> classes() {
    return {files(),  descriptors(), processes(),    execution(), namespaces(),    network(),
            kernel(), privileges(),  surroundings(), arguments(), architectures(), stress()};
}

std::string errno_name(int error) {
    const char* name = ::strerrorname_np(error);
    return name != nullptr ? name : std::to_string(error);
}

Result escaped(std::string how) {
    return {false, std::move(how)};
}

Result contained(std::string why) {
    return {true, std::move(why)};
}

Result unless_done(long result) {
    return result == -1 ? contained(errno_name(errno)) : escaped("done");
}

bool was_filtered(long result) {
    return result == -1 && (errno == EPERM || errno == ENOSYS);
}

Result unless_passed(long result) {
    if (was_filtered(result)) return contained(errno_name(errno));
    return escaped(result == -1 ? "reached the kernel: " + errno_name(errno) : "done");
}

Result cannot_try(const std::string& what) {
    return escaped("cannot be tried without " + what);
}

namespace {

struct Image {
    Elf64_Ehdr header{};
    Elf64_Phdr segment{};
    // mov edi, 77; mov eax, 60 (exit); syscall
    std::array<unsigned char, 12> code{0xbf, 77, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05};
};

}  // namespace

int executable_in_memory() {
    constexpr unsigned long base = 0x400000;
    Image image;
    std::memcpy(image.header.e_ident, ELFMAG, SELFMAG);
    image.header.e_ident[EI_CLASS] = ELFCLASS64;
    image.header.e_ident[EI_DATA] = ELFDATA2LSB;
    image.header.e_ident[EI_VERSION] = EV_CURRENT;
    image.header.e_type = ET_EXEC;
    image.header.e_machine = EM_X86_64;
    image.header.e_version = EV_CURRENT;
    image.header.e_entry = base + offsetof(Image, code);
    image.header.e_phoff = offsetof(Image, segment);
    image.header.e_ehsize = sizeof image.header;
    image.header.e_phentsize = sizeof image.segment;
    image.header.e_phnum = 1;
    image.segment.p_type = PT_LOAD;
    image.segment.p_flags = PF_R | PF_X;
    image.segment.p_vaddr = base;
    image.segment.p_filesz = sizeof image;
    image.segment.p_memsz = sizeof image;
    image.segment.p_align = 4096;
    const int file = ::memfd_create("image", 0);
    if (file < 0) return -1;
    if (::write(file, &image, sizeof image) != sizeof image) return -1;
    return file;
}

long clone_and_exit(unsigned long flags) {
    long result = 0;
    register long child_tid asm("r10") = 0;
    register long tls asm("r8") = 0;
    // What is made may share our stack, so it must end before it returns from here.
    asm volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "mov $60, %%eax\n\t"
        "xor %%edi, %%edi\n\t"
        "syscall\n"
        "1:"
        : "=a"(result), "+D"(flags)
        : "0"(56L), "S"(0L), "d"(0L), "r"(child_tid), "r"(tls)
        : "rcx", "r11", "memory");
    if (result >= 0) return result;
    errno = static_cast<int>(-result);
    return -1;
}

void reap_children() {
    while (::waitpid(-1, nullptr, __WALL) > 0) {
    }
}

}  // namespace qvm::probe
