// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/sugar_secret.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace qvm::config {
namespace {

/// A credential is a file in a directory.
void check_credential(Lowering& lowering, const Item& secret) {
    const auto name = secret.text("credential");
    if (name && (name->empty() || name->find('/') != std::string::npos || name->starts_with('.')))
        lowering.report(DiagnosticKind::BadValue, secret.origin_of("credential"),
                        fmt::format("'{}' is not the name of a credential", *name));
}

void check_variable(Lowering& lowering, const Item& secret) {
    const auto name = secret.text("env");
    if (name && (name->empty() || name->find('=') != std::string::npos))
        lowering.report(DiagnosticKind::BadValue, secret.origin_of("env"),
                        fmt::format("'{}' is not the name of a variable", *name),
                        {"it is said without '$': env = \"DISK_KEY\""});
}

}  // namespace

void check_secret(Lowering& lowering, const Item& secret, std::string_view file_key) {
    const std::array<std::string_view, 3> sources{file_key, "env", "credential"};
    const auto said = std::ranges::count_if(sources, [&](const auto key) { return secret.says(key); });
    if (said != 1)
        lowering.report(said == 0 ? DiagnosticKind::Missing : DiagnosticKind::Conflict, secret.origin,
                        fmt::format("{} needs one of {}, env and credential", secret.where, file_key),
                        {fmt::format("{} = \"PATH\" is read by qvm, env = \"NAME\" is a variable of its "
                                     "environment, credential = \"NAME\" one of systemd's",
                                     file_key)});
    check_credential(lowering, secret);
    check_variable(lowering, secret);
}

void lower_secrets(Lowering& lowering) {
    for (const auto& secret : lowering.named("secret")) {
        check_secret(lowering, secret, "file");
        const std::string id = secret.id + ".secret";
        Members host(secret.origin);
        host.put("kind", std::string("secret"));
        if (const Value* file = secret.value("file"))
            host.put("path", lowering.absolute(*file).string(), file->origin);
        host.copy("env", *secret.table, "env").copy("credential", *secret.table, "credential");
        lowering.add(Kind::Host, id, std::move(host), secret);
        Members object(secret.origin);
        object.put("qom-type", std::string("secret")).put("data", '@' + id);
        lowering.add(Kind::Object, secret.id, std::move(object), secret);
    }
}

void encrypt(Lowering& lowering, const Item& disk, const std::string& format, Members& node) {
    const Table* said = disk.inner("encrypt");
    if (said == nullptr) return;
    const Origin origin = disk.origin_of("encrypt");
    const std::string where = disk.where + ".encrypt";
    if (said->find("secret") == nullptr)
        lowering.report(DiagnosticKind::Missing, origin, fmt::format("{} has no secret", where),
                        {"say secret = \"X\", the name of a [secret.X]"});
    if (format == "raw") {
        node.put("driver", std::string("luks"), origin).copy("key-secret", *said, "secret");
    } else if (format == "qcow2") {
        Members encryption(origin);
        encryption.put("format", std::string("luks")).copy("key-secret", *said, "secret");
        node.put("encrypt", std::move(encryption.table()), origin);
    } else {
        lowering.report(DiagnosticKind::Conflict, origin,
                        fmt::format("{}: a disk in the format {} cannot be encrypted", where, format),
                        {"QEMU encrypts raw and qcow2"});
    }
}

}  // namespace qvm::config
