qemu-system-x86_64 -machine q35 -m 1G \
 -blockdev '{"driver":"qcow2","node-name":"root","file":{"driver":"file","filename":"root.qcow2"},"l2-cache-size":8388608}' \
 -device '{"driver":"virtio-blk-pci","drive":"root","id":"vda","num-queues":4,"write-cache":"on"}'
