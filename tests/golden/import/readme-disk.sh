qemu-system-x86_64 -m 2G -smp 2 disk.qcow2
