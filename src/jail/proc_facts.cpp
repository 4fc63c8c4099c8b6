// SPDX-License-Identifier: GPL-3.0-or-later
#include "jail/proc_facts.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <memory>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/fd.hpp"

namespace qvm::jail {

namespace {

constexpr const char* namespace_names[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};

struct Content {
    std::string text;
    int error = 0;
};

Content content_of(const std::string& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return {{}, errno};
    Content content;
    std::array<char, 4096> buffer{};
    for (;;) {
        const auto count = ::read(file.get(), buffer.data(), buffer.size());
        if (count < 0) return {{}, errno};
        if (count == 0) return content;
        content.text.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

Content link_of(const std::string& path) {
    std::array<char, 4096> buffer{};
    const auto length = ::readlink(path.c_str(), buffer.data(), buffer.size());
    if (length < 0) return {{}, errno};
    return {std::string(buffer.data(), static_cast<std::size_t>(length)), 0};
}

std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
}

/// Between two words of mountinfo's options.
bool has_option(const std::string& options, std::string_view wanted) {
    std::istringstream words(options);
    for (std::string word; std::getline(words, word, ',');)
        if (word == wanted) return true;
    return false;
}

class Reader {
  public:
    explicit Reader(pid_t pid) { facts_.pid = pid; }

    ProcFacts all() {
        facts_.status = parse_status(text("status"));
        facts_.limits = parse_limits(text("limits"));
        facts_.mounts = parse_mountinfo(text("mountinfo"));
        facts_.cgroup = trimmed(text("cgroup"));
        facts_.oom_score_adj = trimmed(text("oom_score_adj"));
        namespaces();
        descriptors();
        return std::move(facts_);
    }

  private:
    std::string path(const std::string& file) const { return fmt::format("/proc/{}/{}", facts_.pid, file); }
    std::string text(const std::string& file) {
        auto content = content_of(path(file));
        if (content.error != 0) facts_.unread.push_back({file, content.error});
        return content.text;
    }
    void namespaces() {
        for (const std::string name : namespace_names) {
            auto link = link_of(path("ns/" + name));
            if (link.error != 0) {
                facts_.unread.push_back({"ns", link.error});
                return;
            }
            facts_.namespaces[name] = std::move(link.text);
        }
    }
    void descriptors() {
        const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path("fd").c_str()), ::closedir);
        if (!directory) {
            facts_.unread.push_back({"fd", errno});
            return;
        }
        while (const auto* entry = ::readdir(directory.get())) {
            const std::string name = entry->d_name;
            if (name.find_first_not_of("0123456789") != std::string::npos) continue;
            FdFact fd{.number = std::stoi(name), .target = link_of(path("fd/" + name)).text};
            fd.access = parse_access(content_of(path("fdinfo/" + name)).text);
            struct stat status {};
            fd.directory = ::stat(path("fd/" + name).c_str(), &status) == 0 && S_ISDIR(status.st_mode);
            facts_.fds.push_back(std::move(fd));
        }
        std::ranges::sort(facts_.fds, {}, &FdFact::number);
    }

    ProcFacts facts_;
};

}  // namespace

int ProcFacts::error_of(std::string_view file) const {
    const auto found = std::ranges::find(unread, file, &UnreadFact::file);
    return found == unread.end() ? 0 : found->error;
}

ProcFacts read_facts(pid_t pid) {
    return Reader(pid).all();
}

std::vector<pid_t> children_of(pid_t pid) {
    std::istringstream words(content_of(fmt::format("/proc/{0}/task/{0}/children", pid)).text);
    std::vector<pid_t> children;
    for (pid_t child = 0; words >> child;) children.push_back(child);
    return children;
}

std::map<std::string, std::string> parse_status(const std::string& text) {
    std::map<std::string, std::string> fields;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto colon = line.find(':');
        if (colon == std::string::npos) continue;
        const auto begin = line.find_first_not_of(" \t", colon + 1);
        auto value = begin == std::string::npos ? std::string() : trimmed(line.substr(begin));
        std::ranges::replace(value, '\t', ' ');
        fields[line.substr(0, colon)] = std::move(value);
    }
    return fields;
}

std::vector<MountFact> parse_mountinfo(const std::string& text) {
    std::vector<MountFact> mounts;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string id, parent, device, root, target, options, word, type, source, super;
        if (!(words >> id >> parent >> device >> root >> target >> options)) continue;
        while (words >> word && word != "-") {
        }
        words >> type >> source >> super;
        mounts.push_back({target, type, has_option(options, "rw") && has_option(super, "rw")});
    }
    return mounts;
}

std::map<std::string, std::string> parse_limits(const std::string& text) {
    constexpr std::size_t name_width = 25;  // fs/proc/base.c: "%-25s %-20s %-20s %-10s\n"
    std::map<std::string, std::string> limits;
    std::istringstream lines(text);
    std::string line;
    std::getline(lines, line);  // the heading
    while (std::getline(lines, line)) {
        if (line.size() <= name_width) continue;
        std::istringstream words(line.substr(name_width));
        std::string soft, hard;
        words >> soft >> hard;
        limits[trimmed(line.substr(0, name_width))] = soft + ' ' + hard;
    }
    return limits;
}

std::string parse_access(const std::string& text) {
    const auto fields = parse_status(text);
    const auto flags = fields.find("flags");
    if (flags == fields.end()) return {};
    switch (std::strtoul(flags->second.c_str(), nullptr, 8) & O_ACCMODE) {
        case O_RDONLY:
            return "ro";
        case O_WRONLY:
            return "wo";
        default:
            return "rw";
    }
}

}  // namespace qvm::jail
