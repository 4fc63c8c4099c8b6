kvm -m 1024 -drive file=old.raw,if=virtio -net nic,model=virtio,macaddr=52:54:00:12:34:57 -net tap,ifname=tap3,script=/etc/qemu-ifup
