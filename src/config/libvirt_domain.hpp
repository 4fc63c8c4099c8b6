// SPDX-License-Identifier: GPL-3.0-or-later
// A domain of libvirt on its way into a file. What is read of it is taken out of it, so that what is left in
// the end is what has no translation.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <pugixml.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/import.hpp"
#include "config/import_draft.hpp"

namespace qvm::config {

class LibvirtDomain {
  public:
    /// Borrows the element, and takes it apart.
    explicit LibvirtDomain(pugi::xml_node domain) : domain_(domain) {}
    Import run();

  private:
    using Node = pugi::xml_node;
    using Text = std::optional<std::string>;

    // libvirt_domain.cpp: taking the XML apart.
    /// The child of that name, which counts as read; empty if there is none.
    Node see(Node parent, const char* name);
    void see(Node node) { seen_.insert(node.hash_value()); }
    /// The attribute's value; it is gone then.
    static Text take(Node node, const char* attribute);
    static bool take_on(Node node, const char* attribute);
    static std::optional<std::int64_t> take_number(Node node, const char* attribute);
    /// The text of the child of that name, which counts as read.
    Text text_of(Node parent, const char* name);
    /// The element is read as a whole, whatever is in it.
    static void drop(Node node) { node.parent().remove_child(node); }
    /// It has no place in the file.
    void leave_out(Node node, std::string_view reason);
    void warn(const std::string& text);
    void report_rest(Node node);
    std::string unique_id(const std::string& wanted);

    // libvirt_machine.cpp
    void basics();
    void memory();
    void processors();
    void nodes();
    void boot();
    void firmware(Node os);
    void features();
    void hyperv(Node features);
    void cpu();
    void clock();
    void lifecycle();
    void command_line();

    // libvirt_devices.cpp
    void devices();
    void device(Node node);
    void disk(Node disk);
    void put_device_id(Node disk, Draft::Part& part) const;
    void disk_source(Node disk, Draft::Part& part, bool cdrom);
    void disk_driver(Node disk, Draft::Part& part);
    void disk_limits(Node disk, Draft::Part& part, const std::string& id);
    std::optional<Table> backing(Node parent, int depth = 0);
    void put_boot(Node device, Draft::Part& part, const char* kind);
    void interface(Node nic);
    bool interface_source(Node nic, Draft::Part& part, const std::string& type);
    void serial(Node serial);
    void channel(Node channel);
    void input(Node input);
    void graphics(Node graphics);
    void video(Node video);
    void balloon(Node balloon);
    void rng(Node rng);
    void tpm(Node tpm);
    void watchdog(Node watchdog);
    void sound(Node sound);
    void audio(Node audio);
    void vsock(Node vsock);
    void panic(Node panic);
    void controller(Node controller);
    void hostdev(Node hostdev);
    void usb_device(Node hostdev);

    Node domain_;
    std::set<std::size_t> seen_;
    Draft draft_;
    std::vector<std::string> warnings_;
    std::set<std::string, std::less<>> ids_;
    bool x86_ = true;
    std::string emulator_, arch_;
    Table machine_, cpu_, cpus_, memory_, input_, lifecycle_;
    /// <boot dev='hd'/> and the like: the place in the order, for the first device of a kind.
    std::map<std::string, int, std::less<>> boot_order_;
    int nics_ = 0;
    std::optional<std::uint64_t> balloon_size_;  ///< currentMemory, until a balloon has it
    bool has_sound_ = false, has_spice_ = false, has_serial_ = false, has_rng_ = false, has_display_ = false,
         has_video_ = false;
};

}  // namespace qvm::config
