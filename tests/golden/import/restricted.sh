qemu-system-x86_64 -M q35 -m 512M -netdev user,id=iso,restrict=on,hostfwd=tcp::2222-:22,net=10.9.0.0/24 -device virtio-net-pci,netdev=iso
