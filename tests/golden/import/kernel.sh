qemu-system-x86_64 -M q35 -kernel bzImage -initrd rootfs.cpio.gz \
    -append "console=ttyS0 panic=-1" -nographic -no-reboot
