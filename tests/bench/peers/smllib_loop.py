"""Reads SML from ports with SmlLib and keeps nothing: what decoding alone costs. Runs in the peers' environment."""

import os
import select
import sys

from smllib import SmlStreamReader

readers = {}
for path in sys.argv[1:]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    readers[descriptor] = SmlStreamReader()
while True:
    ready, _, _ = select.select(list(readers), [], [])
    select.select([], [], [], 0.05)  # octets gather, as the gateway lets them
    for descriptor in ready:
        readers[descriptor].add(os.read(descriptor, 4096))
        while (frame := readers[descriptor].get_frame()) is not None:
            frame.parse_frame()
