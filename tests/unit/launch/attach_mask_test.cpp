// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/attach_mask.hpp"

#include <string>
#include <vector>

#include "support/catch.hpp"

namespace qvm::launch {
namespace {

struct Row {
    const char* said;
    const char* shown;
};

const std::vector<Row> commands{
    {R"({"execute":"query-status","id":7})", R"({"execute":"query-status","id":7})"},
    {R"({"execute":"set_password","arguments":{"protocol":"vnc","password":"hunter2"}})",
     R"({"execute":"set_password","arguments":{"protocol":"vnc","password":"***"}})"},
    {R"({"execute":"object-add","arguments":{"qom-type":"secret","id":"s","data":"hunter2"}})",
     R"({"execute":"object-add","arguments":{"qom-type":"secret","id":"s","data":"***"}})"},
    // Not a secret's.
    {R"({"execute":"ringbuf-write","arguments":{"device":"r","data":"text"}})",
     R"({"execute":"ringbuf-write","arguments":{"device":"r","data":"text"}})"},
    {R"({"execute":"chardev-add","arguments":{"id":"c","backend":{"type":"null","data":{}}}})",
     R"({"execute":"chardev-add","arguments":{"id":"c","backend":{"type":"null","data":{}}}})"},
    // The name of an object that holds one.
    {R"({"execute":"blockdev-add","arguments":{"driver":"luks","key-secret":"s"}})",
     R"({"execute":"blockdev-add","arguments":{"driver":"luks","key-secret":"s"}})"},
    {R"({"execute":"blockdev-add","arguments":{"driver":"raw","file.cookie":"c=1","file":{"password":"x"}}})",
     R"({"execute":"blockdev-add","arguments":{"driver":"raw","file.cookie":"***","file":{"password":"***"}}})"},
    {R"({"execute":"qom-set","arguments":{"path":"/objects/s","property":"data","value":"hunter2"}})",
     R"({"execute":"qom-set","arguments":{"path":"/objects/s","property":"data","value":"***"}})"},
    {R"({"execute":"qom-set","arguments":{"path":"b","property":"guest-stats-polling-interval","value":2}})",
     R"({"execute":"qom-set","arguments":{"path":"b","property":"guest-stats-polling-interval","value":2}})"},
    {R"({"execute":"transaction","arguments":{"actions":[{"type":"t","data":{"password":"x"}}]}})",
     R"({"execute":"transaction","arguments":{"actions":[{"type":"t","data":{"password":"***"}}]}})"},
    {R"({"execute":"human-monitor-command","arguments":{"command-line":"info status"}})",
     R"({"execute":"human-monitor-command","arguments":{"command-line":"info status"}})"},
    {R"({"execute":"human-monitor-command","arguments":{"command-line":" set_password vnc hunter2"}})",
     R"({"execute":"human-monitor-command","arguments":{"command-line":"set_password ***"}})"},
    {R"({"execute":"human-monitor-command","arguments":{"command-line":"cont"}})",
     R"({"execute":"human-monitor-command","arguments":{"command-line":"cont"}})"},
    // An apply: what goes to QEMU, what undoes it, what is written down, what the command line said.
    {R"({"execute":"__org.qvm_apply","arguments":{"operations":{"additions":[{"do":"qmp","execute":"object-add",)"
     R"("arguments":{"qom-type":"secret","data":"hunter2"},"record":{"set":{"text":"data = hunter2"}}}]},)"
     R"("set":["object.s.data=hunter2","memory=1G"]}})",
     R"({"execute":"__org.qvm_apply","arguments":{"operations":{"additions":[{"do":"qmp","execute":"object-add",)"
     R"("arguments":{"qom-type":"secret","data":"***"},"record":"***"}]},)"
     R"("set":["object.s.data=***","memory=***"]}})"},
    // Not what it should be.
    {R"({"exec-oob":5,"arguments":["a"]})", R"({"exec-oob":5,"arguments":["a"]})"},
    {R"({"execute":"human-monitor-command","arguments":{"command-line":5}})",
     R"({"execute":"human-monitor-command","arguments":{"command-line":5}})"},
    {R"({"execute":"__org.qvm_apply","arguments":{"set":[5],"operations":5}})",
     R"({"execute":"__org.qvm_apply","arguments":{"set":[5],"operations":5}})"},
};

std::string shown_reply(const char* command, const char* reply) {
    return reply_without_secrets(Json::parse(command), Json::parse(reply)).dump();
}

}  // namespace

TEST_CASE("those who watch are shown no secrets") {
    for (const auto& row : commands) CHECK(without_secrets(Json::parse(row.said)).dump() == row.shown);
}

TEST_CASE("nor those that were asked for") {
    CHECK(shown_reply(R"({"execute":"qom-get","arguments":{"path":"/objects/s","property":"data"}})",
                      R"({"return":"hunter2","id":1})") == R"({"return":"***","id":1})");
    CHECK(shown_reply(R"({"execute":"qom-get","arguments":{"path":"/machine","property":"type"}})",
                      R"({"return":"q35"})") == R"({"return":"q35"})");
    CHECK(shown_reply(
              R"({"execute":"qom-list-get","arguments":{"paths":["/objects/s"]}})",
              R"({"return":[{"properties":[{"name":"data","value":"x"},{"name":"type","value":"y"}]}]})") ==
          R"({"return":[{"properties":[{"name":"data","value":"***"},{"name":"type","value":"y"}]}]})");
    CHECK(shown_reply("null", R"({"error":{"class":"GenericError","desc":"what?"}})") ==
          R"({"error":{"class":"GenericError","desc":"what?"}})");
}

}  // namespace qvm::launch
