qemu-system-x86_64 -enable-kvm -cpu host -smp 4,sockets=1,cores=2,threads=2 -m 4096 -drive file=root.qcow2,if=virtio -nic user,model=virtio-net-pci,hostfwd=tcp::2222-:22 -vga virtio -display gtk
