// SPDX-License-Identifier: GPL-3.0-or-later
// The choices of the language that are qvm's own: each an enum, with its words in the enum's order. What a
// file may say, what it is read as and how it is written again all come from here.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace qvm::config {

template <class Choice>
inline constexpr auto words_of = nullptr;

template <class Choice>
constexpr std::string_view word_of(Choice choice) {
    return words_of<Choice>[static_cast<std::size_t>(choice)];
}

template <class Choice>
constexpr std::optional<Choice> choice_named(std::string_view word) {
    constexpr auto& words = words_of<Choice>;
    const auto found = std::ranges::find(words, word);
    return found == words.end() ? std::nullopt : std::optional(static_cast<Choice>(found - words.begin()));
}

enum class OnReboot { Reset, Restart, Stop };
template <>
inline constexpr std::array<std::string_view, 3> words_of<OnReboot>{"reset", "restart", "stop"};

enum class OnSupervisorDeath { Keep, Kill };
template <>
inline constexpr std::array<std::string_view, 2> words_of<OnSupervisorDeath>{"keep", "kill"};

/// What becomes of a VM that one of the processes dies which serve it.
enum class OnHelperDeath { Report, Stop, Restart };
template <>
inline constexpr std::array<std::string_view, 3> words_of<OnHelperDeath>{"report", "stop", "restart"};

enum class OnCrash { Stop, Pause, Restart };
template <>
inline constexpr std::array<std::string_view, 3> words_of<OnCrash>{"stop", "pause", "restart"};

/// What becomes of a VM that a command of the host may be run for. Started: the guest runs. Stopped: QEMU has
/// ended. Crashed: the guest has panicked.
enum class HookEvent { Started, Stopped, Crashed };
template <>
inline constexpr std::array<std::string_view, 3> words_of<HookEvent>{"started", "stopped", "crashed"};

/// Bios: what QEMU has for the machine by itself.
enum class FirmwareType { Bios, Uefi };
template <>
inline constexpr std::array<std::string_view, 2> words_of<FirmwareType>{"bios", "uefi"};

/// Reduced: without namespaces and a root of its own, for where these cannot be had.
enum class JailMode { Strict, Reduced, Off };
template <>
inline constexpr std::array<std::string_view, 3> words_of<JailMode>{"strict", "reduced", "off"};

enum class JailLandlock { Auto, Require, Off };
template <>
inline constexpr std::array<std::string_view, 3> words_of<JailLandlock>{"auto", "require", "off"};

enum class JailViolation { Errno, Kill, Log };
template <>
inline constexpr std::array<std::string_view, 3> words_of<JailViolation>{"errno", "kill", "log"};

/// Auto: what cannot be had is told. Require: it is an error. Off: none is made.
enum class JailCgroup { Auto, Require, Off };
template <>
inline constexpr std::array<std::string_view, 3> words_of<JailCgroup>{"auto", "require", "off"};

/// How the libraries and data of QEMU get into the jail: as the directories they are in, or each by itself.
enum class JailRoot { Dirs, Files };
template <>
inline constexpr std::array<std::string_view, 2> words_of<JailRoot>{"dirs", "files"};

/// When a command of [[qmp]] is run. PreStart: all is there, and the guest does not run yet.
enum class CommandAt { PreStart, PostStart };
template <>
inline constexpr std::array<std::string_view, 2> words_of<CommandAt>{"pre-start", "post-start"};

/// None: an empty network of QEMU's own. Host: the host's.
enum class JailNet { None, Host };
template <>
inline constexpr std::array<std::string_view, 2> words_of<JailNet>{"none", "host"};

/// What clients of the attach socket may do. Observe: ask. Operate: also what names nothing of the host and
/// starts no process. All: anything.
enum class AttachAllow { Observe, Operate, All };
template <>
inline constexpr std::array<std::string_view, 3> words_of<AttachAllow>{"observe", "operate", "all"};

}  // namespace qvm::config
