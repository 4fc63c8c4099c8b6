// SPDX-License-Identifier: GPL-3.0-or-later
#include "qmp/session.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace qvm::qmp {
namespace {

constexpr std::size_t shown_bytes = 200;

/// The length of the UTF-8 character at the beginning of `text`, or 0 when there is none (RFC 3629: no
/// surrogates, nothing longer than needed, nothing above U+10FFFF).
std::size_t character_length(std::string_view text) {
    const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    const unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (byte(1) < low || byte(1) > high) return 0;
    for (std::size_t i = 2; i < length; ++i) {
        if ((byte(i) & 0xc0U) != 0x80) return 0;
    }
    return length;
}

std::string replace_invalid_utf8(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = character_length(text);
        result += length > 0 ? text.substr(0, length) : "\xef\xbf\xbd";
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return result;
}

const Json* find(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() ? nullptr : &*found;
}

std::string text_of(const Json& object, const char* key) {
    const Json* value = find(object, key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

template <typename Integer>
Integer number_of(const Json& object, const char* key) {
    const Json* value = find(object, key);
    return value != nullptr && value->is_number_integer() ? value->get<Integer>() : Integer{0};
}

Json taken(Json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() ? Json() : std::move(*found);
}

Greeting greeting_of(const Json& content) {
    Greeting greeting;
    const Json* version = find(content, "version");
    if (version != nullptr && version->is_object()) {
        greeting.package = text_of(*version, "package");
        const Json* qemu = find(*version, "qemu");
        if (qemu != nullptr && qemu->is_object()) {
            greeting.major = number_of<int>(*qemu, "major");
            greeting.minor = number_of<int>(*qemu, "minor");
            greeting.micro = number_of<int>(*qemu, "micro");
        }
    }
    const Json* offered = find(content, "capabilities");
    if (offered != nullptr && offered->is_array()) {
        for (const auto& capability : *offered) {
            if (capability.is_string()) greeting.capabilities.push_back(capability.get<std::string>());
        }
    }
    return greeting;
}

Event event_of(Json& message) {
    Event event;
    event.name = text_of(message, "event");
    event.data = taken(message, "data");
    if (!event.data.is_object()) event.data = Json::object();
    const Json* time = find(message, "timestamp");
    if (time != nullptr && time->is_object()) {
        event.seconds = number_of<std::int64_t>(*time, "seconds");
        event.microseconds = number_of<std::int64_t>(*time, "microseconds");
    }
    return event;
}

Inbound classify(Json message, std::string_view bytes) {
    if (const Json* error = find(message, "error"); error != nullptr && error->is_object()) {
        return ErrorReply{taken(message, "id"), text_of(*error, "class"), text_of(*error, "desc")};
    }
    if (find(message, "return") != nullptr) {
        Json id = taken(message, "id");
        return Reply{std::move(id), taken(message, "return")};
    }
    if (const Json* name = find(message, "event"); name != nullptr && name->is_string()) {
        return event_of(message);
    }
    if (const Json* content = find(message, "QMP"); content != nullptr && content->is_object()) {
        return greeting_of(*content);
    }
    return Garbage{"it is an object, but no QMP message", std::string(bytes.substr(0, shown_bytes))};
}

/// Names and ids, which hardly ever need what a JSON serializer costs.
void append_text(std::string& bytes, std::string_view text) {
    const bool plain = std::all_of(text.begin(), text.end(), [](char byte) {
        return byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\';
    });
    if (plain) {
        bytes += '"';
        bytes += text;
        bytes += '"';
    } else {
        bytes += Json(text).dump();
    }
}

}  // namespace

Inbound parse_inbound(std::string_view bytes) {
    Json message = Json::parse(bytes, nullptr, false);
    if (message.is_discarded()) message = Json::parse(replace_invalid_utf8(bytes), nullptr, false);
    if (message.is_object()) return classify(std::move(message), bytes);
    return Garbage{"it is not valid JSON", std::string(bytes.substr(0, shown_bytes))};
}

Session::Session(std::size_t message_limit) : framer_(message_limit) {}

std::string Session::encode(std::string_view command, const Json& arguments, const Json& id, bool oob) {
    if (!arguments.is_object() && !arguments.is_null()) {
        throw ProtocolError(ExitCode::Usage,
                            fmt::format("the arguments of '{}' are no JSON object", command));
    }
    // No byte too many: QEMU reads its monitor one byte a turn of its loop, some 4 microseconds each (7.2).
    std::string bytes = oob ? R"({"exec-oob":)" : R"({"execute":)";
    try {
        append_text(bytes, command);
        if (!arguments.empty()) bytes += R"(,"arguments":)" + arguments.dump();
        if (!id.is_null()) {
            bytes += R"(,"id":)";
            if (id.is_string()) {
                append_text(bytes, id.get_ref<const std::string&>());
            } else {
                bytes += id.dump();
            }
        }
    } catch (const Json::type_error&) {
        throw ProtocolError(ExitCode::Usage, fmt::format("'{}' holds text that is not valid UTF-8", command));
    }
    bytes += "}\n";
    return bytes;
}

std::string Session::encode(const Json& message) {
    try {
        return message.dump() + "\n";
    } catch (const Json::type_error&) {
        throw ProtocolError(ExitCode::Usage, "the command holds text that is not valid UTF-8");
    }
}

void Session::feed(std::string_view bytes) {
    framer_.feed(bytes);
}

std::optional<Inbound> Session::next() {
    auto frame = framer_.next();
    if (!frame) return std::nullopt;
    text_ = std::move(frame->bytes);
    if (!frame->error.empty()) return Garbage{std::move(frame->error), text_};
    return parse_inbound(text_);
}

}  // namespace qvm::qmp
