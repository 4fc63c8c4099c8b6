qemu-system-x86_64 -m 256 -nodefaults -chardev socket,id=c,host=localhost,port=4444,server=on,mux=on -serial chardev:c -mon chardev=c,mode=readline -debugcon file:debug.log
