qemu-system-x86_64 -M q35 -m 512M -netdev socket,id=s0,listen=:1234 -device e1000,netdev=s0
