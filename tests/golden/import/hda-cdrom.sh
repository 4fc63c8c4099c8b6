qemu-system-x86_64 -m 1024 -hda debian.qcow2 -cdrom debian-12.iso -boot d
