qemu-system-x86_64 -M q35 -m 1G \
  -blockdev driver=file,node-name=disk-file,filename=/srv/vm/disk.qcow2,aio=threads,cache.direct=on \
  -blockdev driver=qcow2,node-name=disk,file=disk-file,discard=unmap \
  -device virtio-blk-pci,drive=disk,id=vda,bootindex=0
