// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/balloon.hpp"

#include <algorithm>

namespace qvm::config {

bool tells_balloon(const StartCommand& command) {
    return command.execute.value == balloon_command;
}

std::optional<std::int64_t> balloon_size(const Vm& vm) {
    std::optional<std::int64_t> bytes;
    for (const auto& command : vm.commands) {
        const Value* value = command.arguments.find("value");
        if (tells_balloon(command) && value != nullptr && value->integer() != nullptr)
            bytes = *value->integer();
    }
    return bytes;
}

const Resource* balloon_device(const Vm& vm) {
    const auto is_balloon = [](const Resource& resource) {
        return resource.id.kind == Kind::Device && resource.driver().starts_with("virtio-balloon");
    };
    const auto found = std::ranges::find_if(vm.resources, is_balloon);
    return found == vm.resources.end() ? nullptr : &*found;
}

}  // namespace qvm::config
