// SPDX-License-Identifier: GPL-3.0-or-later
// The verbs up and stop, for the verbs that are made of them.
#pragma once
#include <string>

#include "base/error.hpp"
#include "cli/front.hpp"

namespace qvm::cli {

struct UpArguments {
    FileArguments vm;
    bool console = false;
    bool foreground = false;
    std::string wait;  ///< what to wait for: a sign of the guest's, or "true" for any; empty: nothing
    std::string timeout = "5m";
};
ExitCode up(const UpArguments& arguments);

struct StopArguments {
    std::string vm;
    std::string timeout;  ///< empty: the file's
};
/// Throws Error (TimedOut) when it does not end.
ExitCode stop(const StopArguments& arguments);

}  // namespace qvm::cli
