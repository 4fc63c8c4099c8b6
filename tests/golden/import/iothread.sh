qemu-system-x86_64 -M q35 -smp 8 -m 8G -object iothread,id=io0 -drive file=db.qcow2,if=none,id=db,cache=none -device virtio-blk-pci,drive=db,iothread=io0,num-queues=8,serial=DB0001
