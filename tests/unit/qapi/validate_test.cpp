// SPDX-License-Identifier: GPL-3.0-or-later
#include "qapi/validate.hpp"

#include "base/json.hpp"
#include "support/catch.hpp"
#include "support/saved_qemu.hpp"

using namespace qvm;
using namespace qvm::qapi;

namespace {

struct Outcome {
    Json value;
    std::vector<Problem> problems;
    /// "path: message" of each problem.
    std::vector<std::string> lines() const {
        std::vector<std::string> result;
        for (const Problem& p : problems) result.push_back(to_string(p.path) + ": " + p.message);
        return result;
    }
};

Outcome run(const char* command, const char* arguments, Leniency leniency = Leniency::FromFile) {
    Outcome outcome;
    outcome.value = validate_arguments(*test::saved_qemu().schema.command(command), Json::parse(arguments),
                                       leniency, outcome.problems);
    return outcome;
}

using Lines = std::vector<std::string>;

/// A type of each sort the real schema has too few of; "c" takes them all.
const Schema& small_schema() {
    static const Schema schema = Schema::parse(Json::parse(R"([
        {"name":"str","meta-type":"builtin","json-type":"string"},
        {"name":"int","meta-type":"builtin","json-type":"int"},
        {"name":"num","meta-type":"builtin","json-type":"number"},
        {"name":"bool","meta-type":"builtin","json-type":"boolean"},
        {"name":"null","meta-type":"builtin","json-type":"null"},
        {"name":"any","meta-type":"builtin","json-type":"value"},
        {"name":"[int]","meta-type":"array","element-type":"int"},
        {"name":"onoff","meta-type":"enum","values":["auto","on","off"]},
        {"name":"old","meta-type":"enum","values":["new","old"],
         "members":[{"name":"new"},{"name":"old","features":["deprecated"]},{"name":"x","features":["unstable"]}]},
        {"name":"int-or-null","meta-type":"alternate","members":[{"type":"int"},{"type":"null"}]},
        {"name":"str-or-onoff","meta-type":"alternate","members":[{"type":"int"},{"type":"onoff"}]},
        {"name":"empty","meta-type":"object","members":[]},
        {"name":"inner","meta-type":"object","tag":"kind","variants":[{"case":"on","type":"leaf"}],
         "members":[{"name":"kind","type":"onoff"}]},
        {"name":"leaf","meta-type":"object","members":[{"name":"depth","type":"int"}]},
        {"name":"outer","meta-type":"object","tag":"way","variants":[{"case":"new","type":"inner"}],
         "members":[{"name":"way","type":"old"}]},
        {"name":"args","meta-type":"object","members":[
          {"name":"s","type":"str","default":null}, {"name":"i","type":"int","default":null},
          {"name":"n","type":"num","default":null}, {"name":"b","type":"bool","default":null},
          {"name":"z","type":"null","default":null}, {"name":"any","type":"any","default":null},
          {"name":"list","type":"[int]","default":null}, {"name":"o","type":"onoff","default":null},
          {"name":"e","type":"old","default":null}, {"name":"in","type":"int-or-null","default":null},
          {"name":"io","type":"str-or-onoff","default":null}, {"name":"u","type":"outer","default":null},
          {"name":"gone","type":"int","default":null,"features":["deprecated"]},
          {"name":"x-new","type":"int","default":null,"features":["unstable"]}]},
        {"name":"c","meta-type":"command","arg-type":"args","ret-type":"empty"},
        {"name":"d","meta-type":"command","arg-type":"empty","ret-type":"empty","features":["deprecated","unstable"]}
    ])"));
    return schema;
}

Outcome small(const char* arguments, Leniency leniency = Leniency::FromFile) {
    Outcome outcome;
    outcome.value =
        validate_arguments(*small_schema().command("c"), Json::parse(arguments), leniency, outcome.problems);
    return outcome;
}

}  // namespace

TEST_CASE("a right blockdev passes unchanged") {
    const char* arguments = R"({"driver":"qcow2","node-name":"n","backing":null,"l2-cache-size":1048576,
        "file":{"driver":"file","filename":"/x","aio":"native","cache":{"direct":true}}})";
    for (const auto leniency : {Leniency::Exact, Leniency::FromFile}) {
        const auto outcome = run("blockdev-add", arguments, leniency);
        CHECK(outcome.lines() == Lines{});
        CHECK(outcome.value == Json::parse(arguments));
    }
}

TEST_CASE("all mistakes of a value are reported with their places") {
    const auto outcome = run("blockdev-add", R"({"driver":"qcow2","l2-cach-size":"8M","read-only":"yes",
        "file":{"driver":"file","filenam":"/x","aio":"nativ"}})");
    CHECK(outcome.lines() == Lines{"l2-cach-size: no member 'l2-cach-size'",
                                   "read-only: must be true or false, not a string",
                                   "file.filenam: no member 'filenam'", "file.aio: has no value 'nativ'"});
    CHECK(outcome.problems[0].nearest == "l2-cache-size");
    CHECK(outcome.problems[0].kind == ProblemKind::UnknownMember);
    CHECK(outcome.problems[1].nearest == "true");
    CHECK(outcome.problems[3].nearest == "native");
    CHECK(outcome.problems[3].allowed == Lines{"threads", "native", "io_uring"});
    const auto missing = run("blockdev-add", R"({"driver":"raw","file":{"driver":"file"}})");
    CHECK(missing.lines() == Lines{"file.filename: member 'filename' is missing"});
    CHECK(missing.problems.at(0).kind == ProblemKind::MissingMember);
}

TEST_CASE("a bad union tag does not make every other member unknown") {
    const auto outcome = run("blockdev-add", R"({"driver":"qkow2","l2-cache-size":1,"nonsense":1})");
    CHECK(outcome.lines() == Lines{"driver: has no value 'qkow2'", "nonsense: no member 'nonsense'"});
    CHECK(outcome.problems[0].nearest == "qcow2");
    CHECK(run("blockdev-add", R"({"l2-cache-size":1})").lines() ==
          Lines{"driver: member 'driver' is missing"});
    CHECK(run("blockdev-add", R"({"driver":7})").lines() ==
          Lines{"driver: must be a string, not an integer"});
}

TEST_CASE("a reference to a node may be a name, a table or, for a backing, nothing") {
    CHECK(run("blockdev-add", R"({"driver":"raw","file":"node"})").lines() == Lines{});
    CHECK(run("blockdev-add", R"({"driver":"qcow2","file":"node","backing":false})").value["backing"] ==
          nullptr);
    CHECK(run("blockdev-add", R"({"driver":"raw","file":5})").lines() ==
          Lines{"file: must be a table or a string, not an integer"});
    CHECK(run("blockdev-add", R"({"driver":"raw","file":false})").lines() ==
          Lines{"file: must be a table or a string, not a boolean"});
}

TEST_CASE("sizes and digits become integers in a file only") {
    const auto outcome = run("blockdev-add", R"({"driver":"qcow2","file":"n","l2-cache-size":"8M"})");
    CHECK(outcome.lines() == Lines{});
    CHECK(outcome.value["l2-cache-size"] == 8388608);
    CHECK(run("blockdev-add", R"({"driver":"qcow2","file":"n","l2-cache-size":"8M"})", Leniency::Exact)
              .lines() == Lines{"l2-cache-size: must be an integer, not a string"});
    CHECK(small(R"({"i":"18446744073709551615"})").value["i"] == 18446744073709551615U);
    CHECK(small(R"({"i":"-3"})").value["i"] == -3);
    const auto bad = small(R"({"i":"20GB"})");
    REQUIRE(bad.problems.size() == 1);
    CHECK(bad.problems[0].kind == ProblemKind::BadSize);
    CHECK_THAT(bad.problems[0].message, ContainsSubstring("20G"));
    CHECK(small(R"({"i":"many"})").lines() == Lines{"i: must be an integer, not a string"});
    CHECK(small(R"({"i":""})").lines() == Lines{"i: must be an integer, not a string"});
    CHECK(small(R"({"i":1.5})").lines() == Lines{"i: must be an integer, not a fractional number"});
    CHECK(small(R"({"in":"1K"})").value["in"] == 1024);
}

TEST_CASE("booleans stand for on, off and none where no boolean fits") {
    const auto outcome = small(R"({"o":true,"z":false,"in":false,"io":false})");
    CHECK(outcome.lines() == Lines{});
    CHECK(outcome.value == Json::parse(R"({"o":"on","z":null,"in":null,"io":"off"})"));
    CHECK(small(R"({"o":true,"z":false,"in":false,"io":false})", Leniency::Exact).problems.size() == 4);
    CHECK(small(R"({"e":true})").lines() == Lines{"e: must be a string, not a boolean"});
    CHECK(small(R"({"o":3})").lines() == Lines{"o: must be true, false or a string, not an integer"});
    CHECK(small(R"({"z":true})").lines() == Lines{"z: must be false (for none), not a boolean"});
}

TEST_CASE("the plain types") {
    CHECK(small(R"({"s":"x","n":1,"b":false,"any":[{"a":null}],"list":[1,"2K"]})").lines() == Lines{});
    CHECK(small(R"({"n":1.5})").lines() == Lines{});
    CHECK(small(R"({"n":"1"})").lines() == Lines{"n: must be a number, not a string"});
    CHECK(small(R"({"s":12})").problems.at(0).nearest == "\"12\"");
    CHECK(small(R"({"list":[1,"x",true]})").lines() ==
          Lines{"list[1]: must be an integer, not a string", "list[2]: must be an integer, not a boolean"});
    CHECK(small(R"({"list":3})").lines() == Lines{"list: must be an array, not an integer"});
    CHECK(small(R"({"u":3})").lines() == Lines{"u: must be a table, not an integer"});
    CHECK(small(R"({"u":3})", Leniency::Exact).lines() == Lines{"u: must be an object, not an integer"});
    CHECK(small(R"(7)").lines() == Lines{": must be a table, not an integer"});
}

TEST_CASE("a branch may itself be a union") {
    CHECK(small(R"({"u":{"way":"new","kind":"on","depth":1}})").lines() == Lines{});
    CHECK(small(R"({"u":{"way":"new","kind":"on"}})").lines() == Lines{"u.depth: member 'depth' is missing"});
    CHECK(small(R"({"u":{"way":"new","kind":"auto","depth":1}})").lines() ==
          Lines{"u.depth: no member 'depth'"});
    CHECK(small(R"({"u":{"way":"new","kind":"onn","depth":1}})").lines() ==
          Lines{"u.kind: has no value 'onn'"});
}

TEST_CASE("deprecated and unstable things are reported") {
    const auto outcome = small(R"({"e":"old","gone":1,"x-new":2})");
    CHECK(outcome.lines() ==
          Lines{"e: has the deprecated value 'old'", "gone: is deprecated", "x-new: is unstable"});
    CHECK(outcome.problems[0].kind == ProblemKind::Deprecated);
    CHECK(outcome.problems[2].kind == ProblemKind::Unstable);
    std::vector<Problem> problems;
    validate_arguments(*small_schema().command("d"), Json::object(), Leniency::Exact, problems);
    CHECK(problems.size() == 2);
}

TEST_CASE("hostile nesting is reported, not followed") {
    Json value = Json::object({{"driver", "raw"}});
    for (int i = 0; i < 1000; ++i) value = Json::object({{"driver", "raw"}, {"file", std::move(value)}});
    std::vector<Problem> problems;
    validate_arguments(*test::saved_qemu().schema.command("blockdev-add"), value, Leniency::FromFile,
                       problems);
    REQUIRE_FALSE(problems.empty());
    CHECK(problems[0].message == "is nested too deeply");
}

TEST_CASE("no type of this QEMU takes both null and a boolean") {
    // What "false means null" in a file rests on.
    for (const Json& entity : test::saved_qemu().introspection) {
        if (entity["meta-type"] != "alternate") continue;
        bool null = false, boolean = false;
        for (const Json& choice : entity["members"]) {
            null = null || choice["type"] == "null";
            boolean = boolean || choice["type"] == "bool";
        }
        CHECK_FALSE((null && boolean));
    }
}

TEST_CASE("a path reads as it is written") {
    CHECK(to_string(Path{}) == "");
    CHECK(to_string(Path{std::string("server"), std::size_t{1}, std::string("host")}) == "server[1].host");
}
