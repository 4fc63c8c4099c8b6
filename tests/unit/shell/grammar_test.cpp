// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/grammar.hpp"

#include <fstream>
#include <random>

#include <fmt/format.h>

#include "shell/no_vocabulary.hpp"
#include "support/catch.hpp"
#include "unit/shell/saved_vocabulary.hpp"

using namespace qvm;
using namespace qvm::shell;

namespace {

Entered read(std::string_view text) {
    test::SavedVocabulary vocabulary;
    return parse(text, vocabulary);
}

Request request(std::string_view text) {
    const auto entered = read(text);
    INFO(text);
    for (const auto& finding : entered.findings) INFO(finding.message);
    CHECK_FALSE(entered.blocked());
    const auto* what = std::get_if<Request>(&entered.what);
    REQUIRE(what != nullptr);
    return *what;
}

/// "command {arguments}"
std::string meaning(std::string_view text) {
    const Request what = request(text);
    return what.command + " " + what.arguments.dump();
}

std::string untyped(std::string_view text) {
    NoVocabulary nothing;
    const auto entered = parse(text, nothing);
    return std::get<Request>(entered.what).arguments.dump() + (entered.guessed ? " guessed" : "");
}

/// "marked text: message (hint)" of each finding, "!" in front of what blocks.
std::string findings(std::string_view text) {
    std::string all;
    for (const auto& finding : read(text).findings) {
        CHECK(finding.where.begin <= finding.where.end);
        CHECK(finding.where.end <= text.size());
        if (!all.empty()) all += "\n";
        all += fmt::format("{}{}: {}", finding.blocks ? "!" : "",
                           text.substr(finding.where.begin, finding.where.end - finding.where.begin),
                           finding.message);
        if (!finding.hint.empty()) all += fmt::format(" ({})", finding.hint);
    }
    return all;
}

}  // namespace

TEST_CASE("A command and its arguments") {
    CHECK(meaning("query-status") == "query-status {}");
    CHECK(meaning("  query-status  # how it is") == "query-status {}");
    CHECK(meaning("device_del id=disk0") == R"(device_del {"id":"disk0"})");
    CHECK(meaning("human-monitor-command command-line=\"info version\"") ==
          R"(human-monitor-command {"command-line":"info version"})");
    CHECK(meaning("human-monitor-command command-line='info \\'x\\u00e9\\''") ==
          "human-monitor-command {\"command-line\":\"info 'xé'\"}");
    CHECK(meaning("set_link name=n up=on") == R"(set_link {"name":"n","up":true})");
    CHECK(meaning("device_del id=") == R"(device_del {"id":""})");
    CHECK(meaning("block_resize node-name=#block123 size=1") ==
          R"(block_resize {"node-name":"#block123","size":1})");
}

TEST_CASE("Values are typed by the schema") {
    CHECK(meaning("device_del id=42") == R"(device_del {"id":"42"})");
    CHECK(meaning("balloon value=0x10") == R"(balloon {"value":16})");
    CHECK(meaning("balloon value=512M") == R"(balloon {"value":536870912})");
    CHECK(meaning("balloon value=18446744073709551615") == R"(balloon {"value":18446744073709551615})");
    CHECK(meaning("balloon value=-1") == R"(balloon {"value":-1})");
    CHECK(meaning("set_link name=true up=false") == R"(set_link {"name":"true","up":false})");
    CHECK(meaning("blockdev-add driver=qcow2 node-name=n file=base backing=null") ==
          R"(blockdev-add {"driver":"qcow2","node-name":"n","file":"base","backing":null})");
    CHECK(meaning("blockdev-add driver=qcow2 file.driver=file file.filename=42 cache-size=1M") ==
          R"(blockdev-add {"driver":"qcow2","file":{"driver":"file","filename":"42"},"cache-size":1048576})");
    // The tag may come after what it is needed for.
    CHECK(meaning("blockdev-add file.filename=42 file.driver=file driver=raw size=1K") ==
          R"(blockdev-add {"file":{"filename":"42","driver":"file"},"driver":"raw","size":1024})");
    CHECK(meaning("object-add qom-type=iothread id=7 poll-max-ns=32768") ==
          R"(object-add {"qom-type":"iothread","id":"7","poll-max-ns":32768})");
    CHECK(
        meaning("device_add driver=virtio-net-pci mac=on rx_queue_size=2 addr=4 multifunction=on") ==
        R"(device_add {"driver":"virtio-net-pci","mac":"on","rx_queue_size":2,"addr":"4","multifunction":true})");
    CHECK(meaning("qom-set path=/machine property=type value=3") ==
          R"(qom-set {"path":"/machine","property":"type","value":"3"})");
}

TEST_CASE("Without a schema values are what they look like") {
    CHECK(untyped("a x=1 y=on z=true s=disk0 n=null f=1.5 h=0x1f") ==
          R"({"x":1,"y":"on","z":true,"s":"disk0","n":null,"f":1.5,"h":31} guessed)");
    CHECK(untyped("a id=disk0 s=\"42\" t:=42") == R"({"id":"disk0","s":"42","t":42})");
    CHECK(untyped("a size=8M") == R"({"size":"8M"} guessed)");
    CHECK(untyped("a x=007 y=1. z=0x") == R"({"x":"007","y":"1.","z":"0x"} guessed)");
}

TEST_CASE("Quotes and := say the type themselves") {
    CHECK(meaning("balloon value=\"42\"") == R"(balloon {"value":"42"})");
    CHECK(meaning("device_del id:=42") == R"(device_del {"id":42})");
    CHECK(meaning("device_del id:={a: 0x10, /* c */ 'b': [1, 2,],}") ==
          R"(device_del {"id":{"a":16,"b":[1,2]}})");
    CHECK(findings("device_del id:=disk0") ==
          "!disk0: column 16: 'disk0' is no JSON (a string is written in quotes)");
}

TEST_CASE("Behind a name in quotes JSON's literals are what they are") {
    CHECK(meaning(R"(device_del {"id": 42})") == R"(device_del {"id":42})");
    CHECK(meaning(R"(device_del {id: 42})") == R"(device_del {"id":"42"})");
    CHECK(untyped(R"(a {"x": 1, "y": [true, {"z": null}], "s": "8M"})") ==
          R"({"x":1,"y":[true,{"z":null}],"s":"8M"})");
    CHECK(untyped(R"(a {"x": {y: 1}})") == R"({"x":{"y":1}} guessed)");
    CHECK(meaning(R"(balloon {"value": 8M})") == R"(balloon {"value":8388608})");
}

TEST_CASE("Arrays, by index, by += and in brackets") {
    CHECK(untyped("a l.0=x l.1=y") == R"({"l":["x","y"]})");
    CHECK(untyped("a l+=x l+=y") == R"({"l":["x","y"]})");
    CHECK(untyped("a s.0.host=h s.0.port=\"1\" s.1.host=i") ==
          R"({"s":[{"host":"h","port":"1"},{"host":"i"}]})");
    CHECK(untyped("a l=[x, \"y z\", {k: v}]") == R"({"l":["x","y z",{"k":"v"}]})");
    CHECK(untyped("a l=[]") == R"({"l":[]})");
    CHECK(untyped("a m.\"0\"=x m.\"a.b\"=y") == R"({"m":{"0":"x","a.b":"y"}})");
    CHECK(findings("stop l.1=x") ==
          "!l.1: 'l[1]' is given before the element in front of it (the next one is number 0)");
    CHECK(findings("stop l=1 l.a=x") == "!l.a: 'l' has got another value already");
    CHECK(findings("stop l=1 l=2") == "!l: 'l' is given twice");
}

TEST_CASE("Objects take JSON5's liberties, and need no punctuation") {
    const std::string want =
        R"(blockdev-add {"driver":"qcow2","file":{"driver":"file","filename":"/tmp/x"}})";
    CHECK(meaning("blockdev-add driver=qcow2 file={driver: file, filename: /tmp/x}") == want);
    CHECK(meaning("blockdev-add {\"driver\": \"qcow2\", \"file\": {\"driver\": \"file\", \"filename\": "
                  "\"/tmp/x\"}}") == want);
    CHECK(meaning("blockdev-add {driver qcow2 file {driver file filename /tmp/x}}") == want);
    CHECK(meaning("blockdev-add {driver: qcow2, // format\n file: {driver: file, filename: '/tmp/x',},}") ==
          want);
    CHECK(meaning("blockdev-add{driver:qcow2,file:{driver:file,filename:/tmp/x}}") == want);
    CHECK(meaning("blockdev-add driver=qcow2 {file: {driver: file, filename: /tmp/x}}") == want);
    CHECK(meaning("balloon {value: 8M}") == R"(balloon {"value":8388608})");
    CHECK(findings("balloon {value: 1, value: 2}") == "value: 'value' is given twice (the last one counts)");
}

TEST_CASE("Unbalanced input is blocked, with its place") {
    CHECK(findings("blockdev-add {driver: qcow2") == "!{: column 14: the '{' has no '}'");
    CHECK(findings("device_add bus={'a':1") == "!{: column 16: the '{' has no '}'");
    CHECK(findings("a x=[1, 2") == "![: column 5: the '[' has no ']'");
    CHECK(findings("a x=\"1") == "!\"1: column 5: the closing quote is missing");
    CHECK(findings("a x='\\q'") ==
          "!\\q: column 6: there is no such escape; a backslash itself is written \\\\");
    CHECK(findings("a {x: 1}}") == "!}: column 9: a space is missing behind the object");
    CHECK(findings("a x=\"1\"2") == "!2: column 8: a space is missing behind the value");
    CHECK(findings("a {x: }") == "!}: column 7: a value is missing before '}'");
    CHECK(findings("a {x 1 ]") == "!]: column 8: a name is missing before ']'");
    CHECK(findings("a x") ==
          "!x: 'x' is no argument of a: it has no value (an argument is written name=value)");
    CHECK(findings("a =x") == "!=: column 3: '=' begins no argument (an argument is written name=value)");
    CHECK(findings("=x") == "!=: column 1: a command's name comes first, not '='");
    CHECK(findings("a\nb") == "!b: a second line begins another command");
    CHECK(findings("a x=\xff") == "!\xff: column 5: this is no UTF-8 text");
}

TEST_CASE("Out of band, in the background, pipes") {
    const Request oob = request("query-yank! | .[0] | grep -i \"a|b\" &  # c");
    CHECK(oob.oob);
    CHECK(oob.background);
    REQUIRE(oob.pipes.size() == 2);
    CHECK(to_text(oob.pipes[0]) == ".[0]");
    CHECK(oob.pipes[1].pattern == "a|b");
    CHECK(request("stop &").background);
    CHECK_FALSE(request("device_del id=a&").background);
    CHECK(findings("stop!") == "stop: 'stop' does not run out of band (leave out the '!')");
    CHECK(findings("stop | x") == "!x: column 8: a bar is followed by a path (.name) or by 'grep TEXT'");
    CHECK(findings("stop |") == "!: column 7: nothing follows the bar: a path (.name) or 'grep TEXT' does");
}

TEST_CASE("Transactions") {
    const std::string want =
        R"(transaction {"actions":[{"type":"blockdev-snapshot-sync","data":{"device":"d","snapshot-file":"/x"}},)"
        R"({"type":"abort","data":{}}]})";
    CHECK(meaning("transaction( blockdev-snapshot-sync device=d snapshot-file=/x ; abort )") == want);
    CHECK(meaning("transaction(\n  blockdev-snapshot-sync device=d snapshot-file=/x # one\n  abort\n)") ==
          want);
    CHECK(meaning("transaction(abort;abort) properties.completion-mode=grouped") ==
          R"(transaction {"actions":[{"type":"abort","data":{}},{"type":"abort","data":{}}],)"
          R"("properties":{"completion-mode":"grouped"}})");
    CHECK(findings("transaction( abort") == "!( abort: column 12: the '(' has no ')'");
    CHECK(findings("transaction( blockdev-snapshot-sync devic=d snapshot-file=/x )") ==
          "devic: 'actions[0].data' has no member 'devic' (did you mean 'device'?)");
    CHECK(findings("stop( a )") ==
          "!(: column 5: '(' begins no argument (an argument is written name=value)");
}

TEST_CASE("Values from files and other commands are left open") {
    Request file = request("human-monitor-command command-line=@/tmp/x");
    REQUIRE(file.deferred.size() == 1);
    CHECK(file.deferred[0].file == "/tmp/x");
    CHECK(file.arguments.dump() == R"({"command-line":null})");
    fill_from_file(file, file.deferred[0], std::string_view("info\n"));
    CHECK(file.arguments.dump() == R"({"command-line":"info\n"})");

    Request nested = request("device_del id=$(query-cpus-fast .[0].qom-path)");
    REQUIRE(nested.deferred.size() == 1);
    REQUIRE(nested.deferred[0].command);
    CHECK(nested.deferred[0].command->command == "query-cpus-fast");
    CHECK(to_text(nested.deferred[0].command->pipes.at(0)) == ".[0].qom-path");
    fill_from_reply(nested, nested.deferred[0], Json(7));
    CHECK(nested.arguments.dump() == R"({"id":"7"})");

    Request json = request("blockdev-add driver=raw file=@\"a b\"");
    fill_from_file(json, json.deferred.at(0), std::string_view(R"({"driver": "file"})"));
    CHECK(json.arguments.dump() == R"({"driver":"raw","file":{"driver":"file"}})");
    Request number = request("balloon value=@n");
    fill_from_file(number, number.deferred.at(0), std::string_view("42\n"));
    CHECK(number.arguments.dump() == R"({"value":42})");
    CHECK_THROWS_WITH(fill_from_file(number, number.deferred.at(0), std::string_view("x")),
                      "'n' holds no JSON");

    CHECK(meaning("a x=$(qom-get path=/x property=y | .z) y=$(b)") == R"(a {"x":null,"y":null})");
    CHECK(findings("balloon value=$(query-status") == "!$(query-status: column 15: the '$(' has no ')'");
    CHECK(findings("balloon value=@") ==
          "!@: a file's name is missing behind the '@' (a value that begins with @ is written in quotes)");
}

TEST_CASE("What the schema has to say") {
    CHECK(findings("query-statu") ==
          "query-statu: there is no command 'query-statu' (did you mean 'query-status'?)");
    CHECK(findings("__org.qvm_state").empty());
    CHECK(findings("device_del idd=a") == "idd: there is no argument 'idd' (did you mean 'id'?)");
    CHECK(findings("stop x=1") == "x: there is no argument 'x' (it takes none)");
    CHECK(findings("device_del") == "device_del: 'id' is missing");
    CHECK(findings("balloon value=lots") == "lots: 'value' must be an integer, not a string");
    CHECK(findings("balloon {value: \"1\"}") == "\"1\": 'value' must be an integer, not a string");
    CHECK(findings("set_link name=a up=yes") == "yes: 'up' must be true or false, not a string (write true)");
    CHECK(findings("blockdev-add driver=raw file.driver=fil file.filename=x")
              .starts_with("fil: 'file.driver' has no value 'fil' (did you mean 'file'?)"));
    CHECK(findings("blockdev-add driver=raw file.driver=file file.file-name=x") ==
          "file.file-name: 'file' has no member 'file-name' (did you mean 'filename'?)");
    CHECK(findings("blockdev-add driver=raw file.driver=file") ==
          "file.driver=file: 'file.filename' is missing");
    CHECK(findings("device_add driver=virtio-net-pci macc=x") ==
          "macc: 'virtio-net-pci' has no property 'macc' (did you mean 'mac'?)");
    CHECK(findings("device_add driver=virtio-net-pci rx_queue_size=x") ==
          "x: 'rx_queue_size' must be an integer, not a string");
    CHECK(findings("device_add driver=who-knows macc=x").empty());
}

TEST_CASE("A whole message is QEMU's JSON") {
    const auto raw = [](std::string_view text) { return std::get<RawMessage>(read(text).what); };
    CHECK(raw(R"({"execute": "stop"} )").text == R"({"execute": "stop"})");
    CHECK(raw(R"({'execute': 'balloon', 'arguments': {'value': 1}, 'id': [null]})").object.dump() ==
          R"({"execute":"balloon","arguments":{"value":1},"id":[null]})");
    CHECK(to_text(raw(R"({"execute": "query-status"} | .status)").pipes.at(0)) == ".status");
    CHECK(findings(R"({"execute": "stop"})").empty());
    CHECK(findings(R"({execute: "stop"})") ==
          "!e: column 2: a name in quotes, or a '}', is missing before 'e'");
    CHECK(findings(R"({"execute": "stop",})") == "!}: column 20: a value is missing before '}'");
    CHECK(findings(R"({"execute": stop})") ==
          "!stop: column 13: 'stop' is no JSON (a string is written in quotes)");
    CHECK(findings(R"({"execute": "stop")").starts_with("!{: column 1: the '{' has no '}'"));
    CHECK(findings("{\"execute\": \"st\top\"}") ==
          "!\t: column 16: a string of JSON has no control characters; write \\n, \\t, ...");
    CHECK(findings(R"({"execute": "balloon", "arguments": {"valu": 1}})") ==
          "\"valu\": there is no argument 'valu' (did you mean 'value'?)");
    CHECK(findings(R"({"exec": "stop"})") ==
          "{\"exec\": \"stop\"}: this is no QMP command: it has no \"execute\" with a command's name "
          "(as in {\"execute\": \"query-status\"})");
    CHECK(findings(R"({"execute": "x-unknown"})")
              .starts_with("\"x-unknown\": there is no command 'x-unknown'"));
}

TEST_CASE("Commands of the shell itself") {
    const auto call = [](std::string_view text) { return std::get<BuiltinCall>(read(text).what); };
    const auto help = call("/help  query-status 'a b' x|y | grep \"z\" ");
    CHECK(help.name == "help");
    CHECK(help.words == std::vector<std::string>{"query-status", "a b", "x|y"});
    CHECK(help.rest == "query-status 'a b' x|y | grep \"z\"");
    REQUIRE(help.pipes.size() == 1);
    CHECK(help.pipes[0].pattern == "z");
    const auto search = call("/search don't | stop");
    CHECK(search.words == std::vector<std::string>{"don't", "|", "stop"});
    CHECK(search.pipes.empty());
    CHECK(findings("/search don't | stop").empty());
    CHECK(findings("/hlep") == "!/hlep: there is no shell command '/hlep' (did you mean 'help'?)");
    CHECK(request("//x a=b").command == "/x");
}

TEST_CASE("Nothing is nothing") {
    for (const char* text : {"", "  ", "\n", "# a comment", "  # {"}) {
        const auto entered = read(text);
        CHECK(std::holds_alternative<Nothing>(entered.what));
        CHECK(entered.findings.empty());
    }
}

TEST_CASE("A text of several lines is cut into entries") {
    std::string_view text = "stop\n\n  # note\ntransaction(\n abort\n)\na {x: 1,\n y: 2}\nb {\n\ncont";
    std::vector<std::string> entries;
    while (const auto entry = next_entry(text, false)) entries.emplace_back(*entry);
    CHECK(entries == std::vector<std::string>{"stop", "", "  # note", "transaction(\n abort\n)",
                                              "a {x: 1,\n y: 2}", "b {", ""});
    CHECK(text == "cont");
    CHECK(next_entry(text, true) == "cont");
    CHECK_FALSE(next_entry(text, true));
    text = "a {\n";
    CHECK_FALSE(next_entry(text, false));
    CHECK(next_entry(text, true) == "a {\n");
    CHECK(text.empty());
}

TEST_CASE("A request is written as the shortest entry that gives it") {
    test::SavedVocabulary vocabulary;
    const auto written = [&](const char* command, const char* json) {
        return to_text(command, Json::parse(json), &vocabulary);
    };
    CHECK(written("stop", "{}") == "stop");
    CHECK(written("device_del", R"({"id": "disk0"})") == "device_del id=disk0");
    CHECK(written("device_del", R"({"id": "42"})") == "device_del id=\"42\"");
    CHECK(written("device_del", R"({"id": 42})") == "device_del id:=42");
    CHECK(written("device_del", R"({"id": "a \"b\""})") == "device_del id='a \"b\"'");
    CHECK(written("balloon", R"({"value": 1024})") == "balloon value=1024");
    CHECK(written("blockdev-add", R"({"driver": "raw", "file": {"driver": "file", "filename": "/tmp/x"}})") ==
          "blockdev-add driver=raw file.driver=file file.filename=/tmp/x");
    CHECK(written("blockdev-add",
                  R"({"driver": "raw", "file": {"driver": "file", "aio": "native", "filename": "/x"}})") ==
          "blockdev-add driver=raw file={driver: file, aio: native, filename: /x}");
    CHECK(written("blockdev-add", R"({"driver": "raw", "file": {"driver": "nbd"}})") ==
          "blockdev-add driver=raw file.driver=nbd");
    CHECK(written("transaction", R"({"actions": [{"type": "abort", "data": {}}]})") ==
          "transaction( abort )");
    CHECK(written("two words", "{}") == R"({"execute":"two words"})");
    CHECK(written("/x", "{}") == "//x");
}

namespace {

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
        text.replace(at, what.size(), with);
    return text;
}

/// The entries of the manual page's examples, but for those that show the form with words in italics.
std::vector<std::string> manual_examples(const std::string& page) {
    std::vector<std::string> entries;
    for (auto begin = page.find("\n.EX\n"); begin != std::string::npos;
         begin = page.find("\n.EX\n", begin + 1)) {
        const auto block = page.substr(begin + 5, page.find("\n.EE", begin) - begin - 4);
        if (block.find("\\f") != std::string::npos) continue;
        const std::string text = replaced(block, "\\-", "-");
        std::string_view rest = text;
        while (const auto entry = next_entry(rest, true)) entries.emplace_back(*entry);
    }
    return entries;
}

}  // namespace

TEST_CASE("The manual page's examples mean something, and its grammar is ours") {
    std::ifstream file(QVM_SOURCE_DIR "/man/qvm-shell.7");
    const std::string page{std::istreambuf_iterator<char>(file), {}};
    CHECK(page.find(fmt::format(".BR \"grammar {}\" .", grammar_version)) != std::string::npos);
    const auto entries = manual_examples(page);
    CHECK(entries.size() >= 15);
    for (const std::string& entry : entries) {
        INFO(entry);
        CHECK(findings(entry).empty());
    }
}

namespace {

/// Values such as make trouble, and structures of them.
class Generator {
  public:
    explicit Generator(unsigned seed) : random_(seed) {}

    Json object(int depth) {
        Json result = Json::object();
        for (int count = pick(4); count > 0; --count) result[name()] = value(depth);
        return result;
    }
    std::string command() {
        static const std::vector<std::string> commands = {
            "blockdev-add", "device_add", "object-add", "transaction", "balloon",
            "qom-set",      "unknown",    "/x",         "a b",         ""};
        return commands.at(static_cast<std::size_t>(pick(static_cast<int>(commands.size()))));
    }

  private:
    int pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
    std::string name() {
        static const std::vector<std::string> names = {
            "id", "driver",  "value", "file", "a.b", "0", "12", "x y", "",    "#a",
            "@",  "actions", "type",  "data", "{",   "é", "//", "a:b", "size"};
        return names.at(static_cast<std::size_t>(pick(static_cast<int>(names.size()))));
    }
    Json value(int depth) {
        static const std::vector<const char*> values = {"1",
                                                        "-1",
                                                        "0",
                                                        "1.5",
                                                        "1.0",
                                                        "1e300",
                                                        "-0.0",
                                                        "18446744073709551615",
                                                        "-9223372036854775808",
                                                        "true",
                                                        "false",
                                                        "null",
                                                        R"("")",
                                                        R"("a")",
                                                        R"("a b")",
                                                        R"("42")",
                                                        R"("0x1")",
                                                        R"("8M")",
                                                        R"("on")",
                                                        R"("null")",
                                                        R"("true")",
                                                        R"("a,b")",
                                                        R"("a;b")",
                                                        R"("a)b")",
                                                        R"x("$(x)")x",
                                                        R"("@x")",
                                                        R"("{")",
                                                        R"("a\"b")",
                                                        R"("a'b\"c")",
                                                        R"("\\")",
                                                        R"("\n")",
                                                        R"("//x")",
                                                        R"("/tmp/x")",
                                                        R"("qcow2")",
                                                        R"("file")",
                                                        R"("#x")",
                                                        R"("|")",
                                                        R"("&")",
                                                        R"("é🙂")",
                                                        R"("virtio-net-pci")",
                                                        R"("a]")"};
        const int what = pick(depth > 0 ? 6 : 4);
        if (what < 4)
            return Json::parse(values.at(static_cast<std::size_t>(pick(static_cast<int>(values.size())))));
        if (what == 4) return object(depth - 1);
        Json array = Json::array();
        for (int count = pick(3); count > 0; --count) array.push_back(value(depth - 1));
        return array;
    }

    std::mt19937 random_;
};

bool gives(const std::string& text, Vocabulary& vocabulary, const std::string& command,
           const Json& arguments) {
    const auto entered = parse(text, vocabulary);
    if (entered.blocked()) return false;
    if (const auto* raw = std::get_if<RawMessage>(&entered.what)) {
        return raw->object.at("execute") == command &&
               raw->object.value("arguments", Json::object()).dump() == arguments.dump();
    }
    const auto* what = std::get_if<Request>(&entered.what);
    return what != nullptr && what->command == command && what->arguments.dump() == arguments.dump();
}

}  // namespace

TEST_CASE("What is written is read as the same again, with and without a schema") {
    test::SavedVocabulary known;
    NoVocabulary unknown;
    for (unsigned seed = 0; seed < 4000; ++seed) {
        Generator generator(seed);
        const std::string command = generator.command();
        const Json arguments = generator.object(3);
        INFO(seed << " " << command << " " << arguments.dump());
        const auto typed = to_text(command, arguments, &known);
        INFO(typed);
        REQUIRE(gives(typed, known, command, arguments));
        const auto plain = to_text(command, arguments);
        INFO(plain);
        REQUIRE(gives(plain, unknown, command, arguments));
    }
}

TEST_CASE("No beginning of an entry is a trap") {
    test::SavedVocabulary vocabulary;
    for (const std::string text :
         {"transaction( blockdev-add driver=raw file={a b, c: [1, 2]} ; abort ) x+=1 | .a[0] | grep \"x\" &",
          "device_add id=$(qom-get path=/x property=\"y z\" .a.\"b c\") x:={'a': /* b */ 0x1} y=@\"f g\" # c",
          R"({"execute": "x", "arguments": {"a": [1, -2.5e3, "\u00e9\ud83d\ude42", null]}} | .x)",
          "/help a 'b c' | grep -v x"}) {
        for (std::size_t end = 0; end <= text.size(); ++end) {
            const auto part = text.substr(0, end);
            const auto entered = parse(part, vocabulary);
            for (const auto& finding : entered.findings) {
                INFO(part << ": " << finding.message);
                CHECK(finding.where.end <= part.size());
                CHECK(finding.where.begin <= finding.where.end);
            }
        }
    }
}
