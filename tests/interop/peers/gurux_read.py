"""In the peers' own environment: gurux-dlms reads a meter. One JSON argument, one JSON object on standard output.

{"link": "hdlc" | "wrapper", "port": TCP port | path of a tty, "sap": n, "server": n, "password": text, "mechanism": n,
"keys": {"title", "encryption", "authentication": hex, "counter": n}, "information": n, "window": n, "pdu": n,
"short": true,
"get": [[class, obis, attribute], ...], "entries": [obis, first, count], "range": [obis, from, to]}
"""

import datetime
import json
import os
import select
import socket
import sys
import tty

from gurux_dlms import GXByteBuffer, GXDateTime, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSProfileGeneric
from gurux_dlms.secure import GXDLMSSecureClient

wanted = json.loads(sys.argv[1])
wrapper = wanted["link"] == "wrapper"
client = GXDLMSSecureClient(
    not wanted.get("short"), wanted["sap"], wanted["server"],
    Authentication(wanted.get("mechanism", 0)), wanted.get("password"),
    InterfaceType.WRAPPER if wrapper else InterfaceType.HDLC,
)  # fmt: skip
if "keys" in wanted:
    keys = wanted["keys"]
    client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    client.ciphering.systemTitle = bytearray.fromhex(keys["title"])
    client.ciphering.blockCipherKey = bytearray.fromhex(keys["encryption"])
    client.ciphering.authenticationKey = bytearray.fromhex(keys["authentication"])
    client.ciphering.invocationCounter = keys["counter"]
    client.useProtectedRelease = True
client.maxReceivePDUSize = wanted.get("pdu", 0xFFFF)
if "information" in wanted:
    client.hdlcSettings.maxInfoTX = client.hdlcSettings.maxInfoRX = wanted["information"]
    client.hdlcSettings.windowSizeTX = client.hdlcSettings.windowSizeRX = wanted["window"]

if isinstance(wanted["port"], int):
    connection = socket.create_connection(("127.0.0.1", wanted["port"]), 10)
    descriptor = connection.fileno()
    connection.setblocking(False)
else:
    descriptor = os.open(wanted["port"], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(descriptor)


received = GXByteBuffer()


def exchange(octets, reply):
    """Send one frame, if any, and read until the library has taken a whole one."""
    notify = GXReplyData()
    while octets:
        octets = octets[os.write(descriptor, octets) :]
    while True:
        if received.size > received.position and client.getData(received, reply, notify):
            break
        ready, _, _ = select.select([descriptor], [], [], 10)
        if not ready:
            raise SystemExit("no answer within 10 s")
        received.set(os.read(descriptor, 65536))
    if received.position >= received.size:
        received.clear()
    if reply.error:
        raise SystemExit(f"error {reply.error}")


def ask(frames):
    """All frames of a request, and all blocks and segments of its answer."""
    reply = GXReplyData()
    for octets in frames if isinstance(frames, list) else [frames]:
        if not octets:
            continue
        exchange(bytes(octets), reply)
        while reply.isMoreData():
            exchange(b"" if reply.isStreaming() else bytes(client.receiverReady(reply)), reply)
    return reply


def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return str(value) if isinstance(value, GXDateTime) else value


found = {}
if not wrapper:
    client.parseUAResponse(ask(client.snrmRequest()).data)
    settings = client.hdlcSettings
    found["agreed"] = [settings.maxInfoTX, settings.maxInfoRX, settings.windowSizeTX, settings.windowSizeRX]
client.parseAareResponse(ask(client.aarqRequest()).data)
if client.isAuthenticationRequired:
    client.parseApplicationAssociationResponse(ask(client.getApplicationAssociationRequest()).data)
listed = client.parseObjects(ask(client.getObjectsRequest()).data, False) if wanted.get("short") else []


def named(class_id, obis):
    """An object by its logical name; with short names it is found in the meter's list."""
    for one in listed:
        if one.logicalName == obis and int(one.objectType) == class_id:
            return one
    one = client.createObject(class_id)
    one.logicalName = obis
    return one


found["get"] = []
for class_id, obis, attribute in wanted.get("get", []):
    one = named(class_id, obis)
    found["get"].append(plain(ask(client.read(one, attribute)).value))
if "objects" in wanted:
    found["objects"] = [
        [int(one.objectType), one.logicalName]
        for one in client.parseObjects(ask(client.getObjectsRequest()).data, False)
    ]
if "entries" in wanted:
    obis, first, count = wanted["entries"]
    profile = named(7, obis) if listed else GXDLMSProfileGeneric(obis)
    found["rows"] = plain(ask(client.readRowsByEntry(profile, first, count)).value)
if "range" in wanted:
    obis, first, last = wanted["range"]
    profile = GXDLMSProfileGeneric(obis)
    bounds = [GXDateTime(datetime.datetime.fromisoformat(text)) for text in (first, last)]
    found["rows"] = plain(ask(client.readRowsByRange(profile, *bounds)).value)
ask(client.disconnectRequest())
print(json.dumps(found))
