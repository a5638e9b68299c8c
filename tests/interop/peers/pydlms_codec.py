"""Reads values and APDUs as pydlms-client does, and writes them again. Run by the peers' Python.

Standard input: lines `data HEX` or `apdu HEX`. Standard output, a line each: the octets written again in hex, or
`refused` and why.
"""

import sys

from pydlms.apdu.xdlms import decode_apdu
from pydlms.cosem.data import decode_data, encode_data

for line in sys.stdin:
    kind, digits = line.split()
    octets = bytes.fromhex(digits)
    try:
        if kind == "data":
            value, end = decode_data(octets)
            again = encode_data(value) + octets[end:]
        else:
            again = decode_apdu(octets).to_bytes()
    except Exception as error:  # whatever it says, the test prints it
        print("refused", type(error).__name__, error)
    else:
        print(again.hex())
