// SPDX-License-Identifier: GPL-3.0-or-later
// The stages of building a jail, and what a failure of each says to a person.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace qvm::jail {

/// In the order in which they happen. Those up to IdMap happen in the parent, those from Announce on in the
/// process itself, the rest in pid 1 of the jail.
enum class Stage : std::uint8_t {
    Check,
    OpenExecutable,
    OpenSource,
    MakeDevices,
    Clone,
    IdMap,
    Go,
    Ids,
    DeathSignal,
    PrivateMounts,
    Root,
    Directory,
    Symlink,
    Copy,
    Bind,
    Tmpfs,
    Proc,
    Pivot,
    SealRoot,
    HostName,
    Session,
    LeaveCaller,
    Capabilities,
    NoNewPrivileges,
    Fork,
    Announce,
    Descriptors,
    Limits,
    Signals,
    Landlock,
    Filter,
    Execute,
};
inline constexpr auto stage_count = static_cast<std::size_t>(Stage::Execute) + 1;

/// What the child writes into the error pipe: `index` is the number of the thing within the stage (bind 3).
struct Failure {
    Stage stage = Stage::Check;
    std::int32_t index = 0;
    std::int32_t error = 0;
};

/// "bind", "id-map": how scripts and tests know the stage.
std::string_view stage_name(Stage stage);

/// What could not be done, as a verb phrase: "write the user and group mapping". A stage that is about one of
/// several things has a "{}" for its subject.
std::string_view stage_action(Stage stage);

/// The way out of `error` (an errno value) at `stage`, or "" where the message says all there is.
std::string stage_advice(Stage stage, int error);

}  // namespace qvm::jail
