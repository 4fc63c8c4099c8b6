// SPDX-License-Identifier: GPL-3.0-or-later
// What lies between a VM that runs and its file: one action for each resource and each setting. Pure and
// deterministic.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "base/origin.hpp"
#include "config/document.hpp"
#include "config/resource.hpp"
#include "launch/compiled.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::launch {

enum class Action {
    Add,
    Remove,
    InPlace,
    Replug,     ///< removed and added again, with all that needs it: the guest sees it go and come
    NextStart,  ///< takes a new QEMU
};

/// How a change in place is made.
enum class Way {
    QomSet,   ///< of an object or a device: `member`
    Drive,    ///< the block node of a device: `member` is "drive"
    Medium,   ///< of a drive whose medium can be changed: `before` and `after` are block nodes, or null
    Backend,  ///< of a chardev that devices use: by chardev-change
    Reopen,   ///< of a block node: by blockdev-reopen, with all its options
    Grow,     ///< of a block node: `after` is its size in bytes, at least
    Link,     ///< of a network device: `after` is true for up
    Remake,   ///< of something that no device uses: taken away and made again
    Setting,  ///< the supervisor's own business, and QEMU's set-action
    Balloon,  ///< what the guest is to keep of its memory: bytes, or null for all
};

/// One difference. Of a resource, or, when `resource.id` is empty, of a setting of the VM as a whole.
struct Change {
    Action action = Action::Add;
    config::ResourceId resource;
    std::string made_by;  ///< the table that says it: "disk.root"
    std::string member;   ///< "poll-max-ns"; of a setting its whole key: "cpu.model"
    Way way = Way::QomSet;
    Json before, after;  ///< values of `member`; null: not there
    Origin origin;       ///< in the file; unknown for what is not in it any more
    std::string why;     ///< of Replug and NextStart: a part of a sentence
};

struct Difference {
    /// Settings first, then what is added or changed in the order of making, then what is removed in the
    /// order of unmaking.
    std::vector<Change> changes;

    bool empty() const { return changes.empty(); }
    bool has(Action action) const;
    /// Something can be done while it runs; replugs only if `replug`.
    bool has_live(bool replug) const;
};

/// A VM, what it was compiled to and, for the one that is wanted, the document that says so.
struct Side {
    const config::Vm& vm;
    const Compiled& compiled;
    const config::Document* document = nullptr;
    // Of what runs:
    std::string accel = {};
    std::set<std::string> limits = {};  ///< controllers whose limits can be changed
    /// What is to be made anew although the file says nothing new of it, and why.
    std::map<config::ResourceId, std::string> broken = {};
};

/// Both are placed (the wanted one with `running` in mind) and checked.
Difference diff(const Side& running, const Side& wanted, const qapi::Capabilities& qemu);

/// A table for people. Neither this nor the JSON has the text of a secret.
std::string to_text(const Difference& difference);
Json to_json(const Difference& difference);

}  // namespace qvm::launch
