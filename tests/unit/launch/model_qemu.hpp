// SPDX-License-Identifier: GPL-3.0-or-later
// A QEMU that only keeps books: what there is, who needs it, and what it refuses because of that.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "config/resource.hpp"
#include "launch/compile_changes.hpp"
#include "qmp/client.hpp"
#include "qmp/server.hpp"
#include "support/temporary_directory.hpp"

namespace qvm::test {

/// How a resource looks in the books: names of files and descriptors are left out, because they depend on the
/// way it was opened.
Json in_books(const config::Resource& resource);

class ModelQemu {
  public:
    explicit ModelQemu(qmp::net::io_context& context);

    /// As if it had been started so.
    void begin_with(const config::Vm& vm);
    /// By kind and id; fdsets by what they are for.
    Json books() const;
    launch::ObservedFdsets fdsets() const;

    /// Called with each command that changes something, before and after it is done: it may throw.
    std::function<void(const std::string& command, bool done)> on_change;
    /// The guest lets devices go at once; otherwise not at all.
    bool guest_listens = true;
    /// Commands that have changed something.
    std::size_t changes = 0;

    qmp::Client connect();

  private:
    qmp::net::awaitable<Json> answer(qmp::Call call);
    Json ask(const std::string& command, const Json& arguments);
    void change(const std::string& command, const Json& arguments);
    void add(const std::string& kind, const std::string& id, Json entry);
    void remove(const std::string& kind, const std::string& id);
    void expect_fdsets(const Json& arguments) const;
    Json& at(const std::string& kind, const std::string& id);
    Json& at_path(const std::string& path);

    qmp::net::io_context& context_;
    TemporaryDirectory directory_;
    Json books_ = Json::object();
    std::map<int, std::string> fdsets_;
    std::unique_ptr<qmp::Server> server_;
};

}  // namespace qvm::test
