qemu-system-x86_64 -machine q35 -m 1G -display none -vga none -nic none -audiodev none,id=a -audiodev alsa,id=b -device AC97,audiodev=a -device usb-audio,audiodev=b -audio pa,model=sb16
