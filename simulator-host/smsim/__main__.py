"""`python -m smsim` is the command `smsim`."""

import sys

from smsim.cli import main

sys.exit(main())
