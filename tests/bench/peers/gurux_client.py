"""In the peers' own environment: gurux-dlms reads a meter over HDLC or the wrapper; CPU seconds of each step as JSON.

Arguments: port, "hdlc" or "wrapper", "clear" or "gmac", GETs, rows of the profiles to read, e.g. 96,1000.
"""

import io
import json
import socket
import sys
import time

from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

answer, sys.stdout = sys.stdout, io.StringIO()  # it tells of every ciphered APDU
port, link, security, gets, sizes = sys.argv[1:]
connection = socket.create_connection(("127.0.0.1", int(port)), 60)
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
secure = security == "gmac"
client = (GXDLMSSecureClient if secure else GXDLMSClient)(
    True,
    1 if secure else 16,
    1,
    Authentication.HIGH_GMAC if secure else Authentication.NONE,
    None,
    InterfaceType.HDLC if link == "hdlc" else InterfaceType.WRAPPER,
)
client.maxReceivePDUSize = 1024
if secure:
    client.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    client.ciphering.systemTitle = b"GRX00001"
    client.ciphering.blockCipherKey = bytes(range(16))
    client.ciphering.authenticationKey = bytes(range(0xD0, 0xE0))
    client.ciphering.invocationCounter = 100


def exchange(data, reply):
    connection.sendall(bytes(data))
    received = GXByteBuffer()
    while True:
        received.set(connection.recv(65536))
        if client.getData(received, reply, None):
            return


def ask(frames, reply=None):
    reply = reply or GXReplyData()
    for data in frames if isinstance(frames, list) else [frames]:
        reply.clear()
        exchange(data, reply)
        while reply.isMoreData():
            exchange(client.receiverReady(reply), reply)
    return reply


if link == "hdlc":
    client.parseUAResponse(ask(client.snrmRequest()).data)
for data in client.aarqRequest():
    client.parseAareResponse(ask(data).data)
if secure:
    for data in client.getApplicationAssociationRequest():
        client.parseApplicationAssociationResponse(ask(data).data)
register = GXDLMSRegister("1.0.1.8.0.255")
found = {"get": 1e9}
for _ in range(5):
    begin = time.process_time()
    for _ in range(int(gets)):
        value = ask(client.read(register, 2)).value
    assert value == 1234567, value
    found["get"] = min(found["get"], (time.process_time() - begin) / int(gets))
for rows in map(int, filter(None, sizes.split(","))):
    profile = GXDLMSProfileGeneric(f"1.0.99.{(96, 1000, 35040).index(rows) + 1}.0.255")
    begin = time.process_time()
    value = ask(client.read(profile, 2)).value
    assert len(value) == rows, len(value)
    found[str(rows)] = time.process_time() - begin
print(json.dumps(found), file=answer)
