// SPDX-License-Identifier: GPL-3.0-or-later
// What a Schema owns; only for the files that make one.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "qapi/schema.hpp"

namespace qvm::qapi {

struct Schema::Impl {
    std::deque<Type> types;  // a deque: types point at each other
    std::map<std::string, Command, std::less<>> commands;
    std::map<std::string, Event, std::less<>> events;
    std::vector<std::string> command_names, event_names;
};

}  // namespace qvm::qapi
