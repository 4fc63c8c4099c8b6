// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/check_tpm.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/check_references.hpp"

namespace qvm::config {
namespace {

constexpr std::string_view option_name = "tpmdev";

}  // namespace

void check_tpm(const Vm& vm, Diagnostics& diagnostics) {
    std::vector<std::string> backends;
    for (const NamedTable& option : vm.options) {
        if (option.name != option_name) continue;
        const Value* id = option.properties.find("id");
        if (id != nullptr && id->string() != nullptr) backends.push_back(*id->string());
        check_option_reference(vm, option, "chardev", Kind::Chardev, diagnostics);
    }
    for (const Resource& device : vm.resources) {
        const Table* table = device.id.kind == Kind::Device ? device.properties.table() : nullptr;
        const Value* name = table == nullptr ? nullptr : table->find(option_name);
        if (name == nullptr || name->string() == nullptr ||
            std::ranges::find(backends, *name->string()) != backends.end())
            continue;
        diagnostics.add(
            {DiagnosticKind::BadRef,
             name->origin,
             fmt::format("{}.tpmdev names no [option.tpmdev]: '{}'", device.id.to_string(), *name->string()),
             did_you_mean(*name->string(), backends),
             {"`tpm = true` makes a whole TPM: the device, and what it is on"}});
    }
}

}  // namespace qvm::config
