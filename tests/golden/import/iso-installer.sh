qemu-system-x86_64 -m 2G -cdrom "My Install.iso" -drive file=new.qcow2,if=virtio,werror=report -boot order=cd,once=d,menu=on
