// SPDX-License-Identifier: GPL-3.0-or-later
// From a problem of the schema to a diagnostic that names the thing, points at the key or value, and says
// where in the VM it is.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"
#include "config/resource.hpp"
#include "qapi/capabilities.hpp"
#include "qapi/validate.hpp"

namespace qvm::config {

/// A thing with properties, as messages speak of it. Borrows the table.
struct Subject {
    enum class Noun { Object, Chardev, Blockdev, Netdev, Audiodev, Device, Machine, Cpu, Option, Command };
    Noun noun = Noun::Device;
    std::string name;              ///< driver, type, model; may be empty
    const Table* table = nullptr;  ///< as written
    Origin origin;                 ///< of the table
    std::string path;              ///< "disk.data.blockdev"
};

/// Of one of the VM's resources other than a host resource.
Subject subject_of(const Resource& resource);

/// `blockdev driver "qcow2"`, or "this blockdev" when nobody knows which.
std::string describe(Subject::Noun noun, std::string_view name);

/// The member at the end of `path`: "filename", "children[1]".
std::string member_name(const qapi::Path& path);

/// The thing that the member at `path` belongs to: the nearest blockdev around it, with the way from there:
/// `'cache' of blockdev driver "file"`.
std::string describe_owner(const Subject& subject, const qapi::Path& path);

/// The origin of the value at `path`, or of what is nearest around it.
Origin value_origin(const Subject& subject, const qapi::Path& path);
/// The origin of the key at the end of `path`; of the value where it has none.
Origin key_origin(const Subject& subject, const qapi::Path& path);

class Reporter {
  public:
    Reporter(const qapi::Capabilities& qemu, Diagnostics& diagnostics)
        : qemu_(qemu), diagnostics_(diagnostics) {}

    void report(const Subject& subject, const qapi::Problem& problem);
    void report(const Subject& subject, const std::vector<qapi::Problem>& problems) {
        for (const auto& p : problems) report(subject, p);
    }
    /// Any other finding about the member at `path`; `notes` come after the one that says where.
    void report(DiagnosticKind kind, const Subject& subject, const qapi::Path& path, Origin origin,
                std::string message, std::string label = {}, std::vector<std::string> notes = {});

    /// Something that should name a type (driver, qom-type, ...) and names none: with the nearest right name
    /// it is bad-enum, else not-in-this-qemu.
    void report_no_such_type(const Subject& subject, const qapi::Path& path, const Origin& origin,
                             const std::string& what, std::string_view name,
                             const std::vector<std::string>& known);

    const qapi::Capabilities& qemu() const { return qemu_; }
    Diagnostics& diagnostics() { return diagnostics_; }

  private:
    void report_unknown(const Subject& subject, const qapi::Problem& problem);
    void report_not_in_enum(const Subject& subject, const qapi::Problem& problem);

    const qapi::Capabilities& qemu_;
    Diagnostics& diagnostics_;
};

/// "did you mean 'x'?", or "" for an empty name.
std::string meant(std::string_view name);

}  // namespace qvm::config
