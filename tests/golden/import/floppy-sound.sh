qemu-system-i386 -m 32 -fda dos.img -boot a -soundhw sb16 -k de -parallel none -d int -D qemu.log
