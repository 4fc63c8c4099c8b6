// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/path_rules.hpp"

#include "jail/layout.hpp"
#include "jail/libraries.hpp"

namespace qvm::jail {

std::vector<PathRule> path_rules(const Spec& spec, int executable) {
    using R = PathRights;
    constexpr auto writable = R::read | R::change | R::make_symlink | R::make_fifo;
    const auto readable = spec.may_execute ? R::read | R::execute : R::read;
    const bool reduced = spec.mode == Mode::Reduced;
    std::vector<PathRule> rules;
    // The jail's own root has nothing else in it; of the host's, one thing after the other is named.
    if (!reduced) rules.push_back({"/", readable});
    const auto interpreter = spec.may_execute || executable < 0 ? std::string() : elf_interpreter(executable);
    if (!interpreter.empty()) rules.push_back({interpreter, R::read_file | R::execute});
    for (const auto& bind : spec.binds)
        if (bind.writable || reduced) rules.push_back({bind.target, bind.writable ? writable : readable});
    for (const auto& kept : spec.fds)
        if (kept.writable_directory)
            rules.push_back({"/proc/self/fd/" + std::to_string(kept.number), writable});
    for (const auto& path : spec.tmpfs) rules.push_back({path, writable});
    for (const auto& path : device_paths(spec))
        rules.push_back({path, R::read_file | R::write_file | R::truncate | R::ioctl_device});
    return rules;
}

LandlockScope landlock_scope(const Spec& spec) noexcept {
    const bool reduced = spec.mode == Mode::Reduced;
    return {.tcp = reduced ? !spec.internet : spec.namespaces.net,
            .abstract_sockets = !(reduced && spec.window),
            .signals = reduced || spec.namespaces.pid};
}

}  // namespace qvm::jail
