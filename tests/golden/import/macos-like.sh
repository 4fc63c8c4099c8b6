qemu-system-x86_64 -enable-kvm -m 4096 -cpu Penryn,vendor=GenuineIntel,+invtsc,+ssse3,+sse4.2,-x2apic -machine q35 -smp 4,cores=2 \
 -device qemu-xhci,id=xhci -device usb-kbd,bus=xhci.0 -device usb-tablet,bus=xhci.0 \
 -smbios type=2 -device ich9-intel-hda -device hda-duplex \
 -drive id=Disk,if=none,file=mac.qcow2,format=qcow2 -device ide-hd,bus=ide.2,drive=Disk \
 -netdev user,id=net0 -device vmxnet3,netdev=net0,id=net0,mac=52:54:00:c9:18:27
