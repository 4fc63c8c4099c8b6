qemu-system-x86_64 -M q35 -m 1G -device virtio-scsi-pci -drive if=none,id=cd,media=cdrom,file=tools.iso,readonly=on -device scsi-cd,drive=cd -drive file=data.iso,media=cdrom,if=virtio
