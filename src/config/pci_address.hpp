// SPDX-License-Identifier: GPL-3.0-or-later
// Where a PCI device of this host is.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace qvm::config {

/// "0000:41:00.0" of that or of the short form "41:00.0", as lspci(8) prints them. Nothing for anything else.
std::optional<std::string> full_pci_address(std::string_view text);

}  // namespace qvm::config
