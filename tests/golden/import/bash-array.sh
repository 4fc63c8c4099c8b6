#!/bin/bash
args=(
  -M q35,accel=kvm   # fast
  -m 2G
  -drive "file=disk one.qcow2,if=virtio"
)
args+=(-smp 2)
args+=(-nic 'user,model=virtio')
qemu-system-x86_64 "${args[@]}" -display none
