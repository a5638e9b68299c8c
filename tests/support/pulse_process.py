"""`smgw` as a process whose GPIO chip is a FIFO: pulse_process.py FIFO ARGUMENTS. The kernel is `fake_gpio`'s.

It prints what outputs are set to, such as "line 5: on".
"""

import sys
from pathlib import Path

from fake_gpio import FakeKernel
from smgw.cli import main
from smgw.ports.gpio import kernel

if __name__ == "__main__":
    made = FakeKernel("pinctrl-bcm2711", fifo=Path(sys.argv[1]))
    made.told = lambda offset, active: print(f"line {offset}: {'on' if active else 'off'}", flush=True)
    kernel.KERNEL = made
    sys.exit(main(sys.argv[2:]))
