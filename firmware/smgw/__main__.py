"""`python -m smgw`."""

import sys

from smgw.cli import main

sys.exit(main())
