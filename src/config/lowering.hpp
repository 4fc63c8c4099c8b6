// SPDX-License-Identifier: GPL-3.0-or-later
// What all sugar is lowered with: the checked words of the user, and the VM in the making.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/diagnostic.hpp"
#include "config/document.hpp"
#include "config/resource.hpp"

namespace qvm::config {

/// `~` expanded; relative to the file that says it.
std::filesystem::path absolute_path(const Document& document, const Value& path);

/// A table under construction whose members are said by the user, or follow from what the user said.
class Members {
  public:
    /// `made_at`: the origin of members that no key of the user's stands for.
    explicit Members(Origin made_at) : made_at_(std::move(made_at)) {}

    Members& put(std::string key, Value::Data data) { return put(std::move(key), std::move(data), made_at_); }
    Members& put(std::string key, Value::Data data, Origin origin);
    /// The user's `from_key` as member `key`, if it was given.
    Members& copy(std::string key, const Table& from, std::string_view from_key);
    Table& table() { return table_; }

  private:
    Origin made_at_;
    Table table_;
};

/// One sugar table: [disk.root].
struct Item {
    std::string id;
    std::string where;  ///< "disk.root"
    const Table* table;
    Origin origin;

    // Typed reading. Nothing when the key is absent or its (reported) value was wrong.
    const Value* value(std::string_view key) const;
    std::optional<std::string> text(std::string_view key) const;
    std::optional<std::int64_t> number(std::string_view key) const;
    std::optional<bool> flag(std::string_view key) const;
    const Table* inner(std::string_view key) const;
    /// Sets it if the key is there.
    template <class Choice>
    void choose(std::string_view key, Setting<Choice>& setting) const {
        const auto word = text(key);
        if (const auto choice = word ? choice_named<Choice>(*word) : std::nullopt)
            setting = {*choice, origin_of(key)};
    }
    /// Also true when the value was wrong.
    bool says(std::string_view key) const { return table->find(key) != nullptr; }
    /// Of the key's value, or of the table.
    Origin origin_of(std::string_view key) const;
};

class Lowering {
  public:
    Lowering(const Document& document, Vm& vm, Diagnostics& diagnostics);

    Vm& vm() { return vm_; }
    const Table& root() const { return root_; }
    /// [name], unless it is absent or switched off.
    std::optional<Item> single(std::string_view name) const;
    /// Every [name.X] that is not switched off.
    std::vector<Item> named(std::string_view name) const;
    /// False after `defaults = false`: nothing is made that nobody asked for.
    bool defaults() const { return defaults_; }
    /// True if a top-level key or a table is there, switched off or not.
    bool says(std::string_view name) const { return root_.find(name) != nullptr; }
    /// True if [table.id] is written at the raw level.
    bool has_raw(Kind kind, std::string_view id) const;

    /// `~` expanded; relative to the file that says it.
    std::filesystem::path absolute(const Value& path) const;
    /// The same of a path or a list of them, as a list.
    Array absolute_all(const Value& paths) const;

    /// A file of the VM's own, in its state directory.
    std::filesystem::path kept(const std::string& file) const;

    bool is_microvm() const;
    bool is_q35() const;
    bool is_i440fx() const;
    /// "virtio-blk-pci", or "virtio-blk-device" on a machine without PCI.
    std::string virtio(std::string_view type) const;

    /// Adds a resource; an id that is taken is reported, and the resource dropped.
    void add(Kind kind, std::string id, Members members, const Item& made_by);
    void add(Resource resource);
    /// The same, with what the user says in [X.override_key] merged over `members`.
    void add(Kind kind, std::string id, Members members, const Item& made_by, std::string_view override_key);

    /// A chardev on which QEMU listens: the socket is `socket` in the VM's runtime directory. `more` are
    /// members that every kind of chardev has (QAPI: ChardevCommon).
    void add_listener(const std::string& id, std::string_view socket, const Item& made_by,
                      const Table& more = {});

    /// A chardev on which QEMU listens at `path`, and does not wait for anybody by itself.
    void add_listener(const std::string& id, const Value& path, const Item& made_by);
    /// A chardev that connects to the Unix socket `path`.
    void add_connection(const std::string& id, const Value& path, const Item& made_by);
    /// One that is the connection to the process [host.HOST].
    void add_connection(const std::string& id, const std::string& host, const Item& made_by);

    /// Reports the member of `table` that would give the resource another id than its table's name, and takes
    /// it out: the resource is there for those who refer to it.
    void drop_own_id(Kind kind, const std::string& id, const std::string& where, Table& table);

    void report(DiagnosticKind kind, Origin origin, std::string message, std::vector<std::string> notes = {},
                std::string label = {});

  private:
    /// A chardev of this `data` (QAPI: ChardevSocket).
    void add_socket(const std::string& id, Members data, const Item& made_by);
    /// Take the keys that are not QEMU's out of a block node's properties.
    void take_growth(Resource& node);
    void take_creation(Resource& node);
    void take_template(Resource& node);
    /// Nothing, once reported, if it is no size of a disk.
    std::optional<std::uint64_t> disk_size(const Value& said, const Resource& node);

    const Document& document_;
    Vm& vm_;
    Diagnostics& diagnostics_;
    Table root_;
    bool defaults_ = true;
    std::map<ResourceId, std::pair<std::string, Origin>> taken_;  ///< who made it first
};

}  // namespace qvm::config
