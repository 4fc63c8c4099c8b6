// SPDX-License-Identifier: GPL-3.0-or-later
#include "config/libvirt_domain.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "config/import_libvirt.hpp"
#include "config/import_syntax.hpp"
#include "config/vocabulary.hpp"

namespace qvm::config {
namespace {

/// Where a device is put, what it is called, who may open it: qvm's own affair.
constexpr auto without_meaning =
    std::to_array<std::string_view>({"address", "alias", "metadata", "seclabel"});

constexpr std::size_t longest_shown = 160;

std::string shown(pugi::xml_node node) {
    std::ostringstream out;
    node.print(out, "", pugi::format_raw | pugi::format_no_declaration);
    const auto text = out.str();
    return text.size() > longest_shown ? std::string(cut_to_width(text, longest_shown)) + ".." : text;
}

/// "devices/disk/driver"
std::string path_of(pugi::xml_node node) {
    std::string path = node.name();
    for (auto above = node.parent(); above.parent() && above.parent().type() == pugi::node_element;
         above = above.parent())
        path = fmt::format("{}/{}", above.name(), path);
    return path;
}

/// Whatever shows what is left of it shows no secret.
void hide_secrets(pugi::xml_node node) {
    for (auto attribute : node.attributes())
        if (std::string_view(attribute.name()) == "passwd") attribute.set_value("..");
    if (std::string_view(node.name()) == "cookie") node.text().set("..");
    for (auto child : node.children()) hide_secrets(child);
}

struct Place {
    std::size_t line = 1, column = 1;
};

Place place_of(std::string_view text, std::size_t offset) {
    Place place;
    for (const char c : text.substr(0, offset)) {
        place.column = c == '\n' ? 1 : place.column + 1;
        if (c == '\n') ++place.line;
    }
    return place;
}

}  // namespace

LibvirtDomain::Node LibvirtDomain::see(Node parent, const char* name) {
    const Node node = parent.child(name);
    if (node) see(node);
    return node;
}

LibvirtDomain::Text LibvirtDomain::take(Node node, const char* attribute) {
    const auto found = node.attribute(attribute);
    if (!found) return std::nullopt;
    std::string value = found.value();
    node.remove_attribute(found);
    return value;
}

bool LibvirtDomain::take_on(Node node, const char* attribute) {
    const auto value = take(node, attribute);
    return value == "yes" || value == "on";
}

std::optional<std::int64_t> LibvirtDomain::take_number(Node node, const char* attribute) {
    const auto text = std::string(node.attribute(attribute).value());
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    node.remove_attribute(attribute);
    return number;
}

LibvirtDomain::Text LibvirtDomain::text_of(Node parent, const char* name) {
    const Node node = see(parent, name);
    if (!node) return std::nullopt;
    std::string text = node.text().get();
    const auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos) return std::string();
    return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

void LibvirtDomain::warn(const std::string& text) {
    draft_.remark(text);
    warnings_.push_back(text);
}

void LibvirtDomain::leave_out(Node node, std::string_view reason) {
    for (const auto name : {"address", "alias"})
        while (node.remove_child(name)) {
        }
    warn(fmt::format("{}: {}", shown(node), reason));
    drop(node);
}

void LibvirtDomain::report_rest(Node node) {
    for (const auto& attribute : node.attributes()) {
        if (std::string_view(attribute.name()).starts_with("xmlns")) continue;
        warn(fmt::format("{} {}='{}': the language has no such key", path_of(node), attribute.name(),
                         attribute.value()));
    }
    for (Node child = node.first_child(); child;) {
        const Node here = child;
        child = child.next_sibling();
        if (here.type() != pugi::node_element ||
            std::ranges::find(without_meaning, std::string_view(here.name())) != without_meaning.end())
            continue;
        if (seen_.contains(here.hash_value()))
            report_rest(here);
        else
            leave_out(here, node == domain_ ? "it has no place here"
                                            : fmt::format("it has no place here (in {})", path_of(node)));
    }
}

std::string LibvirtDomain::unique_id(const std::string& wanted) {
    std::string id;
    for (const char c : wanted) {
        const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
        id += fits ? c : '-';
    }
    constexpr std::size_t longest = 17;
    if (id.empty() || id[0] < 'a' || id[0] > 'z') id = "x" + id;
    id = id.substr(0, longest);
    std::string one = id;
    for (int number = 1; !ids_.insert(one).second; ++number) one = fmt::format("{}{}", id, number);
    return one;
}

Import LibvirtDomain::run() {
    see(domain_);
    hide_secrets(domain_);
    basics();
    memory();
    processors();
    nodes();
    boot();
    features();
    clock();
    cpu();
    lifecycle();
    devices();
    command_line();
    draft_.set("machine", Value(machine_, {}));
    report_rest(domain_);
    return {draft_.text("a domain of libvirt"), std::move(warnings_)};
}

Import import_libvirt(const std::string& xml) {
    if (!is_utf8(xml))
        throw Error(ExitCode::Invalid, "the XML is no UTF-8 text, and no TOML file can hold it");
    pugi::xml_document document;
    const auto result =
        document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
    if (!result) {
        const auto place =
            place_of(xml, static_cast<std::size_t>(std::max<std::ptrdiff_t>(result.offset, 0)));
        throw Error(ExitCode::Invalid,
                    fmt::format("{}:{}: this is no XML: {}", place.line, place.column, result.description()));
    }
    auto domain = document.child("domain");
    if (!domain)
        throw Error(ExitCode::Invalid,
                    fmt::format("the XML is no domain, but <{}>", document.document_element().name()),
                    "`virsh dumpxml NAME` prints one");
    const std::string type = domain.attribute("type").value();
    if (type != "kvm" && type != "qemu")
        throw Error(ExitCode::Invalid, fmt::format("a domain of type '{}' does not run on QEMU", type));
    return LibvirtDomain(domain).run();
}

}  // namespace qvm::config
