qemu-system-x86_64 -M q35 -drive file=a.qcow2,if=scsi -m 1G
