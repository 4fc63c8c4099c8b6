// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_tpm.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace qvm::config {
namespace {

constexpr const char* tpm_id = "tpm";
constexpr const char* process_id = "tpm.swtpm";

bool is_arm_virt(const Lowering& lowering, std::string_view machine) {
    return !lowering.is_q35() && !lowering.is_i440fx() && (machine == "virt" || machine.starts_with("virt-"));
}

/// swtpm(8). It ends with the connection to QEMU.
void lower_process(Lowering& lowering, const Item& tpm, bool old) {
    Array command;
    const auto word = [&](std::string text, const Origin& origin) {
        command.emplace_back(Value::Data(std::move(text)), origin);
    };
    for (const auto* fixed : {"swtpm", "socket"}) word(fixed, tpm.origin);
    if (!old) word("--tpm2", tpm.origin_of("version"));
    for (const auto* fixed :
         {"--tpmstate", "dir={path}", "--ctrl", "type=unixio,clientfd={fd}", "--terminate"})
        word(fixed, tpm.origin);
    Members process(tpm.origin);
    process.put("kind", std::string("process")).put("profile", std::string("swtpm"));
    process.put("command", std::move(command));
    if (const Value* state = tpm.value("state"))
        process.put("path", lowering.absolute(*state).string(), state->origin);
    lowering.add(Kind::Host, process_id, std::move(process), tpm);
}

void lower_backend(Lowering& lowering, const Item& tpm) {
    auto& options = lowering.vm().options;
    const auto raw = std::ranges::find(options, "tpmdev", &NamedTable::name);
    if (raw != options.end()) {
        lowering.report(DiagnosticKind::Conflict, raw->origin,
                        "[option.tpmdev] is there, and so is tpm, which makes one",
                        {"a VM has one TPM: leave one of them out"});
        return;
    }
    Members backend(tpm.origin);
    backend.put("type", std::string("emulator")).put("id", std::string(tpm_id));
    backend.put("chardev", std::string(tpm_id));
    options.push_back({"tpmdev", std::move(backend.table()), {}, tpm.origin, {}});
}

}  // namespace

void lower_tpm(Lowering& lowering) {
    const auto tpm = lowering.single("tpm");
    if (!tpm) return;
    const bool old = tpm->text("version") == "1.2";
    const std::string& machine = lowering.vm().machine.type.value;
    const bool arm = is_arm_virt(lowering, machine);
    const auto model = tpm->text("model").value_or(old || arm ? "tis" : "crb");
    if (lowering.is_microvm())
        lowering.report(DiagnosticKind::Conflict, tpm->origin,
                        "a microvm tells its guest of no TPM, so there can be none",
                        {"machine = \"q35\" can have one"});
    if (model == "crb" && (old || arm))
        lowering.report(DiagnosticKind::Conflict, tpm->origin_of(tpm->says("model") ? "model" : "version"),
                        old ? "tpm.model = \"crb\" is for TPM 2.0, and tpm.version is \"1.2\""
                            : fmt::format("machine \"{}\" has no TPM of the model crb", machine),
                        {"leave model out, or say model = \"tis\""});
    lower_process(lowering, *tpm, old);
    lowering.add_connection(tpm_id, std::string(process_id), *tpm);
    lower_backend(lowering, *tpm);
    Members device(tpm->origin);
    const auto driver = model == "crb" ? "tpm-crb" : arm ? "tpm-tis-device" : "tpm-tis";
    device.put("driver", std::string(driver), tpm->origin_of("model")).put("tpmdev", std::string(tpm_id));
    lowering.add(Kind::Device, "tpm0", std::move(device), *tpm);
}

}  // namespace qvm::config
