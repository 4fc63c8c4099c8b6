qemu-system-x86_64 -m 1G -bios /usr/share/ovmf/OVMF.fd -hda fat.raw -net none
