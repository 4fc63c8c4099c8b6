// SPDX-License-Identifier: GPL-3.0-or-later
// What QEMU gets of this host: files, sockets, interfaces and helper processes, as descriptors. Everything is
// opened here, with the caller's rights; QEMU opens nothing.
#pragma once
#include <filesystem>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/diagnostic.hpp"
#include "base/fd.hpp"
#include "config/resource.hpp"
#include "jail/cgroup.hpp"
#include "jail/spawn.hpp"
#include "launch/plan.hpp"
#include "launch/socket_place.hpp"
#include "launch/state.hpp"

namespace qvm::launch {

/// Carries out HostSteps and owns what they make. Unless release() was called, the destructor undoes: it
/// kills the helpers it started and unlinks the sockets it bound; and, unless keep_images() was called, the
/// images it made.
class HostResources {
  public:
    /// Sockets of the VM go to the runtime directory of `state`, helpers' output to its state directory.
    /// Helpers become members of `cgroup` (null: of none), which is borrowed.
    /// `ids`: whom helpers run as, when root starts them. `mode`: QEMU's; reduced, theirs are, too.
    explicit HostResources(const VmState& state, jail::Cgroup* cgroup = nullptr,
                           std::optional<HostIds> ids = std::nullopt, jail::Mode mode = jail::Mode::Strict);
    HostResources(const HostResources&) = delete;
    HostResources& operator=(const HostResources&) = delete;
    ~HostResources();

    /// Throws SystemError or Error naming the thing; nothing of this step is left then.
    void make(const HostStep& step);
    /// Borrowed. Throws Error (Usage) for a name that was not made or is closed already: a mistake of the
    /// plan.
    int fd(const std::string& name) const;
    /// The same, and it is the caller's from now on.
    Fd take(const std::string& name);
    /// The names of those that a step has made, but for what is closed.
    std::vector<std::string> made_by(const std::string& step) const;
    /// Closes our copy of a descriptor early; what was closed before stays closed.
    void close(const std::string& name);
    /// The processes started, by step name.
    std::vector<std::pair<std::string, ProcessRecord>> helpers() const;
    /// Throws Error with its last words when one of them has ended, which none does while its VM runs.
    void expect_helpers_alive();
    /// The sockets that the destructor unlinks.
    const std::vector<std::filesystem::path>& sockets() const { return sockets_; }
    /// Sockets that another process has bound. The destructor leaves them.
    void take_over(std::vector<std::filesystem::path> sockets) {
        sockets_ = std::move(sockets);
        released_ = true;
    }
    /// Gives the sockets that QEMU has made in their places their names. False while one is missing.
    bool publish_sockets();
    /// The descriptor of such a place, of which `directory` is the path; -1 where it is none.
    int place_of(const std::filesystem::path& directory) const;
    /// Removes the places of sockets that will not come.
    void give_up_places();
    /// To wait for; they stay ours.
    std::vector<std::pair<std::string, jail::Child>>& processes() { return helpers_; }
    /// From now on helpers and sockets outlive this object.
    void release();
    /// The same of these helpers alone, and of the sockets.
    void release_helpers(const std::set<std::string>& names);
    void release_sockets() { released_ = true; }
    /// From now on the images that were made here stay, whatever becomes of the VM.
    void keep_images() { images_.clear(); }
    /// Made here.
    const std::vector<std::filesystem::path>& images() const { return images_; }

  private:
    Fd open(const OpenFile& wanted);
    Fd listen(const ListenSocket& socket);
    std::vector<Fd> make_place(const PlaceSocket& socket);
    std::pair<Fd, Fd> ends_for(const std::string& name, const StartProcess& process) const;
    Fd start_process(const std::string& name, const StartProcess& process);

    VmState state_;
    jail::Cgroup* cgroup_;
    std::optional<HostIds> ids_;
    bool reduced_;
    std::map<std::string, Fd> fds_;
    std::vector<std::pair<std::string, jail::Child>> helpers_;
    std::vector<std::filesystem::path> sockets_;
    std::list<SocketPlace> places_;  ///< of those that are to come
    std::vector<std::filesystem::path> images_;
    bool released_ = false;
};

/// What qvm keeps for a VM.
struct OwnFiles {
    std::filesystem::path disks;  ///< VmState::disks()
    /// Images the VM has had, which are not made a second time.
    std::set<std::filesystem::path> images;
};

/// What only this host can tell of a VM before it is started: files that are missing or must not be opened
/// (file-missing), and image headers that name other files than the plan does (chain-mismatch). Opens files
/// read-only and nothing else.
void check_host(const config::Vm& vm, Diagnostics& diagnostics, const OwnFiles& own = {});

}  // namespace qvm::launch
