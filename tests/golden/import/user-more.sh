qemu-system-x86_64 -M q35 -m 512M -nic user,id=lan,hostname=guest,dns=10.0.2.9,tftp=/srv/tftp,hostfwd=tcp:[::1]:2222-:22,model=e1000e,mac=52:54:00:00:00:07
