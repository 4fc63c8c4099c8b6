// SPDX-License-Identifier: GPL-3.0-or-later
#include "qapi/schema.hpp"

#include "base/error.hpp"
#include "base/json.hpp"
#include "support/catch.hpp"
#include "support/saved_qemu.hpp"

using namespace qvm;
using namespace qvm::qapi;

namespace {

const Object& object_of(const Type* type) {
    return std::get<Object>(type->is);
}

}  // namespace

TEST_CASE("the schema of a real QEMU has its commands and events") {
    const Schema& schema = test::saved_qemu().schema;
    CHECK(schema.command_names().size() == 216);
    CHECK(schema.event_names().size() > 40);
    CHECK(schema.command("blockdev-add") != nullptr);
    CHECK(schema.command("blockdev-ad") == nullptr);
    CHECK(schema.event("SHUTDOWN") != nullptr);
    CHECK(schema.event("query-status") == nullptr);
    CHECK(schema.command("query-yank")->allow_oob);
    CHECK_FALSE(schema.command("query-status")->allow_oob);
    CHECK(schema.command("x-exit-preconfig")->unstable);
    CHECK(schema.command("drive-backup")->deprecated);
}

TEST_CASE("blockdev-add is a union over its drivers, and recursive") {
    const Schema& schema = test::saved_qemu().schema;
    const Object& add = object_of(schema.command("blockdev-add")->arguments);
    CHECK(add.tag == "driver");
    CHECK(add.variants.size() >= 40);
    CHECK_FALSE(add.member("driver")->optional);
    CHECK(add.member("node-name")->optional);
    const Object& qcow2 = object_of(add.variant("qcow2"));
    const Member* file = qcow2.member("file");
    REQUIRE(file != nullptr);
    const auto& choices = std::get<Alternate>(file->type->is).choices;
    CHECK(choices.size() == 2);
    CHECK(add.variant("no-such-driver") == nullptr);
}

TEST_CASE("a moved schema keeps its types") {
    Schema first = Schema::parse(test::saved_qemu().introspection);
    const Command* before = first.command("object-add");
    const Schema second = std::move(first);
    CHECK(second.command("object-add") == before);
    CHECK(object_of(before->arguments).tag == "qom-type");
}

TEST_CASE("what is not a schema is refused with a reason") {
    const auto refused = [](const char* text) {
        try {
            Schema::parse(Json::parse(text));
        } catch (const Error& e) {
            return std::string(e.what());
        }
        return std::string("accepted");
    };
    CHECK_THAT(refused("{}"), ContainsSubstring("not an array"));
    CHECK_THAT(refused("[1]"), ContainsSubstring("not an object"));
    CHECK_THAT(refused(R"([{"meta-type":"command"}])"), ContainsSubstring("no 'name'"));
    CHECK_THAT(refused(R"([{"name":"c","meta-type":"command","arg-type":"0","ret-type":"0"}])"),
               ContainsSubstring("type '0' is not described"));
    CHECK_THAT(refused(R"([{"name":"c","meta-type":"command","arg-type":"int","ret-type":"int"},
                          {"name":"int","meta-type":"builtin","json-type":"int"}])"),
               ContainsSubstring("no object"));
    CHECK_THAT(refused(R"([{"name":"c","meta-type":"event","arg-type":"0"},{"name":"0","meta-type":"odd"}])"),
               ContainsSubstring("'odd'"));
    CHECK_THAT(refused(R"([{"name":"c","meta-type":"event","arg-type":"0"},
                          {"name":"0","meta-type":"object","members":[7]}])"),
               ContainsSubstring("bad element of 'members'"));
}

TEST_CASE("a schema is saved and read back") {
    const Schema& schema = test::saved_qemu().schema;
    const auto saved = schema.save();
    const auto text = saved + "what follows";
    std::string_view rest = text;
    const auto again = Schema::restore(rest);
    REQUIRE(again);
    CHECK(rest == "what follows");
    CHECK(again->save() == saved);
    CHECK(again->command_names() == schema.command_names());
    CHECK(again->event_names() == schema.event_names());
    CHECK(again->command("query-yank")->allow_oob);
    CHECK(again->command("x-exit-preconfig")->unstable);
    CHECK(again->command("drive-backup")->deprecated);
    const Object& add = object_of(again->command("blockdev-add")->arguments);
    CHECK(add.tag == "driver");
    CHECK(add.member("node-name")->optional);
    CHECK_FALSE(add.member("driver")->optional);
    const Type* raw = add.variant("raw");
    REQUIRE(raw != nullptr);
    CHECK(object_of(raw).member("file") != nullptr);
}

TEST_CASE("a damaged schema is not read") {
    const auto saved = test::saved_qemu().schema.save();
    const auto reads = [](std::string_view text) { return Schema::restore(text).has_value(); };
    CHECK(reads(saved));
    for (std::size_t length = 0; length < saved.size(); length += 997)
        CHECK_FALSE(reads(saved.substr(0, length)));
    CHECK_FALSE(reads("99999999\n"));
    CHECK_FALSE(reads("1\na\t1\n\n"));
    CHECK_FALSE(reads("1\nb\t6\n\n"));
    CHECK_FALSE(reads("1\nb\t0\nc\tnot-an-object\t0\t0\t0\n\n"));
    CHECK_FALSE(reads("1\no\t\t1\tname\n\n"));
    CHECK(reads("1\no\t\t0\n\n"));
}
