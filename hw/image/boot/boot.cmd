# U-Boot's script: chooses a root slot, counts this try, and starts the slot's kernel.
# The boot state (smgw.update.boot_state has the same) lies in two sectors before the first partition: 0x800 and 0x808.
# Each has a CRC. The first one counts, unless it is damaged. A power cut at any write leaves one of them whole:
# the second is made equal to the first before the first is changed.
setenv state ${ramdisk_addr_r}
setexpr other ${ramdisk_addr_r} + 0x1000
setenv names BOOT_A_LEFT BOOT_B_LEFT BOOT_ORDER
setenv whole
${devtype} dev ${devnum}
if ${devtype} read ${state} 0x800 1 && env import -c ${state} 0x200 ${names}; then
    setenv whole first
    ${devtype} read ${other} 0x808 1
    if cmp.b ${state} ${other} 0x200; then true; else ${devtype} write ${state} 0x808 1; fi
elif ${devtype} read ${state} 0x808 1 && env import -c ${state} 0x200 ${names}; then
    setenv whole second
fi
if test -z "${whole}" -o -z "${BOOT_ORDER}" -o -z "${BOOT_A_LEFT}" -o -z "${BOOT_B_LEFT}"; then
    echo "smgw: no boot state yet"
    setenv BOOT_ORDER A B; setenv BOOT_A_LEFT 9; setenv BOOT_B_LEFT 0
fi
setenv save 'env export -c -s 0x200 ${state} ${names} && ${devtype} write ${state} 0x800 1 && ${devtype} write ${state} 0x808 1'
setenv slot
for name in ${BOOT_ORDER}; do
    if test -z "${slot}" -a ${name} = A -a 0x${BOOT_A_LEFT} -gt 0; then
        setenv slot A; setenv part 2; setexpr BOOT_A_LEFT 0x${BOOT_A_LEFT} - 1
    elif test -z "${slot}" -a ${name} = B -a 0x${BOOT_B_LEFT} -gt 0; then
        setenv slot B; setenv part 3; setexpr BOOT_B_LEFT 0x${BOOT_B_LEFT} - 1
    fi
done
if test -z "${slot}"; then
    echo "smgw: no slot has a try left, all are tried again"
    setenv BOOT_A_LEFT 3; setenv BOOT_B_LEFT 3; run save; reset
fi
run save
echo "smgw: slot ${slot}, tries left A ${BOOT_A_LEFT}, B ${BOOT_B_LEFT}"
# On a Pi the boot firmware made the device tree, and put the lines of cmdline.txt into it.
if test "${board}" = "qemu-arm"; then
    setenv extra "console=ttyAMA0"
else
    fdt addr ${fdt_addr}
    fdt get value extra /chosen bootargs
fi
setenv bootargs "${extra} root=PARTUUID=534d4757-0${part} rauc.slot=${slot} ro quiet panic=10"
if load ${devtype} ${devnum}:${part} ${kernel_addr_r} /boot/vmlinuz && load ${devtype} ${devnum}:${part} ${ramdisk_addr_r} /boot/initrd.img; then
    booti ${kernel_addr_r} ${ramdisk_addr_r}:${filesize} ${fdt_addr}
fi
echo "smgw: slot ${slot} has no kernel that starts"
if test ${slot} = A; then setenv BOOT_A_LEFT 0; else setenv BOOT_B_LEFT 0; fi
run save
reset
