qemu-system-x86_64 -m 1G -drive 'file=a,,b.qcow2,if=virtio' -name 'My VM'
