// SPDX-License-Identifier: GPL-3.0-or-later
// What json_schema() is made of; only for the files that hold it.
//
// Three rules for what is written here. An editor shows the errors of `if`/`then`, and of anyOf only that
// there is one: so choices are made by `if`. Completion looks into anyOf and allOf, and never into `then`: so
// what it should offer stands in an anyOf beside {}, which refuses nothing. And a schema that has an allOf is
// not asked for its description.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "qapi/capabilities.hpp"

namespace qvm::config::schema {

/// Of a string that is not plain text: ${..} may become anything.
inline constexpr std::string_view variable = R"(\$\{)";
/// parse_size() takes it.
inline constexpr std::string_view size_text = R"(^[0-9]+(\.[0-9]+)? *([KMGTPEkmgtpe](iB)?|[Bb])?$)";

/// The parts of the document that others refer to.
class Definitions {
  public:
    /// A name as it stands in a reference.
    static std::string plain(std::string_view name);
    /// {"$ref": ..}; it need not be there yet.
    static Json ref(std::string_view name);

    void set(std::string_view name, Json schema) { all_[plain(name)] = std::move(schema); }
    const Json* find(std::string_view name) const;
    /// What is said more than once in the properties of the definitions stands once, and is referred to.
    void share_properties();
    Json to_json() const;

  private:
    std::map<std::string, Json> all_;
};

/// What a key may be in several tables: each way once.
class Ways {
  public:
    void add(const std::string& key, const Json& schema);
    void add(const Ways& others);
    /// An object of these keys and no others.
    Json to_json() const;

  private:
    std::map<std::string, std::vector<Json>> keys_;
};

/// An object of these properties and no others.
Json closed(Json properties);
/// Strings of a pattern, or with a variable in them.
Json pattern(std::string_view more = {});
/// Makes `schema` take no other words. `values` may hold what is no string, too.
void allow_only(Json& schema, const Json& values);
/// `then` is what holds for a table.
void for_tables(Json& schema, Json then);
/// For completion alone.
void offer(Json& schema, Json what);
/// {"if": KEY is one of `values`, "then": `then`}
Json when(std::string_view key, Json values, Json then);
/// {"if": there is no KEY, "then": `then`}
Json without(std::string_view key, Json then);

/// The raw tables of QMP's commands, as definitions: "blockdev", "blockdev.qcow2", "any.blockdev", ..
void define_qapi(const qapi::Capabilities& qemu, Definitions& definitions);

/// A property of QOM's.
Json of_property(const qapi::Property& property);
/// "device", "any.device"; "device.with.drive", "any.device.drive" (of what has a drive), and for netdev. The
/// definition of each driver.
std::map<std::string, std::string> define_devices(const qapi::Capabilities& qemu, Definitions& definitions);
/// "machine" and "cpu" with "any.machine" and "any.cpu", the language's own keys included.
void define_machines(const qapi::Capabilities& qemu, Definitions& definitions);
void define_cpus(const qapi::Capabilities& qemu, Definitions& definitions);
/// What there is in [global], each a "global" and the definition of its driver; and in [option].
Json globals(const qapi::Capabilities& qemu, const std::map<std::string, std::string>& devices);
Json options(const qapi::Capabilities& qemu);

/// The properties of the whole file, of which `globals` are those of [global].
Json language(const qapi::Capabilities& qemu, Json globals, Definitions& definitions);

}  // namespace qvm::config::schema
