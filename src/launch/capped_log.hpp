// SPDX-License-Identifier: GPL-3.0-or-later
// A log that cannot fill the disk.
#pragma once
#include <string_view>

#include "base/fd.hpp"

namespace qvm::launch {

/// Appends; when the log has grown beyond 4 MiB, all of it moves to the previous one, whose content is lost.
/// A full disk costs lines, nothing else.
class CappedLog {
  public:
    /// Both O_RDWR, `log` also O_APPEND. Without `previous` the log just grows; without `log` nothing is
    /// kept.
    CappedLog(Fd log, Fd previous) : log_(std::move(log)), previous_(std::move(previous)) {}
    void append(std::string_view bytes);

  private:
    void rotate();

    Fd log_;
    Fd previous_;
};

}  // namespace qvm::launch
