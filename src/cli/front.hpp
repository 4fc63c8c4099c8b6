// SPDX-License-Identifier: GPL-3.0-or-later
// From the files on the command line to a checked VM: what check, plan, show and up have in common.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "config/document.hpp"
#include "config/resource.hpp"
#include "launch/plan.hpp"
#include "launch/probe.hpp"

namespace CLI {
class App;
}

namespace qvm::cli {

/// The words that say which VM.
struct FileArguments {
    std::string target;              ///< FILE or NAME; empty: ./vm.toml
    std::vector<std::string> files;  ///< -f
    std::vector<std::string> sets;   ///< --set KEY=VALUE and --unset KEY, in their order

    void add_to(CLI::App& verb);
};

/// The words of a verb that looks at a VM's file and touches no VM.
struct LookArguments {
    FileArguments vm;
    bool json = false;
    bool no_host = false;
    std::string schema;  ///< a saved QEMU (launch::read_saved_qemu), which implies no_host

    /// `json_help` says what is printed with --json.
    void add_to(CLI::App& verb, const std::string& json_help);
    /// Of verbs that do without the QEMU itself.
    void add_schema_to(CLI::App& verb);
};

inline constexpr const char* schema_help = "a QEMU as `qvm schema --save` saved it, instead of the one here";

/// A VM on its way from text to plan. Everything said about it so far is in `diagnostics`.
struct Front {
    Diagnostics diagnostics;
    std::vector<std::string> paths;  ///< the files read, as the user gave them
    std::vector<std::string> sets;
    std::vector<config::SourceText> texts;  ///< of the files; what they inherit is in document
    config::Document document;
    config::Vm vm;
    std::unique_ptr<launch::Probe> probe;

    /// Reads, merges and lowers. Throws Error when a file cannot be read; mistakes go to diagnostics. A name
    /// is looked up in the state directory (with the --set of its last start), then in the configuration
    /// directories.
    static Front load(const FileArguments& arguments);
    /// Loaded and checked, this host included unless the words say otherwise.
    static Front load_and_check(const LookArguments& arguments);
    void check(const LookArguments& arguments);

    /// Finds the QEMU that the VM names; check() does it, too.
    void find_qemu();
    /// Takes a saved one for it. Throws Error (Invalid).
    void take_saved_qemu(const std::string& file);
    /// Places and checks the VM against the QEMU it names. `running`: what runs as it (launch::place).
    void check(const config::Vm* running = nullptr);
    /// What only this host can tell: files, their backing chains.
    void check_host();
    /// Prints what was found, as text on standard error or as JSON on standard output; true if there are
    /// errors.
    bool report(bool json);
    /// The first of the VM's accelerators that works here, with a warning when it is not the first wished.
    /// Throws Error (HostCannot) when none does.
    std::string usable_accelerator() const;
    /// Without looking at this host the first is as good as any.
    std::string accelerator(const LookArguments& arguments) const;
    /// Only without errors.
    launch::Plan compile(const std::string& accel) const;
};

}  // namespace qvm::cli
