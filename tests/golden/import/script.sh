#!/bin/sh
# Starts the build machine.
set -e
DISK=build.qcow2
MEM="-m 4G"
NET="user,id=n0"
modprobe kvm || true
exec qemu-system-x86_64 $MEM -enable-kvm \
    -drive file="$DISK",if=virtio \
    -netdev "$NET,hostfwd=tcp::${SSH_PORT}-:22" -device virtio-net-pci,netdev=n0 \
    -nographic "$@" >vm.log 2>&1 &
