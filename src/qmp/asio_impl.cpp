// SPDX-License-Identifier: GPL-3.0-or-later
// Asio's own code, compiled once for the whole program.
#include <boost/asio/impl/src.hpp>
