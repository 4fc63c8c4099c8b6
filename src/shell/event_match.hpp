// SPDX-License-Identifier: GPL-3.0-or-later
// Which events are meant: of `qvm events --match`, `qvm qmp --wait` and the shell's /wait.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "qmp/message.hpp"

namespace qvm::shell {

class EventMatch {
  public:
    /// "BLOCK_JOB_*", "DEVICE_DELETED device=disk0", "JOB_STATUS_CHANGE status!=running id=j": a pattern of
    /// names (* and ?), then conditions on members of the data, all of which must hold; their values are
    /// patterns, too. Throws Error when it is none.
    explicit EventMatch(const std::string& text);

    bool operator()(const qmp::Event& event) const;

  private:
    struct Condition {
        std::vector<std::string> path;
        std::string pattern;
        bool equal = true;
    };

    std::string name_;
    std::vector<Condition> conditions_;
};

}  // namespace qvm::shell
