// SPDX-License-Identifier: GPL-3.0-or-later
// What the tables are made of, for tables*.cpp.
#pragma once
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json_fwd.hpp"
#include "shell/frame.hpp"
#include "shell/layout.hpp"

namespace qvm::shell::tables {

using Lines = std::vector<Line>;
using Table = std::optional<Lines>;  ///< nothing: the reply is not of the form we know

// Cells of a member; empty ones where it is missing or of another type.
Span text_cell(const Json& value, std::string_view name, Role role = Role::Plain);
Span size_cell(const Json& value, std::string_view name);
Span number_cell(const Json& value, std::string_view name);
Span hex_cell(const Json& value, std::string_view name);
Span yes_cell(const Json& value, std::string_view name, const char* yes, const char* no);
Span percent_cell(std::optional<double> done, std::optional<double> whole);
/// The state of a job or of I/O, with the role that goes with it.
Span status_cell(const Json& value, std::string_view name);

using RowMaker = std::function<std::optional<Line>(const Json& entry)>;
/// A table with a row for each entry of an array; nothing when one of them has none.
Table rows_of(const Json& reply, const std::vector<Column>& header, const RowMaker& make,
              std::size_t columns);

Table pci(const Json& reply, std::size_t columns);
Table cpus(const Json& reply, std::size_t columns);
Table hotpluggable_cpus(const Json& reply, std::size_t columns);
Table iothreads(const Json& reply, std::size_t columns);
Table memory_devices(const Json& reply, std::size_t columns);
Table memory_backends(const Json& reply, std::size_t columns);
Table chardevs(const Json& reply, std::size_t columns);
Table qom_properties(const Json& reply, std::size_t columns);
Table migration(const Json& reply, std::size_t columns);
Table receive_filters(const Json& reply, std::size_t columns);
Table exports(const Json& reply, std::size_t columns);
Table fdsets(const Json& reply, std::size_t columns);

}  // namespace qvm::shell::tables
