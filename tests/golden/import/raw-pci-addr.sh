qemu-system-x86_64 -M pc -m 1G -nic none -device e1000,addr=10,mac=52:54:00:11:22:33 -device pci-serial,chardev=c0,addr=0x1f -chardev null,id=c0
