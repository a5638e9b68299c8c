"""The kernel modules of the image: what is wished for, and everything that it needs."""

import shutil
import subprocess
from pathlib import Path

import debian
import modules
import pytest

KNOWN = {
    "kernel/drivers/usb/dwc2/dwc2.ko": ["kernel/drivers/usb/gadget/udc/udc-core.ko", "kernel/drivers/usb/core.ko"],
    "kernel/drivers/usb/gadget/udc/udc-core.ko": [],
    "kernel/drivers/usb/core.ko": [],
    "kernel/drivers/usb/serial/ftdi_sio.ko": ["kernel/drivers/usb/serial/usbserial.ko", "kernel/drivers/usb/core.ko"],
    "kernel/drivers/usb/serial/usbserial.ko": ["kernel/drivers/usb/core.ko"],
    "kernel/drivers/usb/serial2/other.ko": [],
    "kernel/fs/nls/nls_iso8859-1.ko.xz": [],
}
BUILTIN = ["kernel/drivers/mmc/core/mmc_block.ko"]


def test_a_module_brings_all_that_it_needs():
    assert modules.choose(["dwc2"], KNOWN, BUILTIN) == [
        "kernel/drivers/usb/core.ko",
        "kernel/drivers/usb/dwc2/dwc2.ko",
        "kernel/drivers/usb/gadget/udc/udc-core.ko",
    ]


def test_a_folder_stands_for_its_modules_and_for_no_folder_with_a_longer_name():
    assert modules.choose(["drivers/usb/serial/"], KNOWN, BUILTIN) == [
        "kernel/drivers/usb/core.ko",
        "kernel/drivers/usb/serial/ftdi_sio.ko",
        "kernel/drivers/usb/serial/usbserial.ko",
    ]


@pytest.mark.parametrize("wish", ["nls_iso8859_1", "nls_iso8859-1"])
def test_a_hyphen_is_an_underscore_as_for_the_kernel(wish):
    assert modules.choose([wish], KNOWN, BUILTIN) == ["kernel/fs/nls/nls_iso8859-1.ko.xz"]


@pytest.mark.parametrize("wish", ["mmc_block", "drivers/mmc/core/"])
def test_what_the_kernel_has_built_in_needs_no_module(wish):
    assert modules.choose([wish], KNOWN, BUILTIN) == []


def test_wishes_that_the_kernel_does_not_know_are_named():
    with pytest.raises(KeyError) as caught:
        modules.choose(["dwc2", "dwc3", "drivers/none/"], KNOWN, BUILTIN)
    assert caught.value.args == ("dwc3", "drivers/none/")


def test_the_list_has_each_wish_once():
    listed = debian.words(debian.HERE / "modules.txt")
    assert sorted(set(listed)) == sorted(listed)


#: A module that gives a symbol, and one that needs it; the second also loads `sum` by an alias when it starts.
USB_CORE = """\
.globl usb_do
.data
usb_do: .byte 0
.section __ksymtab_strings,"a"
__kstrtab_usb_do: .asciz "usb_do"
.section __ksymtab,"a"
__ksymtab_usb_do: .quad usb_do
.globl __ksymtab_usb_do
"""
HEAD = """\
.data
.quad usb_do
.section .modinfo,"a"
.asciz "softdep=pre: crypto-sum"
"""
SUM = """\
.section .modinfo,"a"
.asciz "alias=crypto-sum"
"""


def test_dependencies_are_those_of_depmod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
    if shutil.which("depmod") is None or shutil.which("as") is None:
        pytest.skip("MISSING Debian packages, sudo apt-get install kmod binutils")
    folder = tmp_path / "lib/modules/6.1.0/kernel/drivers"
    folder.mkdir(parents=True)
    for name, text in {"usb-core": USB_CORE, "head": HEAD, "sum_generic": SUM}.items():
        subprocess.run(["as", "-o", folder / f"{name}.ko"], input=text, text=True, check=True)
    assert modules.dependencies(tmp_path, "6.1.0") == {
        "kernel/drivers/usb-core.ko": set(),
        "kernel/drivers/head.ko": {"kernel/drivers/usb-core.ko", "kernel/drivers/sum_generic.ko"},
        "kernel/drivers/sum_generic.ko": set(),
    }
