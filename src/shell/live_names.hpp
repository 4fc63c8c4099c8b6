// SPDX-License-Identifier: GPL-3.0-or-later
// The names of what is there in a running VM, as far as they are known: which queries tell them, what those
// answered, and when that is no longer true. Pure: whoever has a connection asks, and hands in what comes.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "shell/vocabulary.hpp"

namespace qvm::shell {

class LiveNames {
  public:
    struct Query {
        std::string command;
        Json arguments = Json::object();

        /// Equal for equal queries.
        std::string key() const;
    };

    /// Nothing when they are not known; then their queries are wanted. Sorted.
    std::optional<std::vector<std::string>> names(NameKind kind, std::string_view context);
    /// As Vocabulary::property_type: empty if it is not known, and then it is asked for.
    std::string property_type(std::string_view type_or_path, std::string_view property);

    /// What to ask now: each query once, until its answer is no longer true. An answer may make more wanted.
    std::vector<Query> take_wanted();
    /// True if something is wanted, or on its way.
    bool waiting() const;
    void absorb(const Query& query, const Json& reply);
    /// The server cannot tell: there are no such names.
    void refuse(const Query& query);

    /// What an event, or a command that has run (anybody's), makes untrue is forgotten.
    void heed_event(std::string_view name);
    void heed_command(std::string_view command, const Json& arguments);
    /// Another server, perhaps: everything is forgotten, and what was asked will not be answered.
    void forget();

  private:
    enum class State {
        Wanted,
        Asked,
        Outdated,  ///< asked, but the answer may already be untrue
        Known,
    };
    struct Entry {
        Query query;
        State state = State::Wanted;
        std::map<NameKind, std::vector<std::string>> names;
        std::map<std::string, std::string, std::less<>> types;  ///< of properties
        std::map<std::string, std::string> children;            ///< of an object, with their types
        std::uint64_t used = 0;
    };

    /// Null while it is not known.
    const Entry* known(Query query);
    std::optional<std::vector<std::string>> netdevs();
    std::optional<std::vector<std::string>> buses();
    void outdate(std::string_view command_beginning);
    void make_room();

    std::map<std::string, Entry> entries_;
    std::set<std::string> own_netdevs_;  ///< added since we look on
    std::set<std::string> gone_netdevs_;
    std::uint64_t clock_ = 0;
};

}  // namespace qvm::shell
