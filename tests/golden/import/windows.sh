qemu-system-x86_64 -enable-kvm -M q35 -cpu host,hv_relaxed,hv_spinlocks=0x1fff,hv_vapic,hv_time -smp cores=4,threads=2 -m 8G \
 -drive file=win10.qcow2,if=ide -drive file=Win10.iso,media=cdrom -drive file=virtio-win.iso,media=cdrom \
 -nic user,model=e1000 -usb -device usb-tablet -rtc base=localtime,clock=host -vga qxl
