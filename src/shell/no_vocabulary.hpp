// SPDX-License-Identifier: GPL-3.0-or-later
// A server of which nothing is known, and nothing will be.
#pragma once
#include "shell/vocabulary.hpp"

namespace qvm::shell {

class NoVocabulary : public Vocabulary {
  public:
    const qapi::Schema* schema() const override { return nullptr; }
    std::vector<std::string> command_names() const override { return {}; }
    std::optional<std::vector<std::string>> names(NameKind /*kind*/, std::string_view /*context*/) override {
        return std::nullopt;
    }
    std::string property_type(std::string_view /*device_type*/, std::string_view /*property*/) override {
        return {};
    }
    std::string summary(std::string_view /*command*/) override { return {}; }
    std::vector<Builtin> builtins() const override { return {}; }
};

}  // namespace qvm::shell
