qemu-system-x86_64 -m 1G -frobnicate on -quux -device virtio-keyboard
