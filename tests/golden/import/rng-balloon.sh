qemu-system-x86_64 -M q35 -m 1G -object rng-random,id=rng0,filename=/dev/urandom -device virtio-rng-pci,rng=rng0 -device virtio-balloon-pci,id=balloon0 -drive file=a.qcow2,if=virtio
