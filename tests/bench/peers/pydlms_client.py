"""In the peers' environment: pydlms-client reads a meter over HDLC or the wrapper; CPU seconds of its steps as JSON.

Arguments: port, "hdlc" or "wrapper", "clear" or "gmac", GETs, rows of the profiles to read, e.g. 96,1000.
"""

import json
import sys
import time

from pydlms import DlmsClient
from pydlms.association import Mechanism

port, link, security, gets, sizes = sys.argv[1:]
options = {"max_receive_pdu_size": 1024}
if security == "gmac":
    from pydlms.security.context import SecurityContext

    context = SecurityContext(bytes(range(16)), bytes(range(0xD0, 0xE0)), client_system_title=b"PYD00001")
    options |= {"mechanism": Mechanism.HLS_GMAC, "security": context}
client = DlmsClient.tcp(
    "127.0.0.1",
    int(port),
    client_sap=1 if security == "gmac" else 16,
    hdlc=link == "hdlc",
    timeout=60.0,
    **options,
)
found = {"get": 1e9}
with client:
    for _ in range(5):
        begin = time.process_time()
        for _ in range(int(gets)):
            value = client.get("1.0.1.8.0.255", 3, 2)
        assert value.value == 1234567, value
        found["get"] = min(found["get"], (time.process_time() - begin) / int(gets))
    for rows in map(int, filter(None, sizes.split(","))):
        begin = time.process_time()
        value = client.get(f"1.0.99.{(96, 1000, 35040).index(rows) + 1}.0.255", 7, 2)
        assert len(value.value) == rows, len(value.value)
        found[str(rows)] = time.process_time() - begin
print(json.dumps(found))
