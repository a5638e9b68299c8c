#!/usr/bin/python3 -I
import sys

from smgw.update.boot_state import main

sys.exit(main())
