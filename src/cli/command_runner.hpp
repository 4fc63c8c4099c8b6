// SPDX-License-Identifier: GPL-3.0-or-later
// Commands of the shell's grammar, run on a connection without a shell: what `qvm qmp` does.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "qmp/client.hpp"
#include "shell/grammar.hpp"
#include "shell/live_names.hpp"

namespace qvm::cli {

/// What introspection tells, asked only when a value's type makes a difference. The schema, which costs QEMU
/// some 30 ms, is shared with the shell's cache.
class RemoteVocabulary : public shell::Vocabulary {
  public:
    const qapi::Schema* schema() const override { return schema_ ? &*schema_ : nullptr; }
    std::vector<std::string> command_names() const override { return commands_; }
    std::optional<std::vector<std::string>> names(shell::NameKind kind, std::string_view context) override {
        return live_.names(kind, context);
    }
    std::string property_type(std::string_view type, std::string_view property) override {
        return live_.property_type(type, property);
    }
    std::string summary(std::string_view /*command*/) override { return {}; }
    std::vector<Builtin> builtins() const override { return {}; }

    /// Learns the schema, once. A server that has none (the guest agent) is left at that.
    qmp::net::awaitable<void> learn_schema(qmp::Client& client, std::chrono::milliseconds deadline);
    /// Asks what was wanted. False if that was nothing.
    qmp::net::awaitable<bool> learn_names(qmp::Client& client, std::chrono::milliseconds deadline);

  private:
    std::optional<qapi::Schema> schema_;
    bool schema_asked_ = false;
    std::vector<std::string> commands_;
    shell::LiveNames live_;
};

class CommandRunner {
  public:
    struct Options {
        std::chrono::milliseconds deadline{30'000};
        bool force = false;                   ///< send what the schema has something against
        std::vector<shell::PipeStage> pipes;  ///< over every reply, after its own
    };

    /// The client must be connected, and stay so long.
    CommandRunner(qmp::Client& client, Options options) : client_(client), options_(std::move(options)) {}

    /// One entry as a request, everything that was left open filled in. Nothing for an empty entry. Throws
    /// Error (2) for what must not be sent, and what the commands within throw.
    qmp::net::awaitable<std::optional<shell::Request>> understand(std::string entry);
    /// Runs it and sends the reply through its pipes. Throws as qmp::Client::execute does, and Error (2) when
    /// a pipe does not fit the reply.
    qmp::net::awaitable<Json> run(shell::Request request);

  private:
    qmp::net::awaitable<void> parse(std::string entry, shell::Entered& entered);
    qmp::net::awaitable<void> fill_in(shell::Request& request, std::size_t depth);

    qmp::Client& client_;
    Options options_;
    RemoteVocabulary vocabulary_;
};

/// A pipe's stage from the command line. Throws Error (2).
shell::PipeStage parse_reply_option(const std::string& path);

/// What a shell has split into words, as one entry again: a value with spaces in it gets its quotes back.
std::string joined_words(const std::vector<std::string>& words);

}  // namespace qvm::cli
