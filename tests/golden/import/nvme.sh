qemu-system-x86_64 -M q35 -m 2G -drive file=ssd.raw,if=none,id=nvm -device nvme,serial=deadbeef,drive=nvm
