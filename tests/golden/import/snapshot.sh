qemu-system-x86_64 -m 512 -snapshot -hda golden.qcow2 -drive file=x.qcow2,if=virtio,snapshot=on
