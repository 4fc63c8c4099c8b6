qemu-system-x86_64 -M q35 -m 128 -serial file:boot.log -serial tcp:localhost:4555,server=on,wait=off -display none
