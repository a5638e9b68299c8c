#!/usr/bin/python3 -I
import sys

# It carries what it shares with the gateway, which need not be installed beside it.
sys.path.insert(0, "/usr/share/smgw-pki")

from gwa.cli import main

sys.exit(main())
