qemu-system-i386 -m 64 -hda win98.img -net nic,model=pcnet -net user -vga cirrus -rtc base=localtime -usb -usbdevice tablet
