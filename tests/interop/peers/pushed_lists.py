"""In the peers' own environment: what gurux-dlms and dlms-cosem find in notifications.

Lines of hex on standard input, a DataNotification each; a JSON object a line on standard output: what each peer found,
lists as lists, octets as hex, floats by their text; null where it gives up.
"""

import json
import sys

from dlms_cosem.protocol.xdlms import DataNotification
from dlms_cosem.utils import parse_as_dlms_data
from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType


def plain(value):
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if isinstance(value, float):
        return {"float": repr(value)}
    if value is None or isinstance(value, int | str):
        return value
    return {"other": str(value)}


def gurux(apdu):
    client = GXDLMSClient(True, 16, 1, Authentication.NONE, None, InterfaceType.WRAPPER)
    framed = b"\x00\x01\x00\x01\x00\x10" + len(apdu).to_bytes(2, "big") + apdu
    reply, notify = GXReplyData(), GXReplyData()
    client.getData(GXByteBuffer(bytearray(framed)), reply, notify)
    return plain(notify.value)


def dlms_cosem(apdu):
    return plain(parse_as_dlms_data(DataNotification.from_bytes(apdu).body))


for line in sys.stdin:
    apdu = bytes.fromhex(line)
    found = {}
    for name, read in (("gurux", gurux), ("dlms_cosem", dlms_cosem)):
        try:
            found[name] = read(apdu)
        except Exception:  # what a peer has not, it raises anything for
            found[name] = None
    print(json.dumps(found))
