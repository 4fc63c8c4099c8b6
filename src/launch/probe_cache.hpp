// SPDX-License-Identifier: GPL-3.0-or-later
// What a QEMU binary has told, kept on disk for the next time.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "config/resource.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::launch {

/// Two files for each binary: the capabilities, which never change, and the properties of the types that were
/// asked for, which become more. Both MessagePack, because that is read in a third of the time of text. A
/// file that is damaged, of another version of qvm, or of another binary counts as absent; what cannot be
/// written is not kept.
class ProbeCache {
  public:
    /// `directory` is made when something is stored.
    ProbeCache(std::filesystem::path directory, const config::QemuBinary& qemu,
               const std::filesystem::path& binary);

    std::optional<qapi::Capabilities> load() const;
    void store(const qapi::Capabilities& capabilities) const;
    /// Adds what is stored of properties to `capabilities`.
    void load_properties(qapi::Capabilities& capabilities) const;
    void store_properties(const qapi::Capabilities& capabilities) const;

  private:
    std::filesystem::path path_of(const char* part) const;
    std::optional<Json> read(const char* part) const;
    void write(const char* part, const Json& content) const;

    std::filesystem::path directory_;
    std::string key_;  ///< all that tells this binary from another
};

}  // namespace qvm::launch
