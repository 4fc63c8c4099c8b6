// SPDX-License-Identifier: GPL-3.0-or-later
#include <cstdio>

#include "base/version.hpp"

int main() { std::printf("qvm %s\n", qvm::version); }
