"""In the peers' own environment: pydlms-client with general block transfer. Arguments: port, window.

Prints as JSON the rows that it read of the profile 1-0:99.2.0, twice, and what the meter said of a long SET.
"""

import json
import sys

from pydlms import DlmsClient
from pydlms.apdu.xdlms import Conformance
from pydlms.cosem.types import DlmsData
from pydlms.exceptions import ServiceError

port, window = map(int, sys.argv[1:])
client = DlmsClient.tcp(
    "127.0.0.1",
    port,
    client_sap=16,
    timeout=10.0,
    max_receive_pdu_size=300,
    gbt_window=window,
    conformance=Conformance.default_ln() | Conformance.GENERAL_BLOCK_TRANSFER,
)
with client:
    rows = [len(client.get("1.0.99.2.0.255", 7, 2).value) for _ in range(2)]
    try:
        client.set("1.0.1.8.0.255", 3, 2, DlmsData.octet_string(bytes(3000)))
        said = "written"
    except ServiceError as error:
        said = str(error)
print(json.dumps({"rows": rows, "set": said}))
