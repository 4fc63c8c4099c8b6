qemu-system-x86_64 -M q35 -m 1G -object rng-builtin,id=rng0 -device virtio-rng-pci,rng=rng0,max-bytes=1024,period=1000
