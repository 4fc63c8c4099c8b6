// SPDX-License-Identifier: GPL-3.0-or-later
// One visitor for std::visit out of several lambdas.
#pragma once

namespace qvm::launch {

template <class... Cases>
struct Overloaded : Cases... {
    using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

}  // namespace qvm::launch
