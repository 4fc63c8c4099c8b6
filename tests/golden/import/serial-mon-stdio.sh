qemu-system-x86_64 -kernel vmlinuz -append "root=/dev/vda rw console=ttyS0" -drive file=rootfs.raw,format=raw,if=virtio -serial mon:stdio -display none
