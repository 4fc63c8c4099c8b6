./build/qemu-system-x86_64 -L pc-bios -M q35 -enable-kvm -accel kvm -m 512M -nodefaults -no-acpi -usb
