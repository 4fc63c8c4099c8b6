// SPDX-License-Identifier: GPL-3.0-or-later
// What a QEMU binary has told, kept on disk for the next time.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/resource.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::launch {

/// Three files for each binary: the capabilities, small and read by every verb that checks a file; the
/// properties of the types that were asked for, which become more; and the whole schema. A file that is
/// damaged, of another version of qvm, or of another binary counts as absent; what cannot be written is not
/// kept.
class ProbeCache {
  public:
    /// `directory` is made when something is stored.
    ProbeCache(std::filesystem::path directory, const config::QemuBinary& qemu,
               const std::filesystem::path& binary);

    /// Without properties.
    std::optional<qapi::Capabilities> load() const;
    void store(const qapi::Capabilities& capabilities) const;

    /// Adds those of `types` that are stored to `capabilities`.
    void load_properties(qapi::Capabilities& capabilities, const std::vector<std::string>& types) const;
    /// Adds `types`, which `capabilities` has, to what is stored.
    void store_properties(const qapi::Capabilities& capabilities,
                          const std::vector<std::string>& types) const;

    /// The answer of query-qmp-schema.
    std::optional<Json> load_introspection() const;
    void store_introspection(const Json& introspection) const;

  private:
    std::filesystem::path path_of(const char* part) const;
    /// What was written as `content`.
    std::optional<std::string> read(const char* part) const;
    void write(const char* part, const std::string& content) const;

    std::filesystem::path directory_;
    std::string key_;  ///< all that tells this binary from another
};

}  // namespace qvm::launch
