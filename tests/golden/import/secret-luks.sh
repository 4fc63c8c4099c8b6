qemu-system-x86_64 -M q35 -m 1G -object secret,id=sec0,file=key.b64,format=base64 \
  -blockdev driver=luks,node-name=enc,key-secret=sec0,file.driver=file,file.filename=crypt.luks \
  -device virtio-blk,drive=enc
