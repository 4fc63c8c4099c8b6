// SPDX-License-Identifier: GPL-3.0-or-later
// Every option of QEMU that is known, and what becomes of it. Teaching import an option begins here.
#include <algorithm>
#include <array>

#include "config/import_translator.hpp"

namespace qvm::config {
namespace {

using T = Translator;

constexpr auto flag = false;
constexpr auto takes_argument = true;

constexpr std::string_view own_monitor =
    "qvm has QEMU's only monitor; `qvm attach` and `qvm qmp` talk to it, any QMP client may use the attach "
    "socket";
constexpr std::string_view own_process = "qvm does it: see `qvm up`";
constexpr std::string_view jail_does_it = "the jail does it: see qvm-jail(7)";
constexpr std::string_view no_window = "QEMU opens no window in the jail";
constexpr std::string_view at_run_time = "it belongs to one run, not to the VM";
constexpr std::string_view debugging = "it is for debugging QEMU";
constexpr std::string_view read_yourself = "the file is not read: translate what it says";
constexpr std::string_view no_snapshot =
    "every write of the guest goes to the images: copy them, or put overlays on them, if they are to stay as "
    "they are";
constexpr std::string_view no_sharing = "QEMU cannot open a directory of the host in the jail";
constexpr std::string_view memory_backend =
    "say it as an [object.X] with qom-type = \"memory-backend-memfd\" and machine.memory-backend = \"X\"";

constexpr std::array rows{
    OptionRow{"machine", takes_argument, &T::machine},
    OptionRow{"M", takes_argument, &T::machine},
    OptionRow{"accel", takes_argument, &T::accel},
    OptionRow{"enable-kvm", flag, &T::enable_kvm},
    OptionRow{"cpu", takes_argument, &T::cpu},
    OptionRow{"smp", takes_argument, &T::smp},
    OptionRow{"m", takes_argument, &T::memory},
    OptionRow{"name", takes_argument, &T::name},
    OptionRow{"uuid", takes_argument, &T::uuid},
    OptionRow{"kernel", takes_argument, &T::kernel},
    OptionRow{"initrd", takes_argument, &T::kernel},
    OptionRow{"append", takes_argument, &T::kernel},
    OptionRow{"dtb", takes_argument, &T::kernel},
    OptionRow{"bios", takes_argument, &T::bios},
    OptionRow{"L", takes_argument, &T::data_directory},
    OptionRow{"sandbox", takes_argument, &T::sandbox},
    OptionRow{"global", takes_argument, &T::global},
    OptionRow{"no-reboot", flag, &T::no_reboot},
    OptionRow{"action", takes_argument, &T::action},
    OptionRow{"nodefaults", flag, &T::no_defaults},
    // [option.X]
    OptionRow{"boot", takes_argument, &T::group, "boot", "order"},
    OptionRow{"rtc", takes_argument, &T::group, "rtc"},
    OptionRow{"smbios", takes_argument, &T::group, "smbios", "", true},
    OptionRow{"fw_cfg", takes_argument, &T::group, "fw_cfg", "name", true},
    OptionRow{"acpitable", takes_argument, &T::group, "acpi", "", true},
    OptionRow{"numa", takes_argument, &T::group, "numa", "type", true},
    OptionRow{"icount", takes_argument, &T::group, "icount", "shift"},
    OptionRow{"overcommit", takes_argument, &T::group, "overcommit"},
    OptionRow{"msg", takes_argument, &T::group, "msg"},
    OptionRow{"option-rom", takes_argument, &T::group, "option-rom", "romfile", true},
    // What is seen
    OptionRow{"vga", takes_argument, &T::vga},
    OptionRow{"display", takes_argument, &T::display},
    OptionRow{"nographic", flag, &T::nographic},
    OptionRow{"vnc", takes_argument, &T::vnc},
    OptionRow{"curses", flag, &T::leave_out, no_window},
    OptionRow{"sdl", flag, &T::window},
    OptionRow{"spice", takes_argument, &T::spice},
    OptionRow{"full-screen", flag, &T::leave_out, no_window},
    OptionRow{"k", takes_argument, &T::leave_out, "it is the keyboard of a display of QEMU's own"},
    // Disks
    OptionRow{"", takes_argument, &T::plain_disk},
    OptionRow{"hda", takes_argument, &T::plain_disk},
    OptionRow{"hdb", takes_argument, &T::plain_disk},
    OptionRow{"hdc", takes_argument, &T::plain_disk},
    OptionRow{"hdd", takes_argument, &T::plain_disk},
    OptionRow{"cdrom", takes_argument, &T::plain_disk},
    OptionRow{"drive", takes_argument, &T::drive},
    OptionRow{"blockdev", takes_argument, &T::blockdev},
    OptionRow{"pflash", takes_argument, &T::pflash},
    OptionRow{"fda", takes_argument, &T::leave_out, "the language has no floppy disks"},
    OptionRow{"fdb", takes_argument, &T::leave_out, "the language has no floppy disks"},
    OptionRow{"sd", takes_argument, &T::leave_out, "the language has no SD cards"},
    OptionRow{"mtdblock", takes_argument, &T::leave_out, "the language has no on-board flash"},
    OptionRow{"snapshot", flag, &T::leave_out, no_snapshot},
    // Networks
    OptionRow{"netdev", takes_argument, &T::netdev},
    OptionRow{"nic", takes_argument, &T::nic},
    OptionRow{"net", takes_argument, &T::net},
    // Character devices
    OptionRow{"chardev", takes_argument, &T::chardev},
    OptionRow{"serial", takes_argument, &T::serial},
    OptionRow{"debugcon", takes_argument, &T::debug_console},
    OptionRow{"parallel", takes_argument, &T::parallel},
    OptionRow{"monitor", takes_argument, &T::monitor, own_monitor},
    OptionRow{"qmp", takes_argument, &T::monitor, own_monitor},
    OptionRow{"qmp-pretty", takes_argument, &T::monitor, own_monitor},
    OptionRow{"mon", takes_argument, &T::monitor, own_monitor},
    // Devices and what is behind them
    OptionRow{"device", takes_argument, &T::device},
    OptionRow{"object", takes_argument, &T::object},
    OptionRow{"usb", flag, &T::usb},
    OptionRow{"usbdevice", takes_argument, &T::usb_device},
    OptionRow{"tpmdev", takes_argument, &T::lost_backend,
              "say tpm = true, and with tpm.state where the state of this one is"},
    OptionRow{"audiodev", takes_argument, &T::audiodev},
    OptionRow{"fsdev", takes_argument, &T::lost_backend, no_sharing},
    OptionRow{"virtfs", takes_argument, &T::leave_out, no_sharing},
    OptionRow{"soundhw", takes_argument, &T::sound_card},
    OptionRow{"audio", takes_argument, &T::sound_card},
    OptionRow{"mem-path", takes_argument, &T::leave_out, memory_backend},
    OptionRow{"mem-prealloc", flag, &T::leave_out, memory_backend},
    OptionRow{"watchdog", takes_argument, &T::watchdog},
    OptionRow{"watchdog-action", takes_argument, &T::watchdog_action},
    // What qvm does itself
    OptionRow{"daemonize", flag, &T::leave_out, own_process},
    OptionRow{"pidfile", takes_argument, &T::leave_out, "`qvm status` knows QEMU's process"},
    OptionRow{"no-user-config", flag, &T::nothing},
    OptionRow{"no-shutdown", flag, &T::leave_out, "lifecycle says what becomes of a VM that goes off"},
    OptionRow{"S", flag, &T::leave_out, at_run_time},
    OptionRow{"loadvm", takes_argument, &T::leave_out, at_run_time},
    OptionRow{"incoming", takes_argument, &T::leave_out, at_run_time},
    OptionRow{"preconfig", flag, &T::leave_out, at_run_time},
    OptionRow{"runas", takes_argument, &T::leave_out, jail_does_it},
    OptionRow{"run-with", takes_argument, &T::leave_out, jail_does_it},
    OptionRow{"chroot", takes_argument, &T::leave_out, jail_does_it},
    OptionRow{"add-fd", takes_argument, &T::leave_out, "say the file as a [host.X], and name it \"@X\""},
    OptionRow{"readconfig", takes_argument, &T::leave_out, read_yourself},
    OptionRow{"D", takes_argument, &T::leave_out, "`qvm log` has what QEMU says"},
    OptionRow{"d", takes_argument, &T::leave_out, debugging},
    OptionRow{"s", flag, &T::leave_out, debugging},
    OptionRow{"gdb", takes_argument, &T::leave_out, debugging},
    OptionRow{"trace", takes_argument, &T::leave_out, debugging},
    OptionRow{"plugin", takes_argument, &T::leave_out, debugging},
    OptionRow{"dfilter", takes_argument, &T::leave_out, debugging},
    OptionRow{"perfmap", flag, &T::leave_out, debugging},
    OptionRow{"no-acpi", flag, &T::switch_off, "acpi"},
    OptionRow{"no-hpet", flag, &T::switch_off, "hpet"},
    OptionRow{"no-fd-bootchk", flag, &T::switch_off, "fd-bootchk"},
    OptionRow{"win2k-hack", flag, &T::leave_out, "the language has no such workaround"},
    OptionRow{"compat", takes_argument, &T::leave_out, debugging},
    OptionRow{"set", takes_argument, &T::leave_out, "say it where the thing is said"},
};

}  // namespace

const OptionRow* option_row(std::string_view name) {
    const auto found = std::ranges::find(rows, name, &OptionRow::name);
    return found == rows.end() ? nullptr : &*found;
}

}  // namespace qvm::config
