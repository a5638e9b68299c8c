"""Asks a gateway with py-ppc-smgw, unmodified. Arguments: URL, user, password, begin, end. Prints one JSON object."""

import asyncio
import json
import logging
import ssl
import sys

import httpx
from py_ppc_smgw import PPCSMGWClient


async def main(url: str, user: str, password: str, begin: str, end: str) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # self-signed, as the client's own users have it
    async with (
        httpx.AsyncClient(verify=context) as client,
        PPCSMGWClient(url, user, password, client, logging.getLogger("ppc")) as gateway,
    ):
        told = {
            "firmware": [[one.component, one.version, one.checksum] for one in await gateway.get_firmware_versions()]
        }
        told["meters"] = []
        for meter in await gateway.get_meters():
            readings = await gateway.get_meter_reading(meter)
            profile = await gateway.get_meter_profile(meter)
            entries = await gateway.export_meter_values(meter, begin, end)
            told["meters"].append({
                "mid": meter.mid,
                "name": meter.name,
                "readings": {str(obis): [one.value, str(one.timestamp)] for obis, one in readings.items()},
                "device": profile.device_identifier,
                "period": profile.samplerate_s,
                "active": profile.active,
                "objects": [str(one) for one in profile.captured_obis],
                "entries": [
                    [str(one.obis), one.value, one.scaler, one.unit, one.status, one.capture_time.isoformat()]
                    for one in entries
                ],
            })  # fmt: skip
    print(json.dumps(told))


asyncio.run(main(*sys.argv[1:]))
