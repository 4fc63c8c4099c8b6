qemu-system-x86_64 -M q35,memory-backend=mem -m 1G -object memory-backend-file,id=mem,size=1G,mem-path=/dev/hugepages,share=on,prealloc=on -drive file=a.qcow2,if=virtio
