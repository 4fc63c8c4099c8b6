qemu-system-x86_64 -m 1G -nodefaults -object memory-backend-memfd,id=mem,size=1G,share=on -machine q35,memory-backend=mem \
  -chardev socket,id=sw,path=/run/vswitch/vm.sock,reconnect=1 -netdev vhost-user,id=lan,chardev=sw,queues=2 \
  -device virtio-net-pci,netdev=lan,mac=52:54:00:aa:bb:cc,mq=on,vectors=6 \
  -chardev socket,id=sw2,path=/run/vswitch/vm2.sock,server=on,wait=off -netdev vhost-user,id=wan,chardev=sw2 -device virtio-net-pci,netdev=wan
