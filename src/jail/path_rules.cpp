// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/path_rules.hpp"

#include "jail/layout.hpp"
#include "jail/libraries.hpp"

namespace qvm::jail {

std::vector<PathRule> path_rules(const Spec& spec, int executable) {
    using R = PathRights;
    constexpr auto writable = R::read | R::change | R::make_symlink | R::make_fifo;
    std::vector<PathRule> rules{{"/", spec.may_execute ? R::read | R::execute : R::read}};
    const auto interpreter = spec.may_execute || executable < 0 ? std::string() : elf_interpreter(executable);
    if (!interpreter.empty()) rules.push_back({interpreter, R::read_file | R::execute});
    for (const auto& bind : spec.binds)
        if (bind.writable) rules.push_back({bind.target, writable});
    for (const auto& path : spec.tmpfs) rules.push_back({path, writable});
    for (const auto device : spec.devices)
        rules.push_back({device_path(device), R::read_file | R::write_file | R::truncate | R::ioctl_device});
    return rules;
}

LandlockScope landlock_scope(const Spec& spec) noexcept {
    return {.tcp = spec.namespaces.net, .abstract_sockets = true, .signals = spec.namespaces.pid};
}

}  // namespace qvm::jail
