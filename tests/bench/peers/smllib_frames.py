"""Times SmlLib over rounds of frames: one pickle a round in, one line of JSON out. Runs in the peers' environment.

For each frame: CPU seconds of add, get_frame and parse_frame, or None where SmlLib gave no frame.
"""

import json
import pickle
import sys
import time

from smllib import SmlStreamReader


def seconds(octets: bytes) -> float | None:
    reader = SmlStreamReader()
    began = time.process_time()
    try:
        reader.add(octets)
        frame = reader.get_frame()
        read = frame is not None and frame.parse_frame()
    except Exception:  # whatever it raises, it did not read the frame
        return None
    return time.process_time() - began if read else None


while frames := pickle.load(sys.stdin.buffer):
    print(json.dumps([seconds(octets) for octets in frames]), flush=True)
