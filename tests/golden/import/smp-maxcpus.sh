qemu-system-x86_64 -M q35 -smp cpus=2,sockets=2,cores=2,threads=1,maxcpus=4 -m size=2G,slots=4,maxmem=16G -sandbox on,obsolete=deny
