qemu-system-x86_64 -M q35 -m 512M -action reboot=shutdown,panic=pause,watchdog=reset -device i6300esb -watchdog-action none
