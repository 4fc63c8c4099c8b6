qemu-system-x86_64 -m 1G -drive file=nbd://storage/export,if=virtio,format=raw -drive file=fat:rw:dir,format=raw
