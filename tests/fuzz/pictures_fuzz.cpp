// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as a manual page, and any JSON as a reply: nothing is thrown, and every line fits and is
// printable.
#include <algorithm>
#include <array>
#include <clocale>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "shell/graph_builder.hpp"
#include "shell/hmp_text.hpp"
#include "shell/manual.hpp"
#include "shell/tables.hpp"
#include "shell/top.hpp"

namespace {

using qvm::Json;
using qvm::shell::Line;

constexpr std::array<const char*, 20> commands{"query-named-block-nodes",
                                               "query-block",
                                               "query-blockstats",
                                               "query-jobs",
                                               "query-block-jobs",
                                               "query-pci",
                                               "query-cpus-fast",
                                               "query-hotpluggable-cpus",
                                               "query-iothreads",
                                               "query-memory-devices",
                                               "query-memdev",
                                               "query-chardev",
                                               "qom-list",
                                               "query-migrate",
                                               "query-rx-filter",
                                               "query-block-exports",
                                               "query-fdsets",
                                               "x-query-roms",
                                               "query-stats",
                                               "query-balloon"};

void check(const std::vector<Line>& lines, std::size_t columns) {
    for (const auto& line : lines) {
        if (qvm::shell::columns_of(line) > columns) std::abort();
        for (const auto& piece : line)
            if (std::ranges::any_of(piece.text, [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
                std::abort();
    }
}

void draw(const Json& reply, std::size_t columns) {
    qvm::shell::Top top;
    for (const auto* command : commands) {
        if (const auto lines = qvm::shell::augment(command, reply, columns)) check(*lines, columns);
        top.absorb(command, &reply, 0);
        top.absorb(command, &reply, 1'000'000);
    }
    check(top.lines(columns, 10), columns);
    for (const auto* kind : {"block", "pci", "qom"}) {
        const auto builder = qvm::shell::graph_named(kind, "");
        // Each answer is the same, so a tree of objects has no end but the one it is given here.
        for (int rounds = 0; rounds < 3 && !builder->done(); ++rounds)
            for (const auto& query : builder->next()) builder->absorb(query.number, &reply);
        const auto graph = builder->graph();
        check(qvm::shell::draw_tree(graph, columns), columns);
        qvm::shell::draw_dot(graph);
        qvm::shell::draw_svg(graph);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    std::setlocale(LC_CTYPE, data[0] % 2 == 0 ? "C.UTF-8" : "C");
    const std::size_t columns = data[0] / 2;
    // SAFETY: bytes are bytes.
    const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
    if (const auto manual = qvm::shell::Manual::parse(std::string(bytes))) {
        for (const auto& name : manual->names()) {
            manual->summary(name);
            check(manual->page(name, columns), columns);
        }
    }
    qvm::shell::Hmp hmp;
    check(hmp.answer(bytes.substr(0, 10), bytes, columns), columns);
    qvm::shell::hint_line(bytes);
    const auto reply = Json::parse(bytes, nullptr, false);
    if (!reply.is_discarded()) draw(reply, columns);
    return 0;
}
