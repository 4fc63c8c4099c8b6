// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/manual.hpp"

#include <algorithm>
#include <clocale>
#include <fstream>
#include <vector>
#include <zlib.h>

#include "shell/schema_page.hpp"
#include "support/saved_qemu.hpp"
#include "support/temporary_directory.hpp"
#include "unit/shell/pictures.hpp"

using namespace qvm::shell;
using namespace qvm::test;

namespace {

/// What QEMU 7.2 installs, in short.
const char* const old_page = R"(.TH "QEMU-QMP-REF" "7" "May 25, 2026" "7.2.22" "QEMU"
.SH NAME
.IP \(bu 2
\fI\%eject (Command)\fP
.SH BLOCK DEVICES
.SS \fBeject\fP (Command)
.sp
Ejects the  device, e.g. the "cd\-rom".  It doesn\(aqt ask
the guest.
.sp
A second \fBparagraph\fP.
.SS Arguments
.INDENT 0.0
.TP
.B \fBdevice\fP: \fBstring\fP (optional)
Block device name
.TP
.B The members of \fBCommon\fP
.TP
.B The members of \fBCommon\fP when \fBdevice\fP is \fB\(dqx\(dq\fP
.UNINDENT
.SS Returns
.INDENT 0.0
.IP \(bu 2
Nothing on success
.IP \(bu 2
If \fBdevice\fP is not valid, DeviceNotFound
.UNINDENT
.SS Since
.sp
0.14
.SS Example
.INDENT 0.0
.INDENT 3.5
.sp
.nf
.ft C
\-> { \(dqexecute\(dq: \(dqeject\(dq,
     \(dqpath\(dq: \(dqC:\\\(dq }

\&.dot
.ft P
.fi
.UNINDENT
.UNINDENT
.SS \fBCommon\fP (Object)
.SS Members
.INDENT 0.0
.TP
.B \fBforce\fP: \fBboolean\fP
Never asks
.UNINDENT
.SS Since
.sp
9.9
.SH EVENTS
.SS \fBSTOP\fP (Event)
.sp
Emitted when the virtual machine is stopped
.SH COPYRIGHT
not an entry
)";

/// What 10.0 and 11.1 install: Sphinx made it of another kind of directive.
const char* const new_page = R"(.TH "QEMU-QMP-REF" "7" "Jun 01, 2026" "11.1.3" "QEMU"
.SH BLOCK DEVICES
.INDENT 0.0
.TP
.B Command eject (Since: 0.14)
This command is deprecated.
.sp
Ejects a device from a removable drive.
.INDENT 7.0
.TP
.B Arguments
.INDENT 7.0
.IP \(bu 2
\fBdevice\fP (\fBstring\fP, \fIoptional\fP) \-\- Block device name
.IP \(bu 2
\fBforce\fP (\fBboolean\fP, \fIoptional\fP) \-\- If true, eject regardless of
whether the drive is locked.
.IP \(bu 2
The members of \fBCommon\fP\&.
.UNINDENT
.TP
.B Errors
.INDENT 7.0
.IP \(bu 2
\fBDeviceNotFound\fP: If \fBdevice\fP is not a valid block device
.UNINDENT

.UNINDENT
.sp
\fBNote:\fP
.INDENT 7.0
.INDENT 3.5
It is gone.
.UNINDENT
.UNINDENT
.INDENT 7.0
.INDENT 3.5
.IP "Example:"
.INDENT 0.0
.INDENT 3.5
.sp
.EX
\-> { \(dqexecute\(dq: \(dqeject\(dq }
.EE
.UNINDENT
.UNINDENT
.UNINDENT
.UNINDENT
.UNINDENT
.INDENT 0.0
.TP
.B Object Common
.INDENT 7.0
.TP
.B Members
.INDENT 7.0
.IP \(bu 2
\fBtray\fP (\fBstring\fP) \-\- Which one
.UNINDENT
.UNINDENT
.UNINDENT
.INDENT 0.0
.TP
.B Event STOP (Since: 0.12)
Emitted when the virtual machine is stopped
.UNINDENT
.SH COPYRIGHT
)";

}  // namespace

TEST_CASE("The manual page of QEMU 7.2 is read") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    const auto manual = Manual::parse(old_page);
    REQUIRE(manual);
    CHECK(manual->version() == "7.2.22");
    CHECK(manual->names() == std::vector<std::string>{"STOP", "eject"});
    CHECK(manual->summary("eject") == "Ejects the device, e.g. the \"cd-rom\".");
    CHECK(manual->summary("STOP") == "Emitted when the virtual machine is stopped");
    CHECK(manual->summary("Common").empty());
    CHECK(manual->page("nothing", 80).empty());
    const auto page = manual->page("eject", 60);
    CHECK(text_of(page) == R"(eject command, since 0.14
Ejects the device, e.g. the "cd-rom". It doesn't ask the
guest.

A second paragraph.

Arguments
  device: string (optional)
      Block device name
  force: boolean
      Never asks
  The members of Common when device is "x"

Returns
  * Nothing on success
  * If device is not valid, DeviceNotFound

Example
    -> { "execute": "eject",
         "path": "C:\" }

    .dot
)");
    CHECK(page[0][0] == Span{"eject", Role::Name});
    CHECK(page[6][0] == Span{"Arguments", Role::Title});
    CHECK(page[7][1] == Span{"device", Role::Key});
    CHECK(page[7][3] == Span{"string", Role::Literal});
    CHECK(text_of(manual->page("STOP", 60)) == "STOP event\nEmitted when the virtual machine is stopped\n");
}

TEST_CASE("The manual page of QEMU since 10.0 is read") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    const auto manual = Manual::parse(new_page);
    REQUIRE(manual);
    CHECK(manual->version() == "11.1.3");
    CHECK(manual->names() == std::vector<std::string>{"STOP", "eject"});
    CHECK(manual->summary("eject") == "Ejects a device from a removable drive.");
    CHECK(text_of(manual->page("eject", 60)) == R"(eject command, since 0.14
This command is deprecated.

Ejects a device from a removable drive.

Arguments
  * device (string, optional) -- Block device name
  * force (boolean, optional) -- If true, eject regardless
     of whether the drive is locked.
  * tray (string) -- Which one

Errors
  * DeviceNotFound: If device is not a valid block device

Note
  It is gone.

Example
    -> { "execute": "eject" }
)");
    CHECK(text_of(manual->page("STOP", 60)) ==
          "STOP event, since 0.12\nEmitted when the virtual machine is stopped\n");
}

TEST_CASE("A page is as narrow as the screen") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    for (const auto* source : {old_page, new_page})
        for (std::size_t columns = 0; columns < 30; ++columns)
            CHECK(widest(Manual::parse(source)->page("eject", columns)) <= columns);
}

TEST_CASE("Text that is no manual page, and a broken one, are nothing to show") {
    CHECK_FALSE(Manual::parse(""));
    CHECK_FALSE(Manual::parse("\x1f\x8b no page\n.SS x (Note)\n"));
    CHECK_FALSE(Manual::load({"/nonexistent/qemu-qmp-ref.7.gz", "/"}));
    // Every way of cutting it off, and escapes that nothing follows.
    const std::string whole = old_page;
    for (std::size_t length = 0; length < whole.size(); length += 3) {
        const auto manual = Manual::parse(whole.substr(0, length));
        if (manual) manual->page("eject", 40);
    }
    const auto odd =
        Manual::parse(".SS x (Command)\n\x1b[31m\\\n\\f\n\\(\n\\[a\n\\X'tty\n.UNINDENT\n.IP\n.TP\n");
    REQUIRE(odd);
    CHECK(text_of(odd->page("x", 80)).find('\x1b') == std::string::npos);
}

TEST_CASE("What a union's value selects is found in the page, and its members") {
    const auto manual = Manual::parse(R"(.TH "QEMU-QMP-REF" "7" "May 25, 2026" "7.2.22" "QEMU"
.SS \fBOptions\fP (Object)
.SS Members
.INDENT 0.0
.TP
.B The members of \fBOptionsDisk\fP when \fBdriver\fP is \fB\(dqdisk\(dq\fP
.TP
.B The members of \fBOptionsPipeWrapper\fP when \fBdriver\fP is \fB\(dqpipe\(dq\fP
.UNINDENT
.SS \fBOptionsPipe\fP (Object)
.sp
A pipe.
.SS \fBOptionsDisk\fP (Object)
.sp
A disk.
.SS Members
.INDENT 0.0
.TP
.B \fBcache\fP: \fBDiskCache\fP (optional)
how it is cached
.sp
in two paragraphs
.TP
.B \fBname\fP: \fBstring\fP
what it is called
.UNINDENT
.SS Since
.sp
2.9
.SS \fBDiskCache\fP (Object)
.SS Members
.INDENT 0.0
.TP
.B \fBdirect\fP: \fBboolean\fP
past the page cache
.UNINDENT
.SS \fBstop\fP (Command)
.sp
Stops.
)");
    REQUIRE(manual);
    const auto page = [&](std::string_view value, const std::vector<std::string>& inside) {
        return text_of(manual->branch_page("Options", value, inside, 60));
    };
    const auto disk = page("disk", {});
    CHECK(disk.starts_with("A disk.\n\nMembers\n  cache: DiskCache (optional)\n"));
    CHECK(disk.find("2.9") == std::string::npos);
    const auto cache = page("disk", {"cache"});
    CHECK(cache.starts_with("cache: DiskCache (optional)\n"));
    CHECK(cache.find("in two paragraphs") != std::string::npos);
    CHECK(cache.find("name") == std::string::npos);
    CHECK(page("disk", {"cache", "direct"}).find("past the page cache") != std::string::npos);
    CHECK(page("pipe", {}) == "A pipe.\n");
    CHECK(page("disk", {"name", "direct"}).empty());
    CHECK(page("disk", {"nothing"}).empty());
    CHECK(page("tape", {}).empty());
    CHECK(manual->branch_page("Nothing", "disk", {}, 60).empty());
}

TEST_CASE("The page is found compressed or not, next to QEMU first") {
    const TemporaryDirectory dir;
    const auto man = dir.path() / "share/man/man7";
    std::filesystem::create_directories(man);
    const auto places = manual_places(dir.path() / "bin/qemu-system-x86_64", "/opt/man::/usr/share/man");
    CHECK(places.front() == man / "qemu-qmp-ref.7.gz");
    CHECK(places[2] == "/opt/man/man7/qemu-qmp-ref.7.gz");
    CHECK(std::ranges::count(places, "/usr/share/man/man7/qemu-qmp-ref.7") == 1);

    std::ofstream(man / "qemu-qmp-ref.7") << new_page;
    CHECK(Manual::load(places)->version() == "11.1.3");
    const auto file = gzopen(places.front().c_str(), "wb");
    gzputs(file, old_page);
    gzclose(file);
    CHECK(Manual::load(places)->version() == "7.2.22");
}

TEST_CASE("Without a manual page the schema says what there is") {
    std::setlocale(LC_CTYPE, "C.UTF-8");
    const auto& schema = saved_qemu().schema;
    const auto page = text_of(schema_page(*schema.command("eject"), 70));
    CHECK(page.find("eject command\n\nArguments\n  device: string (optional) [deprecated]\n") == 0);
    CHECK(page.find("Returns\n  none\n") != std::string::npos);
    CHECK(page.find("qemu-qmp-ref(7)") != std::string::npos);

    const auto job = text_of(schema_page(*schema.command("blockdev-mirror"), 70));
    // Those that must be there come first.
    CHECK(job.find("  target: string\n") < job.find("  job-id: string (optional)\n"));
    CHECK(job.find("  sync: enum\n      top, full, none, incremental, bitmap\n") != std::string::npos);

    const auto add = schema_page(*schema.command("blockdev-add"), 70);
    CHECK(add.size() < 3000);
    CHECK(text_of(add).find("with driver ftp, ftps") == std::string::npos);
    CHECK(text_of(add).find("  with driver qcow2\n") != std::string::npos);
    CHECK(text_of(schema_page(*schema.event("STOP"), 70)).find("STOP event\n\nData\n  none\n") == 0);
    CHECK(text_of(schema_page(*schema.event("JOB_STATUS_CHANGE"), 70)).find("  id: string\n") !=
          std::string::npos);
    for (const auto& name : schema.command_names())
        CHECK(widest(schema_page(*schema.command(name), 20)) <= 20);
}
