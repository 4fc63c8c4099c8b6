// SPDX-License-Identifier: GPL-3.0-or-later
// What type an argument has: by the schema, and beyond it where a command takes a device's or an object's
// properties.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.hpp"
#include "shell/grammar_tree.hpp"

namespace qvm::shell {

/// The text of a member whose value selects further members, or says whose properties these are.
using TextOf = std::function<std::optional<std::string>(const std::string& member)>;
TextOf texts_of(const Node& object);
TextOf texts_of(const Json& object);

/// The object and the branches that its tags select, outermost first.
std::vector<const qapi::Object*> parts_of(const qapi::Object& type, const TextOf& text_of);
const qapi::Member* find_member(const std::vector<const qapi::Object*>& parts, std::string_view name);

/// The type that QOM's word means ("uint32", "bool", "str"); null for "". `property` is its name.
const qapi::Type* type_of_property(std::string_view word, std::string_view property);

/// Of the member of an object, or of the object that an alternate allows. Null when the object's is not
/// known; any for a member that it does not have.
const qapi::Type* type_of_member(const qapi::Type* object, const std::string& member, const TextOf& text_of);
/// Of the elements of an array, in the same way.
const qapi::Type* type_of_element(const qapi::Type* array);
/// The object type, or the one that an alternate allows; null if there is none.
const qapi::Object* object_in(const qapi::Type* type);

/// The types of one command's arguments.
class ArgumentTypes {
  public:
    ArgumentTypes(std::string command, Vocabulary& vocabulary);

    /// Null when the schema, or the command in it, is not known.
    const qapi::Command* command() const { return command_; }
    const std::string& name() const { return name_; }
    /// Of a member at the top, in the same way.
    const qapi::Type* type_of(const std::string& argument, const TextOf& text_of) const;
    /// What a member at the top is that the schema does not tell of: a property of device_add's device, or
    /// qom-set's value. Null if it is none, or not known.
    const qapi::Type* beyond_schema(const std::string& member, const TextOf& text_of) const;
    /// True if the command takes members that the schema does not name.
    bool is_open() const { return name_ == "device_add"; }
    Vocabulary& vocabulary() const { return *vocabulary_; }

  private:
    std::string name_;
    Vocabulary* vocabulary_;
    const qapi::Command* command_ = nullptr;
};

/// A bare word as the type wants it, null for a type that is not known; `guessed` is set when another type
/// would have made something else of it.
Json typed(std::string_view word, const qapi::Type* type, bool& guessed);

}  // namespace qvm::shell
