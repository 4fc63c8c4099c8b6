// SPDX-License-Identifier: GPL-3.0-or-later
// What is wrong with a user's text: collected, sorted, printed together, as text or as JSON.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.hpp"
#include "base/origin.hpp"

namespace qvm {

/// The kinds of diagnostics; the names users see are in kind_name() and in qvm.toml(5).
enum class DiagnosticKind {
    TomlSyntax,
    UnknownKey,
    UnknownTable,
    BadType,
    BadEnum,
    BadSize,
    BadValue,
    Missing,
    Conflict,
    DuplicateId,
    BadRef,
    WrongRefType,
    Cycle,
    BusFull,
    NotHotpluggable,
    NotInThisQemu,
    PathInJail,
    ChainMismatch,
    FileMissing,
    LimitTooLow,
    Deprecated,
    Unused,
    Unchecked,
    QemuRefused,
};

/// "unknown-key", ...
std::string_view kind_name(DiagnosticKind kind);

enum class Severity { Error, Warning };

/// The severity of a kind: LimitTooLow, Deprecated, Unused and Unchecked are warnings, all else errors.
Severity severity_of(DiagnosticKind kind);

/// One finding. Printed as
///   FILE:LINE:COL: error: MESSAGE [KIND]
///      LINE | source line
///           | ^^^^ LABEL
///           = NOTE
struct Diagnostic {
    DiagnosticKind kind = DiagnosticKind::BadValue;
    Origin origin;
    std::string message;             ///< what, with the thing's own name; no final dot
    std::string label;               ///< beside the caret: "did you mean 'x'?", or empty
    std::vector<std::string> notes;  ///< one line each: where in the VM, the way out, the other place
};

/// The texts diagnostics point into, by the name in Origin::file.
class Sources {
  public:
    void add(std::string name, std::string text);
    bool contains(const std::string& name) const;
    /// Line `number` (from 1) of `name` without its line end; empty if there is none.
    std::string_view line(const std::string& name, std::uint32_t number) const;

  private:
    std::map<std::string, std::string> texts_;
};

/// A growing list of findings and the texts they point into.
class Diagnostics {
  public:
    Sources sources;

    void add(Diagnostic diagnostic);
    bool has_errors() const;
    std::size_t size() const { return list_.size(); }
    const std::vector<Diagnostic>& list() const { return list_; }
    /// Orders by file, line, column; drops exact repetitions. The order of files is that of Sources' names.
    void sort();
    /// Everything as text, in the present order. `color`: with terminal escapes.
    std::string to_text(bool color) const;
    /// Everything as an array of objects {kind, severity, file, line, column, length, message, label, notes,
    /// via}.
    Json to_json() const;

  private:
    std::vector<Diagnostic> list_;
};

}  // namespace qvm
