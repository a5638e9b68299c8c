"""`smgw` as a process whose GPIO chip is a FIFO: pulse_process.py FIFO ARGUMENTS. The kernel is `fake_gpio`'s."""

import sys
from pathlib import Path

from fake_gpio import FakeKernel
from smgw.cli import main
from smgw.ports.gpio import kernel

if __name__ == "__main__":
    kernel.KERNEL = FakeKernel("pinctrl-bcm2711", fifo=Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
