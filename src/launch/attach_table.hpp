// SPDX-License-Identifier: GPL-3.0-or-later
// Which members of QMP's commands name something of the host, as data: what attach.allow = "operate" refuses.
// Sources: QEMU's qapi/*.json and the properties of its objects and devices, 7.2 to 11.1.
#pragma once
#include <string_view>

namespace qvm::launch {

/// What a member's value means.
enum class Meaning {
    Path,           ///< a file of the host
    PathUnlessQom,  ///< a path in QEMU's object tree, or else of the host
    ImagePath,      ///< written into an image's header, for whoever opens that image next
    Firmware,       ///< a plain name is one of QEMU's own files, anything else a path
    Uri,            ///< where a migration or a dump goes: "fd:NAME" is a descriptor, all else is of the host
    Program,        ///< what QEMU starts
    Network,        ///< an address of the host's network
    Monitor,        ///< another monitor of QEMU, which nothing guards
    HostDevice,     ///< a device, an interface, a service of the host
    Fd,             ///< a name given by getfd, or several with ':' between
    Name,           ///< of a thing of QEMU's own, as an ordinary member's value
    Text,           ///< anything; never looked into
};

/// What the string or number `member` (the last word of its path) means within the arguments of `command`;
/// of all commands the table knows nothing of, and of members it does not know there, by the member alone.
/// Null: an ordinary member.
const Meaning* meaning_of(std::string_view command, std::string_view member);

/// What choosing `value` for `member` (a driver, a type) reaches, whatever the other members say. Null:
/// nothing of the host.
const Meaning* meaning_of_choice(std::string_view command, std::string_view member, std::string_view value);

/// Only asks: query-*, qom-get and their like.
bool is_question(std::string_view command);

/// A command of the human monitor that only looks.
bool is_monitor_question(std::string_view word);

}  // namespace qvm::launch
