#!/usr/bin/python3 -I
import sys

# The head-end carries what it shares with the gateway, which need not be installed beside it.
sys.path.insert(0, "/usr/share/smgw-emp")

from emp.cli import main

sys.exit(main())
