// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/completion.hpp"

#include <algorithm>

#include "shell/no_vocabulary.hpp"
#include "support/catch.hpp"
#include "unit/shell/saved_vocabulary.hpp"

using namespace qvm;
using namespace qvm::shell;

namespace {

using Names = std::vector<std::string>;

std::vector<std::string> files(const std::string& beginning) {
    std::vector<std::string> found;
    for (const char* path : {"/tmp/a.img", "/tmp/b c", "/tmp/dir/"})
        if (std::string_view(path).starts_with(beginning)) found.emplace_back(path);
    return found;
}

struct World {
    test::SavedVocabulary vocabulary;

    World() {
        vocabulary.known[{NameKind::Node, ""}] = {"#block12", "disk0"};
        vocabulary.known[{NameKind::Device, ""}] = {"nic0", "two words"};
        vocabulary.known[{NameKind::Disk, ""}] = {"ide0"};
        vocabulary.known[{NameKind::QomPath, "/"}] = {"machine", "objects"};
        vocabulary.known[{NameKind::QomPath, "/machine"}] = {"peripheral", "unattached"};
        vocabulary.known[{NameKind::QomProperty, "/machine"}] = {"type"};
    }

    /// The line has a '^' where the cursor is; its end without.
    Completion at(std::string line) {
        auto cursor = line.find('^');
        if (cursor == std::string::npos)
            cursor = line.size();
        else
            line.erase(cursor, 1);
        return complete(line, cursor, vocabulary, files);
    }
    Names texts(const std::string& line) {
        Names all;
        for (const auto& candidate : at(line).candidates) all.push_back(candidate.text);
        return all;
    }
    std::string note(const std::string& line, const std::string& text) {
        for (const auto& candidate : at(line).candidates)
            if (candidate.text == text) return candidate.note;
        return "none";
    }
    bool offers(const std::string& line, const std::string& text) {
        const auto all = texts(line);
        return std::ranges::find(all, text) != all.end();
    }
};

}  // namespace

TEST_CASE("Commands are completed, with a line about them") {
    World world;
    CHECK(world.texts("query-stat") == Names{"query-stats", "query-stats-schemas", "query-status"});
    CHECK(world.note("query-statu", "query-status") == "Query the run status of the VM.");
    CHECK(world.note("x-query-jit", "x-query-jit") == "[unstable]");
    CHECK(world.texts("named-block-n") == Names{"query-named-block-nodes"});
    CHECK(world.at("  query-statu").replaced == Range{2, 13});
    CHECK(world.offers("", "stop"));
    CHECK(world.offers("", "/help"));
    CHECK(world.texts("/s") == Names{"/search", "/save"});
    CHECK(world.texts("/help query-statu") == Names{"query-status"});
    CHECK(world.texts("/save /tmp/b") == Names{"\"/tmp/b c\""});
    CHECK(world.texts("device_del id=$(query-statu") == Names{"query-status"});
}

TEST_CASE("Arguments are completed, the required first, those given not again") {
    World world;
    CHECK(world.texts("block_resize ") == Names{"size=", "device=", "node-name="});
    CHECK(world.note("block_resize ", "size=") == "required, integer");
    CHECK(world.texts("block_resize node-name=disk0 ") == Names{"size=", "device="});
    CHECK(world.texts("block_resize ^ size=1") == Names{"device=", "node-name="});
    CHECK(world.texts("block_resize n^ size=1") == Names{"node-name="});
    CHECK(world.at("block_resize node").replaced == Range{13, 17});
    CHECK(world.at("block_resize node").candidates.at(0).more);
    CHECK(world.texts("blockdev-add driver=raw file.driver=file file.fi") == Names{"filename="});
    CHECK(world.texts("blockdev-add driver=raw file={driver: file, fi") == Names{"filename: "});
    CHECK(world.texts("blockdev-add driver=raw fil") == Names{"file=", "file."});
    CHECK(world.texts("blockdev-add driver=qcow2 lazy-re") == Names{"lazy-refcounts="});
    CHECK(world.texts("blockdev-add lazy-re^ driver=qcow2") == Names{"lazy-refcounts="});
    CHECK(world.texts("blockdev-add lazy-re").empty());
}

TEST_CASE("Values are completed") {
    World world;
    CHECK(world.texts("set_link up=") == Names{"true", "false"});
    CHECK(world.texts("blockdev-add driver=qco") == Names{"qcow", "qcow2"});
    CHECK(world.texts("blockdev-add {driver: qcow2") == Names{"qcow2"});
    CHECK(world.texts("blockdev-add driver=raw detect-zeroes=o") == Names{"off", "on"});
    CHECK(world.texts("blockdev-add driver=raw file=d") == Names{"disk0"});
    CHECK(world.texts("blockdev-del node-name=") == Names{"#block12", "disk0"});
    CHECK(world.texts("blockdev-del node-name=\"di") == Names{"\"disk0\""});
    CHECK(world.at("blockdev-del node-name=\"di").replaced == Range{23, 26});
    CHECK(world.texts("block_resize device=") == Names{"#block12", "disk0", "ide0"});
    CHECK(world.texts("device_del id=") == Names{"nic0", "\"two words\""});
    CHECK(world.texts("screendump filename=/tmp/") == Names{"/tmp/a.img", "\"/tmp/b c\"", "/tmp/dir/"});
    CHECK(world.texts("qom-get path=/mach") == Names{"/machine"});
    CHECK(world.texts("qom-get path=") == Names{"/machine", "/objects"});
    CHECK(world.texts("qom-get path=/machine/") == Names{"/machine/peripheral", "/machine/unattached"});
    CHECK(world.texts("qom-get path=/machine property=") == Names{"type"});
    CHECK(world.texts("human-monitor-command command-line=@/tmp/a") == Names{"/tmp/a.img"});
}

TEST_CASE("Devices have their own properties") {
    World world;
    CHECK(world.texts("device_add driver=virtio-net-pci ma") == Names{"mac="});
    CHECK(world.note("device_add driver=virtio-net-pci ma", "mac=") == "str");
    CHECK(world.texts("device_add driver=virtio-net-p") ==
          Names{"virtio-net-pci", "virtio-net-pci-non-transitional", "virtio-net-pci-transitional"});
    CHECK(world.texts("device_add driver=virtio-net-pci multifunction=") == Names{"true", "false"});
    CHECK(world.texts("device_add driver=virtio-blk-pci drive=di") == Names{"disk0"});
}

TEST_CASE("Transactions, whole messages, pipes") {
    World world;
    CHECK(world.texts("transaction( blockdev-b") == Names{"blockdev-backup"});
    CHECK(world.texts("transaction( abort ; block-dirty-bitmap-ad") == Names{"block-dirty-bitmap-add"});
    CHECK(world.texts("transaction( blockdev-backup job") == Names{"job-id="});
    CHECK(world.texts("transaction( blockdev-backup device=d") == Names{"disk0"});
    CHECK(world.texts(R"({"execute": "query-statu)") == Names{"\"query-status\""});
    CHECK(world.texts(R"({"exec)") == Names{"\"execute\": "});
    CHECK(world.texts(R"({"execute": "block_resize", "arguments": {"si)") == Names{"\"size\": "});
    CHECK(world.texts(R"({"execute": "blockdev-del", "arguments": {"node-name": "di)") == Names{"\"disk0\""});
    CHECK(world.texts("query-status | .sta") == Names{".status"});
    CHECK(world.texts("query-block | .") == Names{".[]"});
    CHECK(world.texts("query-block | .[].inserted.image.virt") == Names{".[].inserted.image.virtual-size"});
    CHECK(world.texts("query-block | gr") == Names{"grep"});
    CHECK(world.texts("query-block | .[] | .ins").empty());
}

TEST_CASE("What is not known yet is asked for") {
    World world;
    const auto completion = world.at("job-cancel id=");
    CHECK(completion.incomplete);
    CHECK(completion.candidates.empty());
    CHECK(world.vocabulary.asked.at(0).first == NameKind::Job);
    NoVocabulary nothing;
    for (const char* line : {"sto", "stop ", "stop x=", "", "query-status | .s"}) {
        INFO(line);
        CHECK(complete(line, 100, nothing).incomplete);
    }
    CHECK_FALSE(complete("/x", 2, nothing).incomplete);
}

TEST_CASE("Completion survives every cursor") {
    World world;
    for (const std::string line :
         {"transaction( blockdev-backup device=\"d x\" ; abort ) properties={completion-mode: grouped} | "
          ".a[0] # x",
          "device_add driver=virtio-net-pci id=$(qom-get path=/machine property=type | .x) l+=1 m.0.a=@\"f\"",
          R"({"execute": "block_resize", "arguments": {"size": 1, "x": [1, {"a": null}]}} | .x)", "//x a=1",
          "/help 'a b' |"})
        for (std::size_t cursor = 0; cursor <= line.size(); ++cursor) {
            const auto completion = complete(line, cursor, world.vocabulary, files);
            CHECK(completion.replaced.begin <= completion.replaced.end);
            CHECK(completion.replaced.end == cursor);
        }
}

TEST_CASE("The newest line that begins so is suggested") {
    const std::vector<std::string> history{"query-status", "query-block", "stop"};
    CHECK(suggestion("query-", history) == "block");
    CHECK(suggestion("query-s", history) == "tatus");
    CHECK(suggestion("stop", history).empty());
    CHECK(suggestion("", history).empty());
    CHECK(suggestion("x", history).empty());
}
