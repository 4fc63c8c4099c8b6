// SPDX-License-Identifier: GPL-3.0-or-later
// QEMU's own description of its protocol, as data. Source: docs/devel/qapi-code-gen, "Client JSON Protocol
// introspection"; the answer of query-qmp-schema. Type names there are masked (numbers): never show one.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json_fwd.hpp"

namespace qvm::qapi {

struct Type;

/// A member of an object type, in schema order.
struct Member {
    std::string name;
    const Type* type = nullptr;
    bool optional = false;
    bool deprecated = false;
    bool unstable = false;
};

enum class Builtin { String, Number, Integer, Boolean, Null, Any };

struct EnumValue {
    std::string name;
    bool deprecated = false;
    bool unstable = false;
};
struct Enum {
    std::vector<EnumValue> values;
};
struct Array {
    const Type* element = nullptr;
};
/// `tag`, when not empty, names the enum member whose value selects the further members.
struct Object {
    struct Variant {
        std::string tag_value;
        const Type* type = nullptr;
    };
    std::vector<Member> members;
    std::string tag;
    std::vector<Variant> variants;

    const Member* member(std::string_view name) const;
    /// The object type of a tag value's further members; null if the value adds none.
    const Type* variant(std::string_view tag_value) const;
};
struct Alternate {
    std::vector<const Type*> choices;
};

struct Type {
    std::variant<Builtin, Enum, Array, Object, Alternate> is;
};

struct Command {
    std::string name;
    const Type* arguments = nullptr;  ///< always an Object
    const Type* returns = nullptr;
    bool allow_oob = false;
    bool deprecated = false;
    bool unstable = false;
};

struct Event {
    std::string name;
    const Type* data = nullptr;
    bool deprecated = false;
    bool unstable = false;
};

/// Owns all types; pointers to them live as long as the Schema (moving it keeps them valid).
class Schema {
  public:
    Schema();
    Schema(const Schema&) = delete;
    Schema& operator=(const Schema&) = delete;
    Schema(Schema&&) noexcept;
    Schema& operator=(Schema&&) noexcept;
    ~Schema();

    /// From the array that query-qmp-schema returns. Throws Error when it is not one.
    static Schema parse(const Json& introspection);

    /// As lines of text, which are read back in a tenth of the time that parse() takes.
    std::string save() const;
    /// Takes what save() wrote off the front of `text`. Nothing if that is damaged.
    static std::optional<Schema> restore(std::string_view& text);

    const Command* command(std::string_view name) const;
    const Event* event(std::string_view name) const;
    /// What the thing is made of that a command makes: its arguments. There is no command that makes an
    /// audiodev, but "query-audiodevs" lists them: of such a one, an element of the list. Null if unknown.
    const Type* described_by(std::string_view command) const;
    const std::vector<std::string>& command_names() const;
    const std::vector<std::string>& event_names() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace qvm::qapi
