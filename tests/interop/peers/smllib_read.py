"""In the peers' own environment: octets on standard input, what SmlLib reads of them as JSON on standard output."""

import json
import sys

from smllib import SmlStreamReader

crc = sys.argv[1] if len(sys.argv) > 1 else "x25"
reader = SmlStreamReader(crc=crc)
reader.add(sys.stdin.buffer.read())
telegrams = []
while (frame := reader.get_frame()) is not None:
    opened, listed, closed = frame.parse_frame()
    body = listed.message_body
    telegrams.append(
        {
            "server": body.server_id,
            "sensor_time": body.act_sensor_time,
            "transactions": [message.transaction_id for message in (opened, listed, closed)],
            "entries": [
                [entry.obis.obis_code, entry.status, entry.unit, entry.scaler, entry.value] for entry in body.val_list
            ],
        }
    )
json.dump(telegrams, sys.stdout)
