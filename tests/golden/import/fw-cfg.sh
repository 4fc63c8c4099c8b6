qemu-system-x86_64 -m 2G -fw_cfg name=opt/com.coreos/config,file=config.ign -drive if=virtio,file=coreos.qcow2 -nic user,model=virtio
