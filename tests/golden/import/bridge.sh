qemu-system-x86_64 -m 1G -nic bridge,br=br0,model=virtio -drive file=a.qcow2,if=virtio
