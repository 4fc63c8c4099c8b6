qemu-system-x86_64 -m 512M -global virtio-blk-pci.num-queues=2 -global ICH9-LPC.disable_s3=1 -machine q35,kernel-irqchip=split -device intel-iommu,intremap=on,caching-mode=on -display vnc=:3
