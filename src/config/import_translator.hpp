// SPDX-License-Identifier: GPL-3.0-or-later
// The options of one command line on their way into a file. Options name each other in any order, so they are
// collected first, and written when all are known.
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/import.hpp"
#include "config/import_draft.hpp"
#include "config/import_syntax.hpp"

namespace qvm::config {

class Translator;
struct OptionRow;

/// One option as it was given.
struct GivenOption {
    const OptionRow* row;
    std::string name;      ///< without its dashes; "" for a word that is a disk image
    std::string argument;  ///< "" if it takes none

    std::string shown() const;
};

/// What is known of an option of QEMU's.
struct OptionRow {
    std::string_view name;
    bool argument = false;
    void (Translator::*translate)(const GivenOption& option) = nullptr;
    std::string_view detail = {};   ///< of leave_out: why; of group: the table [option.DETAIL]
    std::string_view implied = {};  ///< of group: the key of a first word that has none
    bool repeated = false;          ///< of group: [[option.X]]
};

/// Null if QEMU's option is not known.
const OptionRow* option_row(std::string_view name);

/// What a machine has unless told otherwise. QEMU: hw/i386/pc_q35.c, pc_piix.c, microvm.c, hw/arm/virt.c.
struct MachineDefaults {
    std::string_view prefix;    ///< of the machine's name
    std::string_view disk_bus;  ///< in words of the language
    std::string_view nic;       ///< none: ""
    bool vga = false;
};

class Translator {
  public:
    Import run(const std::vector<std::string>& words);

    // What each option does (import_options.cpp has the table). They are given in the order of the command
    // line.
    void machine(const GivenOption& option);
    void accel(const GivenOption& option);
    void enable_kvm(const GivenOption& option);
    void cpu(const GivenOption& option);
    void smp(const GivenOption& option);
    void memory(const GivenOption& option);
    void name(const GivenOption& option);
    void uuid(const GivenOption& option);
    void kernel(const GivenOption& option);
    void bios(const GivenOption& option);
    void data_directory(const GivenOption& option);
    void sandbox(const GivenOption& option);
    void global(const GivenOption& option);
    void group(const GivenOption& option);
    void action(const GivenOption& option);
    void watchdog(const GivenOption& option);
    void watchdog_action(const GivenOption& option);
    void no_reboot(const GivenOption& option);
    void usb(const GivenOption& option);
    void usb_device(const GivenOption& option);
    void vga(const GivenOption& option);
    void display(const GivenOption& option);
    void window(const GivenOption& option);
    void nographic(const GivenOption& option);
    void vnc(const GivenOption& option);
    void spice(const GivenOption& option);
    void no_defaults(const GivenOption& option);
    void drive(const GivenOption& option);
    void plain_disk(const GivenOption& option);
    void pflash(const GivenOption& option);
    void blockdev(const GivenOption& option);
    void netdev(const GivenOption& option);
    void nic(const GivenOption& option);
    void net(const GivenOption& option);
    void chardev(const GivenOption& option);
    void serial(const GivenOption& option);
    void parallel(const GivenOption& option);
    void debug_console(const GivenOption& option);
    void monitor(const GivenOption& option);
    void object(const GivenOption& option);
    void device(const GivenOption& option);
    void audiodev(const GivenOption& option);
    void sound_card(const GivenOption& option);
    void lost_backend(const GivenOption& option);
    void leave_out(const GivenOption& option);
    void nothing(const GivenOption& option);
    void switch_off(const GivenOption& option);

  private:
    struct Drive {
        OptionPairs pairs;
        std::string shown, id;
        bool taken = false;  ///< by a device
    };
    struct Backend {  ///< of a nic
        std::string type, id, shown;
        OptionPairs pairs;
        Table json;  ///< instead of pairs
        bool taken = false;
    };
    struct Nic {
        std::string model, device_id, shown;
        Table properties;
        Backend* backend = nullptr;
    };
    struct Chardev {
        std::string type, id, shown;
        OptionPairs pairs;
        bool taken = false;  ///< by a table that makes it
    };
    struct Device {
        std::string driver, id, shown;
        Table properties;
    };
    struct WatchdogAction {
        std::string action, shown;
    };
    struct Audiodev {
        std::string type, id, shown;
        bool plain = true;  ///< nothing is said of how it plays
    };
    struct Object {
        std::string type, id, shown;
        Table members;
        bool taken = false;  ///< by sugar
    };

    // import.cpp
    void finish();
    void leave_out(const std::string& shown, std::string_view reason);
    /// Also says it above `part`.
    void warn(Draft::Part& part, std::string text);
    /// The rest of `pairs` has no place: each is left out.
    void leave_out_rest(const std::string& option, const OptionPairs& pairs, std::string_view reason);
    std::string sugar_id(std::string_view wanted);
    std::string raw_id(const std::string& given, std::string_view base);
    void uses_host_network(const std::string& shown);
    void write_network_use();
    const MachineDefaults& machine_defaults() const;
    bool is_x86() const;

    // import_settings.cpp
    void write_settings();
    void write_memory();
    void write_qemu();
    void write_machine();
    void write_cpu();
    void write_display();
    void write_screen();
    void write_vdagent();

    // import_disks.cpp
    void write_flashes();
    void write_disks();
    void write_disk(Drive& drive);
    void write_disk_device(Drive& drive, Device& device);
    void write_flash(Drive& drive);
    void write_sugar_disk(Drive& drive, const std::string& bus, bool cdrom, Device* device);
    void write_raw_disk(Drive& drive);
    void put_disk_keys(Draft::Part& part, Drive& drive);
    void put_file(Draft::Part& part, Drive& drive);
    Drive* drive_of(const Device& device);
    void raw_scsi_bus(Table& properties);
    static void put_device_id(Table& properties, const Drive& drive, bool has_serial);

    // import_nets.cpp
    void write_nets();
    void write_net(const Nic& nic);
    void put_backend(Draft::Part& part, Backend& backend);
    void put_user(Draft::Part& part, Backend& backend);
    void put_tap(Draft::Part& part, Backend& backend);
    Chardev* switch_of(Backend& backend);
    void put_vhost_user(Draft::Part& part, Backend& backend, Chardev& chardev);
    void put_bridge(Draft::Part& part, Backend& backend);
    void put_other(Draft::Part& part, Backend& backend);
    void put_none(Draft::Part& part, const Backend& backend, std::string_view why);
    Backend* backend_of(const Device& device);

    // import_usb.cpp
    bool write_usb_host(Device& device);

    // import_chardevs.cpp
    void write_serials();
    void write_serial(std::size_t index, const std::string& spec);
    void write_console_devices();
    void drop_serial_controller();
    void write_chardevs();
    bool write_chardev(Chardev& chardev);
    Table chardev_data(Draft::Part& part, Chardev& chardev);
    Table socket_data(Draft::Part& part, Chardev& chardev);
    Chardev* chardev_named(std::string_view id);
    /// What a terminal would show: qvm's own console does.
    bool is_console(const std::string& spec);

    // import_audio.cpp
    void set_audio(std::string_view model, const std::string& shown, std::string_view driver);
    bool is_usual_card(const Device& card, Device*& controller);
    bool is_named(const Audiodev& audiodev) const;
    void write_audio();

    // import_devices.cpp
    void write_objects();
    void write_object(const Object& object);
    void write_rng();
    void write_balloon();
    void write_watchdog();
    void write_devices();
    void write_device(Device& device);
    void normalize_drivers();
    /// The id of a backend that was left out, if the device is on one.
    std::string lost_backend_of(const Device& device) const;

    Draft draft_;
    std::vector<std::string> warnings_;
    std::set<std::string, std::less<>> ids_;   ///< taken, of any kind
    std::set<std::string, std::less<>> lost_;  ///< ids of backends that have no translation
    std::vector<std::string> network_users_;

    std::string binary_ = "qemu-system-x86_64";
    bool binary_given_ = false, defaults_ = true, no_graphics_ = false, serial_given_ = false;
    std::string machine_type_, cpu_model_, vga_;
    std::vector<std::string> accels_;
    Table machine_properties_, cpu_properties_, cpus_, kernel_, jail_, lifecycle_;
    std::uint64_t memory_max_ = 0;
    std::uint64_t memory_ = 128ULL << 20U;
    std::vector<std::string> serials_, data_directories_;
    std::vector<Drive> drives_;
    std::deque<Backend> backends_;
    std::vector<Nic> nics_, hub_nics_;  ///< hub: of -net
    std::vector<Backend*> hub_backends_;
    std::deque<Chardev> chardevs_;
    std::set<std::string, std::less<>> idle_chardevs_;  ///< of what is left out, as monitors are
    std::vector<Device> devices_;
    std::vector<Object> objects_;
    std::optional<WatchdogAction> watchdog_action_;
    std::vector<Audiodev> audiodevs_;
    std::string vnc_audiodev_;
    bool net_given_ = false, screen_ = false, spice_ = false;
    unsigned flashes_ = 0, disks_ = 0;
};

}  // namespace qvm::config
