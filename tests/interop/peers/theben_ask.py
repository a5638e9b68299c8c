"""Asks a gateway with theben-conexa-smgw, unmodified. Arguments: host:port, user, password. Prints one JSON object.

The package asks for Python 3.14 because its annotations are evaluated late there. An earlier Python compiles the same
source with late annotations too.
"""

import __future__

import asyncio
import importlib.machinery
import json
import sys
import types
from pathlib import Path
from typing import Any

import aiohttp

spec = importlib.machinery.PathFinder.find_spec("theben_conexa_smgw")
assert spec is not None
assert spec.submodule_search_locations is not None
file = Path(spec.submodule_search_locations[0]) / "smgw.py"
client: Any = types.ModuleType("client")
sys.modules["client"] = client
code = compile(file.read_text(), str(file), "exec", __future__.annotations.compiler_flag, dont_inherit=True)
exec(code, client.__dict__)


async def main(host: str, user: str, password: str) -> None:
    async with aiohttp.ClientSession() as session:
        gateway = await client.ConexaSMGW.create(session, host, user, password)
        values = await gateway.getLatestValues()
        told = {
            "version": gateway.gatewayInfo.firmwareVersion,
            "id": gateway.gatewayInfo.smgwID,
            "values": {obis: [one.value, one.unit, one.utcTimestamp] for obis, one in values.items()},
        }
    print(json.dumps(told))


asyncio.run(main(*sys.argv[1:]))
