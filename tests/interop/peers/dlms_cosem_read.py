"""In the peers' own environment: dlms-cosem reads a meter over the wrapper. One JSON argument, one JSON object out.

{"port": TCP port, "sap": n, "server": n, "mechanism": n, "password": text,
"keys": {"title", "encryption", "authentication": hex, "counter": n},
"get": [[class, obis, attribute], ...], "range": [obis, from, to]}
"""

import datetime
import json
import logging
import sys

import structlog
from dlms_cosem import cosem, enumerations, utils
from dlms_cosem.client import DlmsClient
from dlms_cosem.cosem.capture_object import CaptureObject
from dlms_cosem.cosem.selective_access import RangeDescriptor
from dlms_cosem.io import BlockingTcpIO, TcpTransport
from dlms_cosem.security import (
    HighLevelSecurityCommonAuthentication,
    HighLevelSecurityGmacAuthentication,
    LowLevelSecurityAuthentication,
    NoSecurityAuthentication,
)

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
wanted = json.loads(sys.argv[1])
transport = TcpTransport(wanted["sap"], wanted["server"], BlockingTcpIO("127.0.0.1", wanted["port"]))
if "keys" in wanted:
    keys = wanted["keys"]
    client = DlmsClient(
        transport,
        HighLevelSecurityGmacAuthentication(challenge_length=32),
        encryption_key=bytes.fromhex(keys["encryption"]),
        authentication_key=bytes.fromhex(keys["authentication"]),
        client_system_title=bytes.fromhex(keys["title"]),
        client_initial_invocation_counter=keys["counter"],
        block_transfer=True,
    )
else:
    password = wanted.get("password")
    method = LowLevelSecurityAuthentication(password.encode()) if password else NoSecurityAuthentication()
    if wanted.get("mechanism") == 2:
        method = HighLevelSecurityCommonAuthentication(password.encode())
    client = DlmsClient(transport, method, block_transfer=True)


def attribute(class_id, obis, number):
    return cosem.CosemAttribute(enumerations.CosemInterface(class_id), cosem.Obis.from_string(obis), number)


def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


found = {"get": []}
with client.session():
    for one in wanted.get("get", []):
        found["get"].append(plain(utils.parse_as_dlms_data(client.get(attribute(*one)))))
    if "range" in wanted:
        obis, first, last = wanted["range"]
        clock = CaptureObject(attribute(8, "0.0.1.0.0.255", 2))
        bounds = [datetime.datetime.fromisoformat(text) for text in (first, last)]
        found["rows"] = plain(
            utils.parse_as_dlms_data(client.get(attribute(7, obis, 2), RangeDescriptor(clock, *bounds)))
        )
print(json.dumps(found))
