// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/json_schema.hpp"

#include <algorithm>
#include <regex>
#include <set>
#include <string>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/json_schema_parts.hpp"
#include "config/key_docs.hpp"
#include "config/vocabulary.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"
#include "support/saved_qemu.hpp"

namespace qvm::config {
namespace {

const Json& whole() {
    static const Json made = json_schema(test::saved_qemu());
    return made;
}

const Json& definition(const std::string& name) {
    return whole().at("definitions").at(name);
}

/// What [TABLE], or one [TABLE.X], may be.
const Json& table(const TableRule& rule) {
    const Json& all = whole().at("properties").at(std::string(rule.name));
    return all.contains("patternProperties") ? all.at("patternProperties").begin().value() : all;
}

template <class Visit>
void walk(const Json& json, const Visit& visit) {
    visit(json);
    if (json.is_structured())
        for (const auto& inner : json) walk(inner, visit);
}

TEST_CASE("the schema has every table and key of the language, with its meaning") {
    const Json& properties = whole().at("properties");
    CHECK(properties.size() == vocabulary().size());
    for (const auto& rule : vocabulary()) {
        INFO(rule.name);
        const Json& one = properties.at(std::string(rule.name));
        if (rule.shape == Shape::Plain || rule.name == "vars") continue;
        CHECK(one.at("description").get<std::string>().starts_with(key_doc(rule.name)->meaning));
        for (const auto& key : rule.keys) {
            INFO(key.name);
            const Json& keys = rule.shape == Shape::List ? one.at("items") : table(rule);
            const Json& said = keys.at("properties").at(std::string(key.name));
            const auto* doc = key_doc(fmt::format("{}.{}", rule.name, key.name));
            REQUIRE(doc != nullptr);
            CHECK(said.at("description").get<std::string>().starts_with(doc->meaning));
            for (const auto& member : key.members)
                CHECK(said.at("properties").contains(std::string(member.name)));
        }
    }
}

TEST_CASE("a key's examples, default and words are those of its documentation") {
    const auto key = [](const char* table_name, const char* name) -> const Json& {
        return table(*table_rule(table_name)).at("properties").at(name);
    };
    CHECK(key("disk", "cache").at("examples") == Json::array({"none"}));
    CHECK(key("disk", "cache").at("then").at("enum").size() == 5);
    CHECK(key("disk", "bus").at("default") == "virtio");
    CHECK(key("disk", "read-only").at("default") == false);
    CHECK(key("memory", "size").at("default") == "512M");
    CHECK(key("cpus", "sockets").at("default") == 1);
    CHECK(key("hotplug", "pcie-ports").at("maximum") == 200);
    CHECK(key("limits", "cpu").at("minimum") == 0.01);
}

TEST_CASE("all that the schema refers to is in it, and all that is in it is referred to") {
    std::set<std::string> wanted, there;
    walk(whole(), [&](const Json& json) {
        if (json.is_object() && json.contains("$ref") && json["$ref"].is_string()) {
            const auto target = json["$ref"].get<std::string>();
            REQUIRE(target.starts_with("#/definitions/"));
            wanted.insert(target.substr(std::string_view("#/definitions/").size()));
        }
    });
    for (const auto& [name, schema] : whole().at("definitions").items()) there.insert(name);
    std::vector<std::string> missing, unused;
    std::ranges::set_difference(wanted, there, std::back_inserter(missing));
    std::ranges::set_difference(there, wanted, std::back_inserter(unused));
    CHECK(missing == std::vector<std::string>());
    CHECK(unused == std::vector<std::string>());
}

TEST_CASE("the schema is of one QEMU, always the same, and of a size that editors can bear") {
    const auto text = whole().dump(1);
    CHECK(text == json_schema(test::saved_qemu()).dump(1));
    CHECK(text.size() < (std::size_t{3} << 20U));
    CHECK(whole().at("title") == "qvm's vm.toml for QEMU 7.2.22 (x86_64)");
    CHECK(text.find(test::saved_qemu().binary) == std::string::npos);
}

TEST_CASE("types of QEMU go by their drivers, never by the numbers of introspection") {
    for (const auto& [name, schema] : whole().at("definitions").items()) {
        INFO(name);
        CHECK(name.find_first_not_of("0123456789") != std::string::npos);
        CHECK_FALSE(schema.contains("title"));
    }
    for (const char* name : {"blockdev.qcow2", "blockdev.qcow2.encrypt.luks", "object.rng-random",
                             "netdev.stream", "chardev.backend.socket", "device.edu", "cpu.max"})
        CHECK(whole().at("definitions").contains(name));
}

TEST_CASE("nodes are nested by reference, and refuse what their driver has not") {
    const Json& qcow2 = definition("blockdev.qcow2");
    CHECK(qcow2.at("additionalProperties") == false);
    CHECK(qcow2.at("properties").at("file").at("allOf").at(0).at("$ref") == "#/definitions/node");
    CHECK(qcow2.at("properties").contains("l2-cache-size"));
    CHECK_FALSE(definition("blockdev.raw").at("properties").contains("l2-cache-size"));
    CHECK_FALSE(definition("node").at("properties").at("grow-to").empty());
}

TEST_CASE("what QEMU calls deprecated is so in the schema") {
    CHECK(definition("object.secret").at("properties").at("loaded").at("deprecated") == true);
}

TEST_CASE("a table of disks has the properties of what has a drive") {
    const Json& disks = definition("any.device.drive").at("properties");
    for (const char* name : {"queue-size", "logical_block_size", "rotation_rate", "removable"})
        CHECK(disks.contains(name));
    CHECK_FALSE(disks.contains("rx_queue_size"));
    CHECK(definition("any.device.netdev").at("properties").contains("rx_queue_size"));
}

TEST_CASE("what is asked of QEMU for the schema has all types once") {
    const auto types = types_of_json_schema(test::saved_qemu());
    CHECK(std::ranges::is_sorted(types));
    CHECK(std::ranges::adjacent_find(types) == types.end());
    for (const char* name : {"edu", "pc-q35-7.2-machine", "max-x86_64-cpu"})
        CHECK(std::ranges::binary_search(types, std::string(name)));
}

TEST_CASE("nothing is required, because a file may be a part of a VM") {
    const auto visit = [](const auto& self, const Json& json) -> void {
        if (json.is_object()) CHECK_FALSE((json.contains("required") && json["required"].is_array()));
        if (!json.is_structured()) return;
        for (const auto& [key, inner] : json.items())
            if (key != "if" && key != "not") self(self, inner);
    };
    visit(visit, whole());
}

TEST_CASE("the schema takes the text of every size that parse_size takes") {
    const std::regex pattern{std::string(schema::size_text), std::regex::ECMAScript};
    for (const auto* text :
         {"0", "512", "1K", "1k", "1.5G", "2 GiB", "3TiB", "7E", "12B", "12b", "0.5m", "1P"}) {
        INFO(text);
        CHECK(std::holds_alternative<std::uint64_t>(parse_size(text)));
        CHECK(std::regex_match(text, pattern));
    }
    for (const auto* text :
         {"", "G", "1KB", "1GB", ".5G", "1.G", "1..5G", "1X", "1 K i B", "-1", "1kib", "one"}) {
        INFO(text);
        CHECK(std::holds_alternative<std::string>(parse_size(text)));
        CHECK_FALSE(std::regex_match(text, pattern));
    }
}

TEST_CASE("short tables, as the schema has them") {
    Json some = Json::object();
    for (const char* name : {"hotplug", "attach", "cdrom", "rtc", "iothread"})
        some[name] = whole().at("properties").at(name);
    for (const char* name :
         {"text", "blockdev.null-co", "any.blockdev.qcow2.encrypt", "blockdev.qcow2.encrypt"})
        some[name] = definition(name);
    test::check_golden(QVM_SOURCE_DIR "/tests/golden/schema/some.json", some.dump(1) + '\n');
}

}  // namespace
}  // namespace qvm::config
