// SPDX-License-Identifier: GPL-3.0-or-later
#include "launch/image_names.hpp"

#include "qmp/message.hpp"
#include "support/catch.hpp"

using namespace qvm;
using namespace qvm::launch;

namespace {

/// base <- mid <- top, with a throttle over top; the files are fdsets 1 to 3. `mid`'s is a client's.
BlockGraph chain() {
    const Json graph = Json::parse(R"({
        "nodes": [{"id": 1, "type": "block-driver", "name": "base"}, {"id": 2, "type": "block-driver", "name": "mid"},
                  {"id": 3, "type": "block-driver", "name": "top"}, {"id": 4, "type": "block-driver", "name": "slow"},
                  {"id": 11, "type": "block-driver", "name": "#f1"}, {"id": 12, "type": "block-driver", "name": "#f2"},
                  {"id": 13, "type": "block-driver", "name": "#f3"}, {"id": 20, "type": "block-backend", "name": "x"}],
        "edges": [{"parent": 1, "child": 11, "name": "file"}, {"parent": 2, "child": 12, "name": "file"},
                  {"parent": 3, "child": 13, "name": "file"}, {"parent": 3, "child": 2, "name": "backing"},
                  {"parent": 2, "child": 1, "name": "backing"}, {"parent": 4, "child": 3, "name": "file"},
                  {"parent": 20, "child": 4, "name": "root"}]})");
    Json nodes = Json::array();
    for (const auto& [name, file] : {std::pair{"base", "/dev/fdset/1"},
                                     {"#f1", "/dev/fdset/1"},
                                     {"mid", "/dev/fdset/2"},
                                     {"#f2", "/dev/fdset/2"},
                                     {"top", "/dev/fdset/3"},
                                     {"#f3", "/dev/fdset/3"}})
        nodes.push_back({{"node-name", name}, {"file", file}});
    const Json fdsets = Json::parse(R"([
        {"fdset-id": 1, "fds": [{"fd": 5, "opaque": "blockdev.base.file.filename"}]},
        {"fdset-id": 2, "fds": [{"fd": 6, "opaque": "a client's"}]},
        {"fdset-id": 3, "fds": [{"fd": 7, "opaque": "blockdev.top.file.filename"}]}])");
    Compiled compiled;
    for (const char* name : {"base", "top"}) {
        const std::string id = name;
        compiled.resources.push_back(
            {"blockdev." + id,
             {},
             "[blockdev." + id + "]\ndriver = \"qcow2\"\nfile = { driver = \"file\", filename = \"/srv/" +
                 id + ".qcow2\" }\n"});
    }
    return {graph, nodes, fdsets, compiled};
}

Json named(const char* command, const Json& arguments) {
    return chain().with_backing_file(command, arguments);
}

}  // namespace

TEST_CASE("block jobs write names that mean something outside") {
    CHECK(named("block-stream", {{"device", "top"}, {"base-node", "base"}})["backing-file"] ==
          "/srv/base.qcow2");
    CHECK(named("block-stream", {{"device", "top"}, {"base", "/dev/fdset/1"}})["backing-file"] ==
          "/srv/base.qcow2");
    CHECK(named("block-commit", {{"device", "top"}, {"top-node", "mid"}})["backing-file"] ==
          "/srv/base.qcow2");
    CHECK(named("block-commit",
                {{"device", "top"}, {"top-node", "mid"}, {"base-node", "base"}})["backing-file"] ==
          "/srv/base.qcow2");
}

TEST_CASE("QEMU takes no backing-file beside bottom") {
    CHECK(named("block-stream", {{"device", "top"}, {"bottom", "mid"}}) ==
          Json({{"device", "top"}, {"base-node", "base"}, {"backing-file", "/srv/base.qcow2"}}));
}

TEST_CASE("a job that writes no name is left as it is") {
    for (const Json& arguments :
         {Json({{"device", "top"}}), Json({{"device", "slow"}, {"top-node", "top"}})}) {
        CHECK(named("block-stream", {{"device", "top"}}) == Json({{"device", "top"}}));
        CHECK(named("block-commit", arguments) == arguments);
    }
}

TEST_CASE("a header that would name a file without a name is not written") {
    CHECK_THROWS_AS(named("block-stream", {{"device", "top"}, {"base-node", "mid"}}), qmp::ExecuteError);
    CHECK_THROWS_AS(named("block-stream", {{"device", "top"}, {"base-node", "nobody"}}), qmp::ExecuteError);
}

TEST_CASE("what a client names itself stays") {
    CHECK_FALSE(writes_image_names("block-stream", {{"device", "top"}, {"backing-file", "/x"}}));
    CHECK_FALSE(writes_image_names("query-block", Json::object()));
    CHECK(writes_image_names("block-commit", {{"device", "top"}}));
}
