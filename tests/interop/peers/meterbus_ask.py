"""Asks an M-Bus meter on TCP with pyMeterBus: HOST PORT ADDRESS; a secondary address has 16 digits. Prints values."""

import json
import sys

import meterbus
import serial

host, port, address = sys.argv[1:]
with serial.serial_for_url(f"socket://{host}:{port}", timeout=2) as line:
    if len(address) == 16:
        meterbus.send_ping_frame(line, 253)
        meterbus.recv_frame(line, 1)
        meterbus.send_select_frame(line, address)
        number = 253
    else:
        number = int(address)
        meterbus.send_ping_frame(line, number)
    meterbus.load(meterbus.recv_frame(line, 1))
    meterbus.send_request_frame(line, number)
    telegram = meterbus.load(meterbus.recv_frame(line, meterbus.FRAME_DATA_LENGTH))
    print(json.dumps([str(record.parsed_value) for record in telegram.records]))
