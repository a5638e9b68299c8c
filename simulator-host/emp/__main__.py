"""`python -m emp`."""

import sys

from emp.cli import main

sys.exit(main())
