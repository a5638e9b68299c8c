"""In the peers' own environment: pydlms-client reads a meter. One JSON argument, one JSON object on standard output.

{"link": "hdlc" | "wrapper" | "udp" | "optical", "port": TCP or UDP port | path of a tty, "sap": n, "server": n,
"physical": n | null, "pdu": n (UDP), "mechanism": n, "password": text,
"keys": {"title", "encryption", "authentication": hex, "counter": n},
"short": true,
"information": n, "window": n, "get": [[class, obis, attribute], ...], "entries": [obis, first, last], "objects": true}
"""

import json
import sys

from pydlms.apdu.xdlms import entry_descriptor
from pydlms.client import DlmsClient
from pydlms.hdlc.connection import HdlcParameters

wanted = json.loads(sys.argv[1])
options = {
    "client_sap": wanted["sap"],
    "server_logical": wanted["server"],
    "mechanism": wanted.get("mechanism", 0),
    "password": wanted.get("password"),
    "logical_names": not wanted.get("short"),
}
if options["mechanism"] == 6:
    options["client_system_title"] = b"UTBCLI01"
if "keys" in wanted:
    from pydlms.security.context import SecurityContext

    keys = wanted["keys"]
    options["security"] = SecurityContext(
        client_system_title=bytes.fromhex(keys["title"]),
        encryption_key=bytes.fromhex(keys["encryption"]),
        authentication_key=bytes.fromhex(keys["authentication"]),
        invocation_counter=keys["counter"],
    )
if wanted["link"] not in ("wrapper", "udp"):
    options["server_physical"] = wanted.get("physical")
    if "information" in wanted:
        size, window = wanted["information"], wanted["window"]
        options["hdlc_parameters"] = HdlcParameters(size, size, window, window)
if wanted["link"] == "optical":
    client = DlmsClient.optical(wanted["port"], **options)
elif wanted["link"] == "udp":
    client = DlmsClient.udp("127.0.0.1", wanted["port"], max_receive_pdu_size=wanted["pdu"], **options)
elif isinstance(wanted["port"], str):
    client = DlmsClient.serial(wanted["port"], **options)
else:
    client = DlmsClient.tcp("127.0.0.1", wanted["port"], hdlc=wanted["link"] == "hdlc", **options)


def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex()
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


found = {}
with client:
    link = client.link
    found["get"] = [plain(client.get(obis, kind, number).to_python()) for kind, obis, number in wanted.get("get", [])]
    if "objects" in wanted:
        found["objects"] = [[one.class_id, str(one.logical_name)] for one in client.get_association_view()]
    if "entries" in wanted:
        obis, first, last = wanted["entries"]
        found["rows"] = plain(client.read_profile(obis, entry_descriptor(first, last)).rows)
    negotiated = getattr(link, "negotiated", None)
    if negotiated is not None:
        found["agreed"] = [negotiated.max_info_tx, negotiated.max_info_rx, negotiated.window_tx, negotiated.window_rx]
print(json.dumps(found))
