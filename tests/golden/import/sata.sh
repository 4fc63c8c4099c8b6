qemu-system-x86_64 -M q35 -m 2G -drive id=disk,file=sys.qcow2,if=none -device ahci,id=ahci -device ide-hd,drive=disk,bus=ahci.0
