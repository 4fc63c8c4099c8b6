// SPDX-License-Identifier: GPL-3.0-or-later
// check_host: files, directories and sockets.
#include <cerrno>
#include <fcntl.h>
#include <pwd.h>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/file.hpp"
#include "base/shell_word.hpp"
#include "base/text.hpp"
#include "config/check_duplicates.hpp"
#include "config/rules_buses.hpp"
#include "launch/block_nodes.hpp"
#include "launch/find_program.hpp"
#include "launch/helper_jail.hpp"
#include "launch/host.hpp"
#include "launch/host_action.hpp"
#include "launch/image_check.hpp"
#include "launch/image_header.hpp"
#include "launch/jail_host.hpp"
#include "launch/new_image.hpp"
#include "launch/seed.hpp"
#include "launch/tap.hpp"

namespace qvm::launch {
namespace {

namespace fs = std::filesystem;
using config::Access;
using config::Kind;
using config::Resource;
using config::Table;
using config::Value;

std::string user_name(uid_t uid) {
    passwd entry{};
    passwd* found = nullptr;
    std::string buffer(16384, '\0');
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
        return found->pw_name;
    return fmt::format("user {}", uid);
}

/// The names in a directory; none if it cannot be read.
std::vector<std::string> names_in(const fs::path& directory) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
        names.push_back(entry->path().filename().string());
    return names;
}

/// The nearest directory above that exists.
fs::path existing_parent(fs::path path) {
    std::error_code ignored;
    do path = path.parent_path();
    while (path != path.root_path() && !fs::exists(path, ignored));
    return path;
}

class HostChecker {
  public:
    HostChecker(const config::Vm& vm, const OwnFiles& own, Diagnostics& diagnostics)
        : vm_(vm), own_(own), diagnostics_(diagnostics) {}

    void run() {
        if (vm_.kernel) {
            file(vm_.kernel->image.value, Access::ReadOnly, vm_.kernel->image.origin, "kernel");
            if (vm_.kernel->initrd)
                file(vm_.kernel->initrd->value, Access::ReadOnly, vm_.kernel->initrd->origin, "kernel");
            if (vm_.kernel->dtb)
                file(vm_.kernel->dtb->value, Access::ReadOnly, vm_.kernel->dtb->origin, "kernel");
        }
        for (const auto& hook : vm_.lifecycle.hooks) program(hook);
        for (const auto& bind : vm_.jail.binds_ro) bound(bind.value, bind.origin);
        if (vm_.firmware && !vm_.firmware->missing.empty())
            report(DiagnosticKind::FileMissing, vm_.firmware->origin, vm_.firmware->missing,
                   vm_.firmware->advice);
        uses(vm_.machine.host_uses, "machine");
        for (const auto& option : vm_.options) uses(option.host_uses, "option." + option.name);
        for (const auto& resource : vm_.resources) {
            const Value* makes = resource.id.kind == Kind::Blockdev ? file_to_be_made(resource) : nullptr;
            if (makes != nullptr) will_be_made(resource, *makes);
            uses(resource.host_uses, resource.made_by, makes != nullptr ? *makes->string() : std::string());
            if (resource.id.kind == Kind::Host) host_file(resource);
            if (resource.id.kind == Kind::Host && resource.driver() == "process") helper(resource);
            if (resource.id.kind == Kind::Host && resource.driver() == "secret") secret(resource);
            if (resource.id.kind == Kind::Host && resource.driver() == "seed") seed(resource);
            if (resource.id.kind == Kind::Host && resource.driver() == "tap")
                check_tap(resource, diagnostics_);
        }
    }

  private:
    void program(const config::Hook& hook) {
        try {
            find_program(hook.argv[0], {});
        } catch (const Error& error) {
            report(DiagnosticKind::FileMissing, hook.origin, error.what(),
                   {fmt::format("in lifecycle.hooks.{}, which runs it on this host with your rights",
                                config::word_of(hook.event)),
                    "give the path of an executable file, or the name of one in PATH"});
        }
    }

    /// But for the file `made`.
    void uses(const std::vector<config::HostUse>& list, const std::string& where, const fs::path& made = {}) {
        for (const auto& use : list)
            if (use.entrance == config::Entrance::Bind)
                socket(use.path, use.origin, where);
            else if (use.entrance == config::Entrance::Listen)
                socket_to_be(use.path, use.origin, where);
            else if (use.entrance != config::Entrance::Keep && !use.path.empty() && use.path != made)
                file(use.path, use.access, use.origin, where);
    }

    /// One that somebody listens on, and that QEMU is to connect to.
    void socket(const fs::path& path, const Origin& origin, const std::string& where) {
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0)
            report(DiagnosticKind::FileMissing, origin,
                   errno == ENOENT ? fmt::format("there is no socket '{}'", path.string())
                                   : fmt::format("cannot get to '{}': {}", path.string(), errno_text(errno)),
                   {"who serves the device has to listen on it before the VM is started",
                    fmt::format("in {}", where)});
        else if (!S_ISSOCK(status.st_mode))
            report(DiagnosticKind::FileMissing, origin, fmt::format("'{}' is not a socket", path.string()),
                   {fmt::format("in {}", where)});
        else
            permitted(path, status, W_OK, "connected to", origin, where);
    }

    /// One that QEMU makes. Who listens on one that is there only its user can find out.
    void socket_to_be(const fs::path& path, const Origin& origin, const std::string& where) {
        std::error_code ignored;
        struct stat status {};
        if (!fs::is_directory(path.parent_path(), ignored))
            report(DiagnosticKind::FileMissing, origin,
                   fmt::format("there is no directory '{}'", path.parent_path().string()),
                   {"QEMU is to listen on a socket in it", fmt::format("in {}", where)});
        else if (::lstat(path.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode))
            report(DiagnosticKind::Conflict, origin,
                   fmt::format("'{}' is there, and is not a socket", path.string()),
                   {"QEMU is to listen there: move it away", fmt::format("in {}", where)});
    }

    void helper(const Resource& host) {
        const auto action = host_action(host, Access::ReadWrite);
        const auto& process = std::get<StartProcess>(action);
        if (process.profile == "virtiofsd") shared(host);
        const Value* map = host.properties.table()->find("uid-map");
        if (map != nullptr && ::geteuid() != 0)
            report(DiagnosticKind::Conflict, map->origin,
                   fmt::format("{} has a uid-map, and only root may become other users of the host",
                               host.made_by),
                   {"start the VM as root; without a map all belongs to the one who starts it"});
        if (process.argv.empty()) return;
        try {
            find_helper(process);
        } catch (const Error& error) {
            std::vector<std::string> notes;
            std::istringstream advice(error.advice());
            for (std::string line; std::getline(advice, line);) notes.push_back(line);
            notes.push_back(fmt::format("in {}", host.made_by));
            report(DiagnosticKind::FileMissing, host.origin, error.what(), std::move(notes));
        }
    }

    /// What a virtiofsd serves.
    void shared(const Resource& host) {
        const Value* path = host.properties.table()->find("path");
        if (path == nullptr || path->string() == nullptr) return;
        const fs::path directory = *path->string();
        struct stat status {};
        const int error = ::stat(directory.c_str(), &status) == 0 ? 0 : errno;
        if (error == 0 && S_ISDIR(status.st_mode)) return;
        report(DiagnosticKind::FileMissing, path->origin,
               error == 0 ? fmt::format("'{}' is not a directory", directory.string())
               : error == ENOENT
                   ? fmt::format("there is no directory '{}'", directory.string())
                   : fmt::format("cannot get to '{}': {}", directory.string(), errno_text(error)),
               {fmt::format("in {}, which gives it to the guest", host.made_by)});
    }

    /// The file of a node that is missing, and will be made.
    const Value* file_to_be_made(const Resource& resource) const {
        if (!resource.copy_of && !resource.create) return nullptr;
        const Value* name = filename_of(vm_, *resource.properties.table());
        struct stat status {};
        if (name == nullptr || resource.ephemeral) return name;
        return ::lstat(name->string()->c_str(), &status) != 0 && errno == ENOENT ? name : nullptr;
    }

    /// What there is to say of that file.
    void will_be_made(const Resource& resource, const Value& name) {
        const fs::path path = *name.string();
        if (own_.images.contains(path) && !resource.ephemeral) {
            report(
                DiagnosticKind::FileMissing, name.origin,
                fmt::format("'{}' is gone: this VM has had it, so no new one is made in its place",
                            path.string()),
                {"put it back where it was", "or, if it is meant to be gone: " + how_to_make(path, resource),
                 fmt::format("in {}", resource.made_by)});
            return;
        }
        if (resource.copy_of)
            file(resource.copy_of->value, Access::ReadOnly, resource.copy_of->origin, resource.made_by);
        const auto parent = existing_parent(path);
        if (resource.create && parent != path.parent_path() && path.parent_path() != own_.disks)
            missing(path.parent_path(), Access::ReadOnly, name.origin, resource.made_by);
        else if (::faccessat(AT_FDCWD, parent.c_str(), W_OK, AT_EACCESS) != 0)
            report(DiagnosticKind::FileMissing, name.origin,
                   fmt::format("'{}' cannot be made: nothing can be written in '{}'", path.string(),
                               parent.string()),
                   {fmt::format("in {}", resource.made_by)});
        if (!resource.create) return;
        tools_for(resource);
        smaller_than_base(resource);
    }

    /// What the base has beyond would be cut off.
    void smaller_than_base(const Resource& resource) {
        const NewImage image = new_image(vm_, resource);
        if (image.size == 0 || image.backing.empty()) return;
        const auto bytes = read_disk_size(image.backing, image.backing_format).value_or(0);
        if (bytes <= image.size) return;
        report(DiagnosticKind::BadSize, resource.create->origin,
               fmt::format("the disk cannot be smaller than '{}' below it, which has {}",
                           image.backing.string(), format_size(bytes)),
               {fmt::format("say \"{}\" or more, or leave size out", format_size(bytes)),
                fmt::format("in {}", resource.made_by)});
    }

    void tools_for(const Resource& resource) {
        if (resource.driver() == "raw") return;
        try {
            find_program("qemu-img", "qemu-utils");
        } catch (const Error& error) {
            report(DiagnosticKind::FileMissing, resource.create->origin, error.what(),
                   {error.advice(), fmt::format("in {}, whose image it is to make", resource.made_by)});
        }
    }

    void report(DiagnosticKind kind, const Origin& origin, std::string message,
                std::vector<std::string> notes, std::string label = {}) {
        diagnostics_.add({kind, origin, std::move(message), std::move(label), std::move(notes)});
    }

    /// A disk to be written to may just not have been made yet.
    static std::string how_to_make(const fs::path& path) {
        const bool qcow2 = path.extension() == ".qcow2";
        return fmt::format(
            "a new disk is made by `qemu-img create -f {} {} 20G`, or by size = \"20G\" in its table",
            qcow2 ? "qcow2" : "raw", path.filename().string());
    }

    /// The command that makes what qvm would.
    std::string how_to_make(const fs::path& path, const Resource& resource) const {
        const NewImage image = new_image(vm_, resource);
        std::string command = "`qemu-img create -f " + image.format;
        // Never one that makes it without the encryption.
        if (image.key)
            command += fmt::format(" --object secret,id=key,file={} -o {}",
                                   image.key->path.empty() ? "KEY" : shell_word(image.key->path),
                                   encryption_options(image));
        if (!image.backing.empty())
            command += fmt::format(" -F {} -b {}", image.backing_format, shell_word(image.backing));
        command += ' ' + shell_word(path);
        if (image.size != 0) command += ' ' + format_size(image.size);
        return command + "` makes an empty one";
    }

    void missing(const fs::path& path, Access access, const Origin& origin, const std::string& where) {
        const auto parent = existing_parent(path);
        std::vector<std::string> notes{fmt::format("in {}", where)};
        std::string label;
        std::error_code ignored;
        if (fs::is_symlink(fs::symlink_status(path, ignored)))
            notes.insert(notes.begin(), fmt::format("it is a symbolic link to '{}'",
                                                    fs::read_symlink(path, ignored).string()));
        else if (parent == path.parent_path())
            label = did_you_mean(path.filename().string(), names_in(parent));
        else
            notes.insert(notes.begin(), fmt::format("of its path only '{}' exists", parent.string()));
        if (path == "/dev/vhost-vsock")
            notes.insert(notes.begin(), "`modprobe vhost_vsock` as root makes it");
        else if (path == "/dev/vhost-net")
            notes.insert(notes.begin(), "`modprobe vhost_net` as root makes it");
        else if (access == Access::ReadWrite && label.empty())
            notes.insert(notes.begin(), how_to_make(path));
        report(DiagnosticKind::FileMissing, origin, fmt::format("there is no file '{}'", path.string()),
               std::move(notes), std::move(label));
    }

    void file(const fs::path& path, Access access, const Origin& origin, const std::string& where) {
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0) {
            // A log is made where there is none.
            const bool makes = access == Access::WriteOnly && errno == ENOENT;
            if (makes && ::faccessat(AT_FDCWD, path.parent_path().c_str(), W_OK, AT_EACCESS) == 0) return;
            if (errno == ENOENT || errno == ENOTDIR)
                missing(path, access, origin, where);
            else
                report(DiagnosticKind::FileMissing, origin,
                       fmt::format("cannot get to '{}': {}", path.string(), errno_text(errno)),
                       {fmt::format("in {}", where)});
            return;
        }
        if (S_ISDIR(status.st_mode) || S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode)) {
            const auto* kind = S_ISDIR(status.st_mode)    ? "directory"
                               : S_ISFIFO(status.st_mode) ? "FIFO"
                                                          : "socket";
            report(DiagnosticKind::FileMissing, origin,
                   fmt::format("'{}' is a {}, not a file", path.string(), kind),
                   {fmt::format("in {}", where)});
            return;
        }
        // One error is enough of a file that can be neither.
        if (access != Access::WriteOnly && !permitted(path, status, R_OK, "read", origin, where)) return;
        if (access != Access::ReadOnly) permitted(path, status, W_OK, "written", origin, where);
    }

    /// What QEMU is shown of the host. The kernel's own file systems would undo the jail.
    void bound(const fs::path& path, const Origin& origin) {
        const auto first = path == path.root_path() ? fs::path() : *std::next(path.begin());
        if (first.empty() || first == "proc" || first == "sys" || first == "dev") {
            report(DiagnosticKind::BadValue, origin,
                   fmt::format("'{}' cannot be shown in a jail", path.string()),
                   {"the root, /proc, /sys, /dev and what is below them stay outside",
                    "devices go to QEMU as descriptors: [host.X] kind = \"file\""});
            return;
        }
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0) missing(path, Access::ReadOnly, origin, "jail.binds-ro");
    }

    bool permitted(const fs::path& path, const struct stat& status, int mode, std::string_view verb,
                   const Origin& origin, const std::string& where) {
        if (::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0) return true;
        const int error = errno;
        std::vector<std::string> notes;
        if (error == EROFS)
            notes.emplace_back("its file system is mounted read-only; read-only = true uses it so");
        else
            notes.push_back(fmt::format("it belongs to {}, mode {:04o}; you are {}", user_name(status.st_uid),
                                        status.st_mode & 07777U, user_name(::geteuid())));
        notes.push_back(fmt::format("in {}", where));
        report(DiagnosticKind::FileMissing, origin,
               fmt::format("'{}' cannot be {}: {}", path.string(), verb, errno_text(error)),
               std::move(notes));
        return false;
    }

    /// Those of files are looked at as files.
    void secret(const Resource& host) {
        const std::string* name = config::text_at(host, "env");
        if (name != nullptr && std::getenv(name->c_str()) == nullptr)
            report(DiagnosticKind::FileMissing, host.properties.table()->find("env")->origin,
                   fmt::format("there is no variable {} in qvm's environment", *name),
                   {fmt::format("in {}; export it in the shell that starts the VM", host.made_by)});
        const std::string* credential = config::text_at(host, "credential");
        if (credential == nullptr) return;
        const Value& said = *host.properties.table()->find("credential");
        if (const char* directory = std::getenv("CREDENTIALS_DIRECTORY"))
            file(fs::path(directory) / *credential, Access::ReadOnly, said.origin, host.made_by);
        else
            report(DiagnosticKind::FileMissing, said.origin,
                   fmt::format("there is no credential '{}': CREDENTIALS_DIRECTORY is not set", *credential),
                   {fmt::format("in {}; systemd sets it for a service with LoadCredential={}:PATH",
                                host.made_by, *credential)});
    }

    /// What cloud-init is to be told.
    void seed(const Resource& host) {
        for (const char* key : {"user-data", "network-config"})
            if (const Value* path = host.properties.table()->find(key);
                path != nullptr && path->string() != nullptr)
                file(*path->string(), Access::ReadOnly, path->origin, host.made_by);
        for (const char* key : {"user-data", "user-data-text"}) {
            const Value* said = host.properties.table()->find(key);
            if (said == nullptr || said->string() == nullptr) continue;
            const auto text = key == std::string_view("user-data") ? read_file(*said->string())
                                                                   : FileContent{*said->string()};
            if (text && !has_user_data_header(text.bytes))
                diagnostics_.add({DiagnosticKind::Unused,
                                  said->origin,
                                  "cloud-init ignores user-data that does not say what it is",
                                  {},
                                  {"its first line has to be #cloud-config, or #! and an interpreter",
                                   fmt::format("in {}", host.made_by)}});
        }
        const Value* keys = host.properties.table()->find("ssh-keys");
        if (keys == nullptr || keys->array() == nullptr) return;
        for (const auto& key : *keys->array())
            if (key.string() != nullptr) public_key(*key.string(), key.origin, host.made_by);
    }

    void public_key(const std::string& said, const Origin& origin, const std::string& where) {
        const bool in_file = said.starts_with('/');
        if (in_file) file(said, Access::ReadOnly, origin, where);
        const auto text = in_file ? read_file(said) : FileContent{said};
        if (!text) return;
        if (const auto why = why_no_public_key(text.bytes); !why.empty())
            report(DiagnosticKind::BadValue, origin, fmt::format("'{}' {}", said, why),
                   {fmt::format("in {}.ssh-keys", where)});
    }

    void host_file(const Resource& host) {
        const Table* table = host.properties.table();
        const Value* kind = table == nullptr ? nullptr : table->find("kind");
        const Value* path = table == nullptr ? nullptr : table->find("path");
        if (kind == nullptr || path == nullptr || kind->string() == nullptr || path->string() == nullptr)
            return;
        if (*kind->string() == "secret") file(*path->string(), Access::ReadOnly, path->origin, host.made_by);
        if (*kind->string() != "file") return;
        const Value* word = table->find("access");
        const std::string access = word != nullptr && word->string() != nullptr ? *word->string() : "rw";
        file(*path->string(),
             access == "rw"   ? Access::ReadWrite
             : access == "wo" ? Access::WriteOnly
                              : Access::ReadOnly,
             path->origin, host.made_by);
    }

    const config::Vm& vm_;
    const OwnFiles& own_;
    Diagnostics& diagnostics_;
};

}  // namespace

void check_host(const config::Vm& vm, Diagnostics& diagnostics, const OwnFiles& own) {
    HostChecker(vm, own, diagnostics).run();
    check_images(vm, diagnostics);
    check_jail_host(vm, diagnostics);
    const auto real_path = [](const fs::path& path) {
        std::error_code error;
        auto real = fs::weakly_canonical(path, error);
        return error ? path : real;
    };
    config::check_linked_images(vm, real_path, diagnostics);
}

}  // namespace qvm::launch
