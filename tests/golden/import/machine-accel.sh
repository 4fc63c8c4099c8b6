qemu-system-x86_64 -machine type=q35,accel=kvm:tcg -cpu max -m 512M -nodefaults -display none
