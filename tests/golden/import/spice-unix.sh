qemu-system-x86_64 -machine q35 -m 1G -nic none -spice unix=on,addr=/run/vm/spice.sock,password=geheim
