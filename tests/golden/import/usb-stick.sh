qemu-system-x86_64 -M q35 -m 2G -device qemu-xhci,id=xhci -drive if=none,id=stick,format=raw,file=stick.img -device usb-storage,bus=xhci.0,drive=stick -device usb-tablet
