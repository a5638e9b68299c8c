#!/usr/bin/python3 -I
import sys

from smgw.cli import main

sys.exit(main())
