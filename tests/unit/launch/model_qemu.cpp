// SPDX-License-Identifier: GPL-3.0-or-later
#include "model_qemu.hpp"

#include <algorithm>
#include <array>

#include "qmp/transport.hpp"

namespace qvm::test {
namespace {

using config::Kind;

[[noreturn]] void refuse(const std::string& why) {
    throw qmp::ExecuteError("", "GenericError", why);
}

/// Members that name something else in the books, and its kind.
struct Naming {
    std::string_view member, kind;
};
constexpr auto namings = std::to_array<Naming>({
    {"drive", "blockdev"},
    {"file", "blockdev"},
    {"backing", "blockdev"},
    {"medium", "blockdev"},
    {"iothread", "object"},
    {"throttle-group", "object"},
    {"netdev", "netdev"},
    {"chardev", "chardev"},
    {"bus", "device"},
});

bool names(const Json& entry, std::string_view kind, const std::string& id) {
    for (const auto& member : entry.items()) {
        if (member.value().is_object() && names(member.value(), kind, id)) return true;
        if (!member.value().is_string() || member.value() != id) continue;
        if (std::ranges::any_of(namings,
                                [&](const auto& n) { return n.member == member.key() && n.kind == kind; }))
            return true;
    }
    return false;
}

void leave_out_files(Json& arguments) {
    if (!arguments.is_object()) return;
    arguments.erase("filename");
    for (auto& member : arguments) leave_out_files(member);
}

std::string kind_name(Kind kind) {
    return config::ResourceId{kind, "x"}.to_string().substr(
        0, config::ResourceId{kind, "x"}.to_string().find('.'));
}

Json entry_of(const std::string& kind, Json arguments) {
    // A socket that was passed goes by another type live than at the start.
    if (kind == "netdev" || kind == "chardev") return Json::object();
    for (const char* id : {"id", "node-name"}) arguments.erase(id);
    leave_out_files(arguments);
    if (kind == "blockdev") arguments.erase("read-only");  // QEMU's default depends on the format
    return arguments;
}

}  // namespace

Json in_books(const config::Resource& resource) {
    Json entry = entry_of(kind_name(resource.id.kind), resource.arguments);
    if (resource.id.kind == Kind::Device && resource.driver().ends_with("-cd"))
        entry["medium"] = entry.contains("drive") ? entry["drive"] : Json();
    return entry;
}

ModelQemu::ModelQemu(qmp::net::io_context& context) : context_(context) {
    qmp::Server::Options options;
    options.greeting.major = 7;
    server_ =
        std::make_unique<qmp::Server>(context, qmp::listen_unix((directory_.path() / "qmp").string()),
                                      options, [this](qmp::Call call) { return answer(std::move(call)); });
}

qmp::Client ModelQemu::connect() {
    return qmp::Client::connect_unix(context_, (directory_.path() / "qmp").string());
}

void ModelQemu::begin_with(const config::Vm& vm) {
    books_ = Json::object({{"object", Json::object()},
                           {"blockdev", Json::object()},
                           {"netdev", Json::object()},
                           {"chardev", Json::object()},
                           {"device", Json::object()}});
    fdsets_.clear();
    for (const auto& resource : vm.resources) {
        for (const auto& use : resource.host_uses) {
            if (use.entrance != config::Entrance::Fdset || !use.host.empty()) continue;
            std::string name = resource.id.to_string();
            for (const auto& part : use.member) name += '.' + part;
            fdsets_[static_cast<int>(fdsets_.size()) + 1] = name;
        }
        if (resource.id.kind != Kind::Host)
            books_[kind_name(resource.id.kind)][resource.id.id] = in_books(resource);
    }
}

Json ModelQemu::books() const {
    Json all = books_;
    std::vector<std::string> purposes;
    for (const auto& [number, purpose] : fdsets_) purposes.push_back(purpose);
    std::ranges::sort(purposes);
    all["fdset"] = purposes;
    return all;
}

launch::ObservedFdsets ModelQemu::fdsets() const {
    launch::ObservedFdsets observed;
    for (const auto& [number, purpose] : fdsets_) {
        observed.by_name[purpose] = number;
        observed.next = std::max(observed.next, number + 1);
    }
    return observed;
}

qmp::net::awaitable<Json> ModelQemu::answer(qmp::Call call) {
    const std::string command = call.command;
    if (command.starts_with("query-") || command == "qom-get" || command == "qom-list")
        co_return ask(command, call.arguments);
    if (on_change) on_change(command, false);
    change(command, call.arguments);
    ++changes;
    if (on_change) on_change(command, true);
    if (command == "device_del" && guest_listens) {
        const auto id = call.arguments.at("id").get<std::string>();
        remove("device", id);
        qmp::Event gone;
        gone.name = "DEVICE_DELETED";
        gone.data = {{"device", id}, {"path", "/machine/peripheral/" + id}};
        server_->broadcast(gone);
    }
    co_return Json::object();
}

Json ModelQemu::ask(const std::string& command, const Json& arguments) {
    if (command == "query-status") return {{"running", true}, {"status", "running"}};
    if (command == "qom-get") {
        const Json& entry = at_path(arguments.at("path"));
        const auto property = arguments.at("property").get<std::string>();
        return entry.contains(property) ? entry.at(property) : Json(-1);
    }
    if (command != "qom-list") refuse("unknown");
    Json list = Json::array();
    for (const auto& device : books_.at("device").items()) list.push_back({{"name", device.key()}});
    return list;
}

Json& ModelQemu::at(const std::string& kind, const std::string& id) {
    if (!books_.at(kind).contains(id)) refuse(kind + " '" + id + "' is not there");
    return books_.at(kind).at(id);
}

Json& ModelQemu::at_path(const std::string& path) {
    const auto id = path.substr(path.rfind('/') + 1);
    return at(path.starts_with("/objects/") ? "object" : "device", id);
}

void ModelQemu::add(const std::string& kind, const std::string& id, Json entry) {
    if (books_.at(kind).contains(id)) refuse(kind + " '" + id + "' is there already");
    for (const auto& naming : namings)
        if (const auto named = entry.find(naming.member);
            named != entry.end() && named->is_string() && naming.member != "bus")
            at(std::string(naming.kind), named->get<std::string>());
    books_.at(kind)[id] = std::move(entry);
}

void ModelQemu::remove(const std::string& kind, const std::string& id) {
    at(kind, id);
    for (const auto& other : books_)
        for (const auto& entry : other.items())
            if (names(entry.value(), kind, id)) refuse(kind + " '" + id + "' is in use by " + entry.key());
    books_.at(kind).erase(id);
}

void ModelQemu::expect_fdsets(const Json& arguments) const {
    constexpr std::string_view prefix = "/dev/fdset/";
    for (const auto& member : arguments.items()) {
        if (member.value().is_object()) expect_fdsets(member.value());
        if (member.key() != "filename" || !member.value().is_string()) continue;
        const auto name = member.value().get<std::string>();
        if (!name.starts_with(prefix) || !fdsets_.contains(std::stoi(name.substr(prefix.size()))))
            refuse("cannot open " + name);
    }
}

void ModelQemu::change(const std::string& command, const Json& arguments) {
    const auto text = [&](const char* member) { return arguments.at(member).get<std::string>(); };
    if (command == "object-add") return add("object", text("id"), entry_of("object", arguments));
    if (command == "object-del") return remove("object", text("id"));
    if (command == "blockdev-add") {
        expect_fdsets(arguments);
        return add("blockdev", text("node-name"), entry_of("blockdev", arguments));
    }
    if (command == "blockdev-del") return remove("blockdev", text("node-name"));
    if (command == "netdev_add") return add("netdev", text("id"), entry_of("netdev", arguments));
    if (command == "netdev_del") return remove("netdev", text("id"));
    if (command == "chardev-add") return add("chardev", text("id"), Json::object());
    if (command == "chardev-remove") return remove("chardev", text("id"));
    if (command == "device_add") {
        Json entry = entry_of("device", arguments);
        if (text("driver").ends_with("-cd"))
            entry["medium"] = entry.contains("drive") ? entry["drive"] : Json();
        return add("device", text("id"), std::move(entry));
    }
    if (command == "device_del") {
        at("device", text("id"));
        return;
    }
    if (command == "add-fd") {
        fdsets_[arguments.at("fdset-id").get<int>()] = text("opaque");
        return;
    }
    if (command == "remove-fd") {
        if (fdsets_.erase(arguments.at("fdset-id").get<int>()) == 0) refuse("no such fdset");
        return;
    }
    if (command == "qom-set") {
        Json& entry = at_path(arguments.at("path"));
        const auto property = text("property");
        const Json& value = arguments.at("value");
        if (property == "drive") at("blockdev", value.get<std::string>());
        if (property == "bootindex" && value == -1)
            entry.erase(property);
        else
            entry[property] = value;
        return;
    }
    if (command == "set_link") {
        Json& entry = at("device", text("name"));
        entry.erase("link-down");
        if (!arguments.at("up").get<bool>()) entry["link-down"] = true;
        return;
    }
    if (command == "blockdev-open-tray" || command == "blockdev-close-tray") {
        Json& entry = at("device", text("id"));
        entry.erase("tray");
        if (command == "blockdev-open-tray") entry["tray"] = "open";
        return;
    }
    if (command == "blockdev-remove-medium" || command == "blockdev-insert-medium") {
        Json& entry = at("device", text("id"));
        if (!entry.contains("tray")) refuse("the tray is closed");
        if (command == "blockdev-insert-medium") at("blockdev", text("node-name"));
        entry["medium"] = command == "blockdev-insert-medium" ? arguments.at("node-name") : Json();
        entry.erase("drive");
        if (!entry["medium"].is_null()) entry["drive"] = entry["medium"];
        return;
    }
    if (command == "getfd" || command == "closefd" || command == "set-action") return;
    refuse("this model knows no " + command);
}

}  // namespace qvm::test
