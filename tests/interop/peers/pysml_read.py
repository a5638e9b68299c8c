"""In the peers' own environment: octets on standard input, what pysml reads of them as JSON on standard output."""

import json
import sys

from sml import SmlBase

octets = sys.stdin.buffer.read()
telegrams = []
while True:
    end, frame = SmlBase.find_frame(octets)
    octets = octets[end:]
    if frame is None:
        break
    body = next(message["messageBody"] for message in frame if "valList" in message["messageBody"])
    telegrams.append(
        {
            "server": body["serverId"],
            "sensor_time": body.get("actSensorTime"),
            "entries": [
                [
                    entry["objName"] if isinstance(entry["objName"], str) else entry["objName"].hex(),
                    entry.get("status"),
                    entry.get("unit"),
                    repr(entry["value"]) if isinstance(entry["value"], float) else str(entry["value"]),
                ]
                for entry in body["valList"]
            ],
        }
    )
json.dump(telegrams, sys.stdout)
