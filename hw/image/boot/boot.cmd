# U-Boot's script: loads kernel, initrd and device tree of a root slot, and starts it.
setenv slot A
setenv part 2
# On a Pi the boot firmware made the device tree, and put the lines of cmdline.txt into it.
if test "${board}" = "qemu-arm"; then
    setenv extra "console=ttyAMA0"
else
    fdt addr ${fdt_addr}
    fdt get value extra /chosen bootargs
fi
load ${devtype} ${devnum}:${part} ${kernel_addr_r} /boot/vmlinuz
load ${devtype} ${devnum}:${part} ${ramdisk_addr_r} /boot/initrd.img
setenv bootargs "${extra} root=PARTUUID=534d4757-0${part} rauc.slot=${slot} ro quiet panic=10"
booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr}
