qemu-system-x86_64 -M q35 -m 1G -nic none -device virtio-scsi-pci,id=scsi0 \
  -drive if=none,id=drive-cd0,file=tools.iso,media=cdrom -device scsi-cd,bus=scsi0.0,drive=drive-cd0,id=cd0,bootindex=2 \
  -drive file=a.qcow2,if=scsi
