// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/value.hpp"

#include "base/json.hpp"
#include "support/catch.hpp"

namespace qvm::config {
namespace {

Value number(std::int64_t value) {
    return {value, {}};
}

Table table(std::initializer_list<std::pair<const char*, Value>> members) {
    Table made;
    for (const auto& [key, value] : members) made.set(key, {}, value);
    return made;
}

TEST_CASE("a table keeps the order of first appearance") {
    Table members = table({{"b", number(1)}, {"a", number(2)}});
    members.set("b", {}, number(3));
    CHECK(members.keys() == std::vector<std::string>{"b", "a"});
    CHECK(*members.find("b")->integer() == 3);
    CHECK(members.erase("b"));
    CHECK_FALSE(members.erase("b"));
    CHECK(members.find("b") == nullptr);
}

TEST_CASE("merging: tables merge, everything else replaces") {
    Table into = table({{"keep", number(1)}, {"t", {table({{"x", number(1)}, {"y", number(2)}}), {}}}});
    const Table from = table({{"t", {table({{"y", number(3)}, {"z", number(4)}}), {}}}, {"new", number(5)}});
    merge(into, from);
    CHECK(to_json(into).dump() == R"({"keep":1,"t":{"x":1,"y":3,"z":4},"new":5})");
    merge(into, table({{"t", number(6)}}));
    CHECK(to_json(into).dump() == R"({"keep":1,"t":6,"new":5})");
    merge(into, table({{"t", {table({{"x", number(7)}}), {}}}}));
    CHECK(to_json(into).dump() == R"({"keep":1,"t":{"x":7},"new":5})");
}

TEST_CASE("every type has a name and a JSON form") {
    const Value list({Array{number(1), {std::string("x"), {}}}}, {});
    CHECK(to_json(list).dump() == R"([1,"x"])");
    CHECK(list.type_name() == "an array");
    CHECK(to_json(Value()).is_null());
    CHECK(Value(true, {}).type_name() == "a boolean");
    CHECK(to_json(Value(1.5, {})).dump() == "1.5");
    CHECK(Value(Table(), {}).type_name() == "a table");
}

}  // namespace
}  // namespace qvm::config
